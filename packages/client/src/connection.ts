// `connect()`: a Connect transport over a session that survives its links, and if need be its server.
//
// One state machine: a session that is opened, raced for, resumed, switched and replaced. What a link is, the transport knows; what a call is, the
// operation; this file knows when to open which link for which session.
// It is long because its states share every field: cut apart, each half would need the other's.
import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  type Interceptor,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import {
  type ClientTransport,
  type Clock,
  type Codec,
  type Endpoint,
  type Host,
  type LimitOptions,
  type Limits,
  type Logger,
  type PluginList,
  type Random,
  type Stations,
  type Store,
  type Timer,
  fail,
  protoCodec,
  reasonOf,
  resolveLimits,
  silentLogger,
  systemClock,
  systemRandom,
} from "@raceway/core";
import {
  FlushQueue,
  type GoawayFrame,
  type HelloFrame,
  Session,
  type SessionLink,
  type SessionOwner,
  type WelcomeFrame,
  composeInterceptors,
  errorOf,
  headerFields,
  orderPlugins,
} from "@raceway/core/internal";
import { Backoff, type BackoffOptions } from "./backoff.ts";
import { contractOf } from "./contracts.ts";
import { type Candidate, Refusal, shakeHands } from "./handshake.ts";
import { intercepted } from "./intercept.ts";
import type { OperationHost } from "./operation.ts";
import { type ConnectionOutbox, Outbox, type OutboxOptions } from "./outbox.ts";
import { RaceLost, race } from "./race.ts";
import { ConnectionState } from "./state.ts";
import { startStream } from "./stream-operation.ts";
import { startUnary } from "./unary-operation.ts";

export interface ConnectOptions {
  /** What to connect by, best first. */
  readonly transports: readonly ClientTransport[];
  /** Middleware. */
  readonly use?: PluginList;
  /** Payloads as protobuf (default), or with `jsonCodec()` of @raceway/core as JSON, which people can read. A page that does not ask for JSON does not load it. */
  readonly codec?: Codec;
  /** Frames in binary (default) or as lines of JSON; links that carry text only always get lines. */
  readonly frames?: "binary" | "json";
  readonly limits?: LimitOptions;
  /** What becomes of calls that are made while there is no link. */
  readonly outbox?: OutboxOptions;
  /** Path under which the server's transports answer; default "/raceway". */
  readonly path?: string;
  /** The next transport joins the race so much later, in milliseconds; default 250: long enough for a healthy WebSocket on 3G, short enough that nobody notices a swallowed upgrade. */
  readonly staggerMs?: number;
  readonly backoff?: Partial<BackoffOptions>;
  /** First look for a better transport than the present one, in milliseconds; the wait doubles up to twenty times as much. Default 30,000; 0: never. */
  readonly probeMs?: number;
  readonly log?: Logger;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly random?: Random;
}

/** A Connect transport: every Connect client works on it unchanged. */
export interface Connection extends Transport, AsyncDisposable {
  readonly state: ConnectionState;
  /** Calls that wait for a link. */
  readonly outbox: ConnectionOutbox;
  /** Moves the session to a transport, while calls are in flight; rejects, and stays where it was, if that one does not work. */
  switchTo(transport: string): Promise<void>;
  /** Measures a round trip, in milliseconds. Rejects with `link_closed` if the link ends before. */
  ping(): Promise<number>;
  /** Ends all calls with `connection_closed` and says goodbye. */
  close(): Promise<void>;
}

/** Connects at once, and keeps connected. Calls may be made before it is open. */
export function connect(url: string | URL, options: ConnectOptions): Connection {
  return new RacewayConnection(url, options);
}

const BACKOFF: BackoffOptions = { firstMs: 200, factor: 1.6, capMs: 30_000 };
/** A link that has lived so long counts as stable: the backoff starts anew. */
const STABLE_MS = 10_000;
/** A transport whose link opens and dies sooner than this is put last for a while. */
const FLAP_MS = 5_000;
const FLAP_PENALTY_MS = 60_000;
const RTT_EVERY_MS = 15_000;
/** A page that is shown again gives its link so long to show that it lives. */
const CHECK_MS = 3_000;
/** Refusals that the next attempt would meet again. */
const FINAL_CODES: ReadonlySet<Code> = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.Unimplemented,
]);

class RacewayConnection implements Connection, SessionOwner, OperationHost {
  readonly state: ConnectionState;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #options: ConnectOptions;
  readonly #endpoint: Endpoint;
  readonly #queue: FlushQueue;
  readonly #codec: Codec;
  readonly #draining = new AbortController();
  readonly #backoff: Backoff;
  readonly #candidates: Candidate[];
  readonly #plugins: Promise<readonly Stations[]> | undefined;
  #stations: readonly Stations[] | undefined;
  readonly #chains = new Map<DescMethod, Interceptor | null>();

  #session: Session;
  /** What the server called the session; undefined until the first Welcome. */
  #identity: { readonly session: Uint8Array; readonly secret: Uint8Array } | undefined;
  #attempts = 0;
  /** The race in progress. */
  #racing: AbortController | undefined;
  #retry: Timer | undefined;
  #stable: Timer | undefined;
  #probe: Timer | undefined;
  #probeMs: number;
  #rtt: Timer | undefined;
  #age: Timer | undefined;
  #linkSince = 0;
  /** Won last: goes first. */
  #favourite: string | undefined;
  readonly #penalties = new Map<string, number>();
  #pings = new Map<number, { at: number; resolve: (ms: number) => void; reject: (error: unknown) => void }>();
  #pingId = 0;
  /** Stopped after a final refusal, until somebody calls. */
  #stopped: ConnectError | undefined;
  /** A plugin could not start: nothing will ever work. */
  #broken: ConnectError | undefined;
  #closed: ConnectError | undefined;
  /** While all calls are being told that the server refused. */
  #refusing: ConnectError | undefined;
  #offline: (() => void) | undefined;

  constructor(url: string | URL, options: ConnectOptions) {
    this.#options = options;
    this.clock = options.clock ?? systemClock();
    this.#random = options.random ?? systemRandom;
    this.limits = resolveLimits(options.limits);
    this.#log = options.log ?? silentLogger;
    this.#endpoint = { url: String(url).replace(/\/+$/, ""), path: options.path ?? "/raceway" };
    const failed = (error: unknown): void => this.failed(error);
    this.state = new ConnectionState(failed);
    this.#queue = new FlushQueue(this.clock, failed);
    this.#codec = options.codec ?? protoCodec(this.limits);
    this.#backoff = new Backoff(this.#random, { ...BACKOFF, ...options.backoff });
    this.#probeMs = options.probeMs ?? 30_000;
    const host: Host = {
      side: "client",
      clock: this.clock,
      random: this.#random,
      log: this.#log,
      store: noStore,
      draining: this.#draining.signal,
    };
    this.#candidates = options.transports
      .filter((transport) => transport.supports(this.#endpoint))
      .map((transport) => ({ name: transport.name, binary: transport.traits.binary, started: transport.start(host) }));
    const plugins = orderPlugins(options.use ?? []);
    this.#plugins = plugins.length === 0 ? undefined : Promise.all(plugins.map(async (plugin) => plugin.start(host)));
    if (this.#plugins === undefined) this.#stations = [];
    else
      this.#plugins
        .then((stations) => (this.#stations = stations))
        .catch((error: unknown) => {
          this.#broken = ConnectError.from(error, Code.FailedPrecondition);
          this.#refused(this.#broken);
        });
    this.#session = this.#newSession();
    this.outbox = new Outbox(this, this.limits, options.outbox);
    options.outbox?.store?.start({
      operations: this,
      clock: this.clock,
      limits: this.limits,
      codec: this.#codec,
      log: this.#log,
      restored: options.outbox.onRestored ?? (() => {}),
    });
    this.#listen();
    this.#go("connecting");
  }

  // ---- Connect's Transport

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const chain = this.#chainOf(method);
    if (chain === undefined)
      return startUnary(this, { method, signal, timeoutMs, header: headerFields(header), contextValues }, input);
    return intercepted.unary(
      chain,
      method,
      { signal, timeoutMs, header, contextValues, url: this.#endpoint.url },
      input,
      (request) =>
        startUnary(
          this,
          {
            method,
            signal: request.signal,
            timeoutMs,
            header: headerFields(request.header),
            contextValues: request.contextValues,
          },
          request.message,
        ),
    );
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    const chain = this.#chainOf(method);
    const queueLimit = this.limits.topicQueueMessages;
    if (chain === undefined)
      return startStream(
        this,
        { method, signal, timeoutMs, header: headerFields(header), contextValues },
        input,
        queueLimit,
      );
    return intercepted.stream(
      chain,
      method,
      { signal, timeoutMs, header, contextValues, url: this.#endpoint.url },
      input,
      (request) =>
        startStream(
          this,
          {
            method,
            signal: request.signal,
            timeoutMs,
            header: headerFields(request.header),
            contextValues: request.contextValues,
          },
          request.message,
          queueLimit,
        ),
    );
  }

  /** Undefined: nothing takes part in this method's calls. */
  #chainOf(method: DescMethod): Promise<Interceptor | undefined> | undefined {
    if (this.#plugins === undefined) return undefined;
    if (this.#stations !== undefined) {
      const chain = this.#compose(method);
      return chain === undefined ? undefined : Promise.resolve(chain);
    }
    return this.#plugins.then(() => this.#compose(method));
  }
  #compose(method: DescMethod): Interceptor | undefined {
    let chain = this.#chains.get(method);
    if (chain === undefined) {
      const path = `/${method.parent.typeName}/${method.name}`;
      chain =
        composeInterceptors(this.#stations ?? [], {
          path,
          service: method.parent,
          desc: method,
          contract: contractOf(method),
          policy: undefined,
        }) ?? null;
      this.#chains.set(method, chain);
    }
    return chain ?? undefined;
  }

  // ---- what operations ask

  session(): Session {
    const ended = this.#closed ?? this.#refusing;
    if (ended !== undefined) throw ended;
    if (this.#stopped !== undefined && this.#session.current === undefined) {
      this.#stopped = undefined;
      this.#go("connecting");
    }
    return this.#session;
  }
  get present(): Session {
    return this.#session;
  }
  failed(error: unknown): void {
    this.#log.error("a listener or receiver failed", { error: String(error) });
  }
  decoderOf(method: DescMethod): (payload: Uint8Array) => unknown {
    return this.#codec.of(method.output).decode;
  }
  encoderOf(method: DescMethod): (message: unknown) => Uint8Array {
    return this.#codec.of(method.input).encode as (message: unknown) => Uint8Array;
  }
  newKey(): string {
    return Array.from(this.#random.bytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // ---- sessions and links

  #newSession(): Session {
    const session = new Session({
      side: "client",
      limits: this.limits,
      clock: this.clock,
      queue: this.#queue,
      owner: this,
    });
    session.jsonPayload = !this.#codec.binary;
    session.expectsText = this.#options.frames === "json" || this.#candidates.some(({ binary }) => !binary);
    session.setPeerWindow({ messages: 0, bytes: 0 }); // streams wait for the Welcome; unary calls need no credit
    return session;
  }

  /** Opens a link for the session, by the race, until there is one. */
  #go(status: "connecting" | "resuming"): void {
    if (this.#closed !== undefined || this.#racing !== undefined) return;
    this.#retry?.[Symbol.dispose]();
    this.#retry = undefined;
    this.state.set({ status, transport: undefined, nextAttemptAt: undefined });
    const racing = new AbortController();
    this.#racing = racing;
    this.#race(this.#ranked(), racing.signal).then(
      () => {
        this.#racing = undefined;
        // The link that won may be gone by now, in the turn that welcomed it.
        if (this.#session.current === undefined && this.#closed === undefined && this.#stopped === undefined)
          this.#retryLater(
            "resuming",
            this.state.current.reason ?? fail("session_lost", { detail: "its new link died at once" }),
          );
      },
      (lost: unknown) => {
        this.#racing = undefined;
        if (this.#closed === undefined) this.#lostRace(lost);
      },
    );
  }

  async #race(candidates: readonly Candidate[], signal: AbortSignal): Promise<void> {
    if (candidates.length === 0) throw new RaceLost([], undefined);
    await this.#plugins;
    const hello = await this.#hello(this.#identity === undefined ? "open" : "resume");
    const winner = await race({
      candidates,
      staggerMs: this.#options.staggerMs ?? 250,
      clock: this.clock,
      signal,
      failed: (candidate, error) =>
        this.#log.info("transport failed", { transport: candidate.name, error: error.message }),
      attempt: (candidate, stop) => this.#attempt(candidate, hello, stop),
    });
    this.#favourite = winner.name;
  }

  #attempt(candidate: Candidate, hello: HelloFrame, signal: AbortSignal): Promise<void> {
    const session = this.#session;
    let said: HelloFrame | undefined;
    return shakeHands({
      candidate,
      endpoint: this.#endpoint,
      hello: () => {
        // Whatever has come by now counts: a transport may take long to open.
        session.greeting();
        said = { ...hello, received: session.received, attempt: ++this.#attempts };
        return said;
      },
      text: this.#options.frames === "json",
      limits: this.limits,
      clock: this.clock,
      signal,
      welcomed: (link, welcome) => !signal.aborted && this.#welcomed(link, welcome, said!),
    }).finally(() => {
      if (said !== undefined) session.greeted();
    });
  }

  async #hello(kind: "open" | "resume"): Promise<HelloFrame> {
    const introduction = { kind, credential: "", headers: new Headers() };
    for (const station of this.#stations ?? []) await station.introduce?.(introduction);
    const { windowMessages: messages, windowBytes: bytes } = this.limits;
    return {
      kind: "hello",
      version: 1,
      codecs: [this.#codec.name],
      session: this.#identity?.session ?? new Uint8Array(0),
      secret: this.#identity?.secret ?? new Uint8Array(0),
      received: 0,
      credential: introduction.credential,
      window: { messages, bytes },
      agent: "raceway-ts",
      header: headerFields(introduction.headers),
      attempt: 0,
    };
  }

  /** The first Welcome of a race, or of a switch: the session goes on over this link from now on. */
  #welcomed(link: SessionLink, welcome: WelcomeFrame, hello: HelloFrame): boolean {
    const session = this.#session;
    const wasNew = hello.session.length === 0;
    if (wasNew ? this.#identity !== undefined : !welcome.resumed || !same(welcome.session, this.#identity?.session))
      return false;
    if (wasNew) {
      this.#identity = { session: welcome.session, secret: welcome.secret };
      if (welcome.window !== undefined) session.setPeerWindow(welcome.window);
      session.maxMessageBytes = Math.min(this.limits.messageBytesOut, welcome.maxMessageBytes);
    } else if (!session.resumableFrom(welcome.received)) {
      this.#replaceSession(fail("resume_impossible"));
      throw fail("count_invalid", {
        count: welcome.received,
        have: `${session.replay.kept} to ${session.transmitted} can be resumed`,
      });
    }
    const old = [...session.links];
    session.attach(link, welcome.received, hello.received);
    session.watch(welcome.heartbeatMs, welcome.silenceMs);
    for (const each of old) session.release(each);
    this.#opened(link, welcome);
    return true;
  }

  #opened(link: SessionLink, welcome: WelcomeFrame): void {
    const { transport } = link.link;
    this.#linkSince = this.clock.now();
    this.state.set({ status: "open", transport, reason: undefined, nextAttemptAt: undefined });
    this.outbox.schedule();
    this.#retry?.[Symbol.dispose](); // a switch may win while a retry waits
    this.#retry = undefined;
    this.#stable?.[Symbol.dispose]();
    this.#stable = this.clock.after(STABLE_MS, () => this.#backoff.reset());
    this.#measure();
    this.#scheduleProbe(transport);
    this.#age?.[Symbol.dispose]();
    if (welcome.maxAgeMs > 0) {
      // Some time before the end, and not all clients of a server at once.
      this.#age = this.clock.after(
        welcome.maxAgeMs * (0.8 + 0.1 * this.#random.next()),
        () => void this.switchTo(transport).catch(() => {}),
      );
    }
  }

  /** What failed goes last for a while; what won last goes first; else as configured. */
  #ranked(): Candidate[] {
    const now = this.clock.now();
    const rank = ({ name }: Candidate): number =>
      (this.#penalties.get(name) ?? 0) > now ? 2 : name === this.#favourite ? 0 : 1;
    return this.#candidates
      .map((candidate, at) => ({ candidate, at, rank: rank(candidate) }))
      .sort((a, b) => a.rank - b.rank || a.at - b.at)
      .map(({ candidate }) => candidate);
  }

  #lostRace(cause: unknown): void {
    const lost = cause instanceof RaceLost ? cause : undefined;
    if (lost === undefined) {
      // A plugin could not introduce us, or not even start. A token that could not be fetched may be fetched later.
      const error = ConnectError.from(cause, Code.Unavailable);
      if (this.#broken !== undefined || FINAL_CODES.has(error.code)) this.#refused(this.#broken ?? error);
      else this.#retryLater("offline", error);
      return;
    }
    const refusal = lost.refusal;
    if (refusal !== undefined) {
      const reason = reasonOf(refusal.error);
      if (this.#identity !== undefined && (reason === "resume_impossible" || reason === "resume_refused")) {
        // The session is gone there: what can be repeated goes on in a new one, at once.
        this.#replaceSession(fail("session_lost", { detail: "the server no longer has it" }));
        this.#go("resuming");
        return;
      }
      if (FINAL_CODES.has(refusal.error.code)) return this.#refused(refusal.error);
    }
    const { url } = this.#endpoint;
    const detail =
      lost.errors.map(([name, error]) => `${name}: ${error.rawMessage}`).join("; ") ||
      "none of the transports supports it";
    const error = refusal?.error ?? fail("no_transport", { url, detail });
    if (this.#candidates.length === 0) return this.#refused(error);
    this.#retryLater("offline", error, refusal?.retryAfterMs);
  }

  /** The next attempt, after the backoff and what the server asked for. */
  #retryLater(status: "resuming" | "offline", reason: ConnectError | undefined, leastMs = 0): void {
    const waitMs = this.#backoff.next(leastMs);
    this.#retry?.[Symbol.dispose]();
    this.#retry = this.clock.after(waitMs, () => this.#go(this.#identity === undefined ? "connecting" : "resuming"));
    this.state.set({ status, transport: undefined, reason, nextAttemptAt: this.clock.wallNow() + waitMs });
  }

  /** The server does not want us: all calls end, and no more attempts are made until the next call. */
  #refused(error: ConnectError): void {
    this.#stopTimers();
    this.#stopped = error;
    this.state.set({ status: "offline", transport: undefined, reason: error, nextAttemptAt: undefined });
    const session = this.#session;
    this.#identity = undefined;
    this.#session = this.#newSession();
    this.#refusing = error; // what tries to open itself again meets the same reason
    session.end(error, false);
    this.outbox.fail(error);
    this.#refusing = undefined;
  }

  #replaceSession(error: ConnectError): void {
    const old = this.#session;
    this.#identity = undefined;
    this.#session = this.#newSession();
    old.end(error, false); // each operation opens itself again where that is safe
  }

  async switchTo(name: string): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    const candidate = this.#candidates.find((each) => each.name === name);
    if (candidate === undefined)
      throw fail("transport_unknown", { transport: name, have: this.#candidates.map((each) => each.name).join(", ") });
    if (this.#identity === undefined || this.#session.current === undefined) {
      // Nothing to switch from: it is only a wish for the race.
      this.#favourite = name;
      this.#penalties.delete(name);
      throw fail("transport_failed", {
        transport: name,
        detail: "there is no open link to switch from; it will be tried first",
      });
    }
    const transport = this.state.current.transport;
    this.state.set({ status: "switching" });
    try {
      await this.#attempt(candidate, await this.#hello("resume"), this.#draining.signal);
      this.#favourite = name;
    } catch (cause) {
      if (this.state.current.status === "switching") this.state.set({ status: "open", transport });
      throw cause instanceof Refusal ? cause.error : cause;
    }
  }

  /** While a transport is in use that is not the best, the better ones are tried from time to time. */
  #scheduleProbe(transport: string): void {
    this.#probe?.[Symbol.dispose]();
    this.#probe = undefined;
    const better = this.#candidates.slice(
      0,
      Math.max(
        0,
        this.#candidates.findIndex(({ name }) => name === transport),
      ),
    );
    const first = this.#options.probeMs ?? 30_000;
    if (better.length === 0 || first === 0) {
      this.#probeMs = first;
      return;
    }
    this.#probe = this.clock.after(this.#probeMs, () => {
      this.#probeMs = Math.min(this.#probeMs * 2, first * 20);
      this.#tryBetter(better).catch((error: unknown) =>
        this.#log.debug("no better transport", { error: String(error) }),
      );
    });
  }

  async #tryBetter(better: readonly Candidate[]): Promise<void> {
    for (const { name } of better) {
      if (this.#session.current === undefined) return;
      try {
        await this.switchTo(name);
        this.#probeMs = this.#options.probeMs ?? 30_000;
        return;
      } catch (error) {
        this.#log.debug("a better transport does not work yet", { transport: name, error: String(error) });
      }
    }
    const { transport } = this.state.current;
    if (transport !== undefined) this.#scheduleProbe(transport);
  }

  // ---- what the session tells

  opened(): void {}
  auth(): void {
    this.#refresh().catch((error: unknown) => this.#log.warn("credential was not refreshed", { error: String(error) }));
  }
  async #refresh(): Promise<void> {
    const introduction = { kind: "refresh" as const, credential: "", headers: new Headers() };
    for (const station of this.#stations ?? []) await station.introduce?.(introduction);
    this.#session.control({ kind: "auth", credential: introduction.credential, expiresMs: 0 });
  }
  ended(): void {}

  linkLost(error: ConnectError | undefined): void {
    this.#stopTimers();
    const { transport } = this.state.current;
    if (transport !== undefined && this.clock.now() - this.#linkSince < FLAP_MS)
      this.#penalties.set(transport, this.clock.now() + FLAP_PENALTY_MS);
    if (this.#closed !== undefined) return;
    if (this.#racing === undefined) this.#retryLater("resuming", error);
    else this.state.set({ status: "resuming", transport: undefined, reason: error }); // the race goes on, and so does this when it ends
  }
  waits(): void {}

  goaway(link: SessionLink, frame: GoawayFrame): void {
    if (link !== this.#session.current) return;
    const error = frame.status === undefined ? undefined : errorOf(frame.status);
    if (!frame.final) {
      // The link is at its end (its close follows), or the server drains: what is in flight may end, then the link goes.
      this.state.set({ reason: error ?? fail("draining", {}) });
      if (error !== undefined && reasonOf(error) === "session_taken") this.#sessionEnded(error);
      return;
    }
    this.#sessionEnded(error ?? fail("draining", {}));
  }

  #sessionEnded(error: ConnectError): void {
    this.#stopTimers();
    if (FINAL_CODES.has(error.code)) return this.#refused(error);
    this.#replaceSession(fail("session_lost", { detail: error.rawMessage }));
    if (this.#closed === undefined && this.#racing === undefined) this.#retryLater("resuming", error);
  }

  // ---- round trips

  ping(): Promise<number> {
    if (this.#session.current === undefined)
      return Promise.reject(this.#closed ?? fail("link_closed", { transport: "", detail: "there is no link now" }));
    const id = ++this.#pingId;
    return new Promise((resolve, reject) => {
      this.#pings.set(id, { at: this.clock.now(), resolve, reject });
      this.#session.ping(id);
    });
  }
  pong(id: number): void {
    const asked = this.#pings.get(id);
    if (asked === undefined) return;
    this.#pings.delete(id);
    const ms = this.clock.now() - asked.at;
    this.state.set({ roundTripMs: ms });
    asked.resolve(ms);
  }
  #measure(): void {
    this.#rtt?.[Symbol.dispose]();
    this.ping().catch(() => {}); // the link ended; the next one measures again
    this.#rtt = this.clock.after(RTT_EVERY_MS, () => this.#measure());
  }

  // ---- the end

  #stopTimers(): void {
    for (const timer of [this.#retry, this.#stable, this.#probe, this.#rtt, this.#age]) timer?.[Symbol.dispose]();
    this.#retry = this.#stable = this.#probe = this.#rtt = this.#age = undefined;
    for (const { reject } of this.#pings.values())
      reject(this.#closed ?? fail("link_closed", { transport: "", detail: "it ended before the answer" }));
    this.#pings.clear();
  }

  /**
   * A browser says when the network is back or the page is shown again: no need to wait for the backoff, nor to trust a link which may have died
   * unnoticed (on iOS a socket stays open, dead, after the page was away).
   */
  #listen(): void {
    if (typeof globalThis.addEventListener !== "function") return;
    const { document } = globalThis as { readonly document?: EventTarget & { readonly hidden: boolean } };
    const awake = (): void => {
      if (document?.hidden === true) return;
      this.#session.check(CHECK_MS);
      if (this.#retry === undefined) return;
      this.#backoff.reset();
      this.#go(this.#identity === undefined ? "connecting" : "resuming");
    };
    const events = [
      [globalThis, "online"],
      [globalThis, "pageshow"],
      [document, "visibilitychange"],
      [document, "resume"], // the page was frozen (Page Lifecycle)
    ] as const;
    for (const [target, type] of events) target?.addEventListener(type, awake);
    this.#offline = () => {
      for (const [target, type] of events) target?.removeEventListener(type, awake);
    };
  }

  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    const error = fail("connection_closed");
    this.#closed = error;
    this.#stopTimers();
    this.#offline?.();
    this.#racing?.abort();
    this.#draining.abort(error);
    const kept = this.outbox.close(error);
    this.#session.end(error, true);
    this.state.set({ status: "closed", transport: undefined, nextAttemptAt: undefined });
    for (const station of (this.#stations ?? []).toReversed()) await station[Symbol.asyncDispose]?.();
    await kept;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, at) => byte === b[at]);
}

const noStore: Store = {
  get: () => Promise.resolve(undefined),
  put: () => Promise.resolve(true),
  delete: () => Promise.resolve(),
  take: () => Promise.resolve({ ok: true, retryAfterMs: 0 }),
};
