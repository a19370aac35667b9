// Keeps a session with some server: opened, raced for, resumed, switched, moved and replaced.
//
// What a link is, the transport knows; what a call is, the operation; this file knows when to open which link for which session.
// It is long because its states share every field: cut apart, each half would need the other's.
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type BatchStation,
  type Codec,
  type Endpoint,
  type Host,
  type Introduction,
  type Limits,
  type StartedClientTransport,
  type Timer,
  errorInfo,
  fail,
  reasonOf,
} from "@raceway/core";
import {
  type FlushQueue,
  type AuthFrame,
  type GoawayFrame,
  type HelloFrame,
  Session,
  type SessionLink,
  type WelcomeFrame,
  errorOf,
  headerFields,
} from "@raceway/core/internal";
import { whenAwake } from "./awake.ts";
import { Backoff, type BackoffOptions } from "./backoff.ts";
import type { ConnectOptions } from "./connection.ts";
import { type StartedEndpoints, endpointsOf, namedUrls, type EndpointSource } from "./endpoints.ts";
import { type Candidate, FINAL_CODES, Refusal, shakeHands } from "./handshake.ts";
import { Penalties } from "./penalties.ts";
import { RaceLost, race } from "./race.ts";
import { RoundTrips } from "./round-trips.ts";
import { Seat, type SeatHost } from "./seat.ts";
import { ConnectionState, type ConnectionStatus } from "./state.ts";

export interface KeeperInit {
  readonly to: EndpointSource;
  readonly options: ConnectOptions;
  readonly host: Host;
  readonly limits: Limits;
  readonly queue: FlushQueue;
  /** Best first. */
  readonly codecs: readonly Codec[];
  /** Has the plugins say who we are; rejects if one cannot. */
  introduce(introduction: Introduction): Promise<void>;
  /** The batch stations of the plugins, once they have introduced us. */
  coding(): readonly BatchStation[];
  /** A new session begins. */
  began(): void;
  /** A session has a link. */
  opened(): void;
  /** The server does not want us. */
  refused(error: ConnectError): void;
  failed(error: unknown): void;
}

const BACKOFF: BackoffOptions = { firstMs: 200, factor: 1.6, capMs: 30_000 };
/** The backoff starts anew after a link that has lived so long and carried something: a call's answer, a message, an event. */
const STABLE_MS = 10_000;
/** Or so long, if there was nothing to carry. */
const IDLE_STABLE_MS = 300_000;
/** A link that dies sooner is a strike against its transport. */
const FLAP_MS = 5_000;
/** When other servers join a race to resume on a silent one: a lost session costs more than this wait. */
const FAILOVER_MS = 2_000;
/** Servers that take part in one race; those that fail are put last for the next. */
const MAX_IN_RACE = 3;
const RTT_EVERY_MS = 15_000;
/** A page that is shown again gives its link so long to show that it lives. */
const CHECK_MS = 3_000;
/** How often a session that was left looks whether its calls are over. */
const LEAVE_LOOK_MS = 100;
/** A fresh credential is shown when a fifth of the life of the old one is left, but not more than so long before its end; in milliseconds. */
const REFRESH_LEAD_MS = 60_000;
/** Not more often than so, however short-lived credentials are; nor is a timer set for longer than Node can; after a failure again so much later. */
const REFRESH_LEAST_MS = 1_000;
const REFRESH_MOST_MS = 86_400_000;
const REFRESH_AGAIN_MS = 5_000;

/** A transport, started at its first use. */
interface Way {
  readonly name: string;
  supports(url: string): boolean;
  start(): StartedClientTransport;
}

export class Keeper implements SeatHost {
  readonly state: ConnectionState;
  readonly #init: KeeperInit;
  readonly #host: Host;
  readonly #ways: readonly Way[];
  readonly #path: string;
  readonly #endpoints: StartedEndpoints;
  readonly #backoff: Backoff;
  readonly #flaps: Penalties;
  readonly #ejected: Penalties;
  readonly #trips: RoundTrips;
  readonly #ended = new AbortController();

  #seat: Seat;
  /** Sessions on servers that drain: what is in flight ends there. */
  readonly #leaving = new Set<Seat>();
  #attempts = 0;
  /** The attempt that opened the present link. */
  #linkAttempt = 0;
  /** The race in progress for a session without a link. */
  #racing: AbortController | undefined;
  /** The way to another server while this one drains. */
  #moving: AbortController | undefined;
  #retry: Timer | undefined;
  #probe: Timer | undefined;
  #probeMs: number;
  #rtt: Timer | undefined;
  #age: Timer | undefined;
  #linkSince = 0;
  #usefulBefore = 0;
  #way = "";
  /** Won last: goes first. */
  #favourite: string | undefined;
  /** Servers that another one named. */
  #named: readonly string[] = [];
  /** What the server asked us to wait before the next attempt, in milliseconds. */
  #hintMs = 0;
  /** Stopped after a final refusal, until somebody calls. */
  #stopped: ConnectError | undefined;
  /** `credential_expired`: why what was shown last was not good any more; until a server takes what is shown next. */
  #expired: ConnectError | undefined;
  /** Nothing will ever work. */
  #broken: ConnectError | undefined;
  #closed: ConnectError | undefined;
  /** While all calls are being told that the server refused. */
  #refusing: ConnectError | undefined;
  readonly #asleep: () => void;

  constructor(init: KeeperInit) {
    const { options, host } = init;
    this.#init = init;
    this.#host = host;
    this.#path = options.path ?? "/raceway";
    this.state = new ConnectionState((error) => init.failed(error));
    this.#endpoints = endpointsOf(init.to).start(host);
    this.#backoff = this.#newBackoff();
    this.#flaps = new Penalties(host.clock, { free: 1, firstMs: 60_000, capMs: 1_800_000 });
    this.#ejected = new Penalties(host.clock, { free: 0, firstMs: 1_000, capMs: 300_000 });
    this.#trips = new RoundTrips(host.clock);
    this.#probeMs = this.#firstProbeMs;
    this.#ways = options.transports.map((transport) => {
      let started: StartedClientTransport | undefined;
      return {
        name: transport.name,
        supports: (url) => transport.supports({ url, path: this.#path }),
        start: () => (started ??= transport.start(host)),
      };
    });
    this.#seat = this.#newSeat();
    this.#asleep = whenAwake(() => this.#awake());
  }

  /** Connects, as soon as whoever is to be told is there. */
  start(): void {
    this.#go("connecting");
  }

  get present(): Session {
    return this.#seat.session;
  }
  /** The same, and sees to it that it gets a link. Throws if the connection is closed, or the server has just refused it. */
  session(): Session {
    const ended = this.#closed ?? this.#refusing;
    if (ended !== undefined) throw ended;
    if (this.#stopped !== undefined && this.present.current === undefined) {
      this.#stopped = undefined;
      this.#go("connecting");
    }
    return this.present;
  }

  /** A plugin could not start: nothing will ever work. */
  broke(error: ConnectError): void {
    this.#broken = error;
    this.#refused(error);
  }

  // ---- sessions and links

  get #firstProbeMs(): number {
    return this.#init.options.probeMs ?? 30_000;
  }

  #newBackoff(): Backoff {
    return new Backoff(this.#host.random, { ...BACKOFF, ...this.#init.options.backoff });
  }

  #newSeat(): Seat {
    const { limits, queue, codecs, options } = this.#init;
    const seat = new Seat(this);
    const session = new Session({
      side: "client",
      limits,
      clock: this.#host.clock,
      queue,
      owner: seat,
      codec: codecs[0]!,
    });
    session.expectsText = options.frames === "json" || options.transports.some(({ traits }) => !traits.binary);
    session.setPeerWindow({ messages: 0, bytes: 0 }); // streams wait for the Welcome; unary calls need no credit
    seat.session = session;
    return seat;
  }

  /** Opens a link for the session, by the race, until there is one. */
  #go(status: "connecting" | "resuming"): void {
    if (this.#closed !== undefined || this.#racing !== undefined) return;
    this.#retry?.[Symbol.dispose]();
    this.#retry = undefined;
    this.#apart(status);
    const racing = new AbortController();
    this.#racing = racing;
    this.#race(this.#seat, false, racing.signal).then(
      () => {
        this.#racing = undefined;
        // The link that won may be gone by now, in the turn that welcomed it.
        if (this.#seat.session.current === undefined && this.#closed === undefined && this.#stopped === undefined)
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

  /** `moving`: for a new session beside the one that is there. */
  async #race(seat: Seat, moving: boolean, signal: AbortSignal): Promise<void> {
    const first = await this.#hello(seat, moving);
    let other: Promise<HelloFrame> | undefined;
    const candidates = await this.#candidates(seat, moving);
    const failed = new Set<string>();
    try {
      const winner = await race({
        candidates,
        staggerMs: this.#init.options.staggerMs ?? 250,
        clock: this.#host.clock,
        signal,
        failed: ({ name, endpoint: { url } }, error) => {
          failed.add(url);
          this.#host.log.info("transport failed", { transport: name, url, error: error.message });
        },
        attempt: async (candidate, stop) =>
          this.#attempt(
            seat,
            candidate,
            candidate.fresh && !moving ? await (other ??= this.#hello(seat, true)) : first,
            stop,
          ),
      });
      this.#favourite = winner.name;
      failed.delete(winner.endpoint.url);
    } catch (error) {
      if (error instanceof RaceLost) this.#name(error.refusal?.endpoints ?? [], candidates);
      throw error;
    } finally {
      for (const url of failed) this.#ejected.strike(url);
    }
  }

  /** Who takes part: to resume, the session's own server first; to move, that one last. */
  async #candidates(seat: Seat, moving: boolean): Promise<Candidate[]> {
    const home = seat.endpoint;
    const listed = await this.#endpoints.list();
    const urls = [...new Set([...this.#named, ...listed])];
    const score = (url: string): number => (url === home?.url ? (moving ? 2 : -1) : this.#ejected.has(url) ? 1 : 0);
    if (home !== undefined && !urls.includes(home.url)) urls.push(home.url);
    urls.sort((a, b) => score(a) - score(b));
    const stays = seat !== this.#seat; // nobody needs another session in place of one that is left
    return (stays ? urls.slice(0, 1) : urls.slice(0, MAX_IN_RACE)).flatMap((url, at) => {
      const endpoint = url === home?.url ? home : { url, path: this.#path };
      const fresh = moving || (home !== undefined && endpoint !== home);
      return this.#ranked(url).map(({ name, start }, nth): Candidate => ({
        name,
        started: start(),
        endpoint,
        fresh,
        patienceMs: fresh && !moving && at === 1 && nth === 0 ? FAILOVER_MS : undefined,
      }));
    });
  }

  #attempt(seat: Seat, candidate: Candidate, hello: HelloFrame, signal: AbortSignal): Promise<void> {
    const { session } = seat;
    const { options, limits } = this.#init;
    const { fresh } = candidate;
    let said: HelloFrame | undefined;
    return shakeHands({
      candidate,
      hello: () => {
        // Whatever has come by now counts: a transport may take long to open.
        said = { ...hello, received: fresh ? 0 : session.received, attempt: ++this.#attempts };
        return said;
      },
      text: options.frames === "json",
      limits,
      clock: this.#host.clock,
      signal,
      welcomed: (link, welcome) => !signal.aborted && this.#welcomed(seat, candidate, link, welcome, said!),
    });
  }

  async #introduce(kind: Introduction["kind"]): Promise<Introduction> {
    const introduction = {
      kind,
      credential: "",
      headers: new Headers(),
      overNewLink: false,
      refused: this.#expired,
    };
    await this.#init.introduce(introduction);
    return introduction;
  }

  async #hello(seat: Seat, fresh: boolean): Promise<HelloFrame> {
    const identity = fresh ? undefined : seat.identity;
    const introduction = await this.#introduce(identity === undefined ? "open" : "resume");
    const { windowMessages: messages, windowBytes: bytes } = this.#init.limits;
    return {
      kind: "hello",
      version: 1,
      codecs: this.#init.codecs.map(({ name }) => name),
      session: identity?.session ?? new Uint8Array(0),
      secret: identity?.secret ?? new Uint8Array(0),
      received: 0,
      credential: introduction.credential,
      window: { messages, bytes },
      agent: "raceway-ts",
      header: headerFields(introduction.headers),
      attempt: 0,
      coders: this.#init.coding().flatMap(({ wireNames }) => wireNames),
    };
  }

  /** The first Welcome of a race, or of a switch: the session goes on over this link from now on, or another one in its place. */
  #welcomed(seat: Seat, candidate: Candidate, link: SessionLink, welcome: WelcomeFrame, hello: HelloFrame): boolean {
    let taken = seat;
    if (hello.session.length > 0) {
      if (!welcome.resumed || !same(welcome.session, seat.identity?.session)) return false;
      if (!seat.session.resumableFrom(welcome.received)) {
        if (seat.session.current !== undefined) return false; // it is older than the link in use
        if (seat === this.#seat) this.#replaceSession(fail("resume_impossible"));
        throw fail("count_invalid", {
          count: welcome.received,
          have: `${seat.session.replay.kept} to ${seat.session.transmitted} can be resumed`,
        });
      }
    } else {
      if (candidate.fresh) {
        // The session that is there came back, or another took its place.
        if (seat !== this.#seat || (seat.session.current !== undefined && this.#moving === undefined)) return false;
        taken = this.#newSeat();
      } else if (seat.identity !== undefined) return false;
      const codec = this.#init.codecs.find(({ name }) => name === welcome.codec);
      if (codec === undefined)
        throw fail("frame_unexpected", { frame: "welcome", state: "with a codec that was not offered" });
      taken.session.codec = codec;
      taken.identity = { session: welcome.session, secret: welcome.secret };
      taken.endpoint = candidate.endpoint;
      this.#init.began();
      if (welcome.window !== undefined) taken.session.setPeerWindow(welcome.window);
      taken.session.maxMessageBytes = Math.min(this.#init.limits.messageBytesOut, welcome.maxMessageBytes);
    }
    const { session } = taken;
    this.#expired = undefined;
    if (welcome.coders !== undefined) {
      const coding = this.#init.coding();
      link.coding = coding[0]?.code(link, coding, welcome.coders, this.#init.limits, "client");
    }
    const old = [...session.links];
    if (seat === this.#seat) {
      if (seat.session.current !== undefined) this.#judge();
      this.#seat = taken;
    }
    session.attach(link, welcome.received);
    session.watch(welcome.heartbeatMs, welcome.silenceMs);
    taken.refresh?.[Symbol.dispose]();
    taken.refresh = undefined;
    if (welcome.credentialMs > 0) this.#refreshBefore(taken, welcome.credentialMs);
    for (const each of old) session.release(each);
    if (taken === this.#seat) {
      this.#linkAttempt = hello.attempt;
      this.#opened(candidate, welcome);
    }
    if (taken !== seat) {
      if (seat.session.current !== undefined) this.#leave(seat);
      else seat.session.end(fail("session_lost", { detail: "its server is down" }), false); // each operation opens itself again where that is safe
    }
    return true;
  }

  #opened({ name, endpoint }: Candidate, welcome: WelcomeFrame): void {
    const { clock, random } = this.#host;
    const { session } = this.#seat;
    this.#linkSince = clock.now();
    this.#usefulBefore = session.received + session.published;
    this.#way = `${name} ${endpoint.url}`;
    this.#hintMs = 0;
    this.state.set({
      status: "open",
      transport: name,
      endpoint: endpoint.url,
      reason: undefined,
      nextAttemptAt: undefined,
    });
    this.#init.opened();
    this.#retry?.[Symbol.dispose](); // a switch may win while a retry waits
    this.#retry = undefined;
    this.#measure();
    this.#scheduleProbe();
    this.#age?.[Symbol.dispose]();
    // Some time before the end, and not all clients of a server at once.
    if (welcome.maxAgeMs > 0) this.#renew(welcome.maxAgeMs, 0.8 + 0.1 * random.next());
  }

  /** The link comes to its age: the next is opened before, again and again if that fails. */
  #renew(maxAgeMs: number, share: number): void {
    this.#age = this.#host.clock.after(maxAgeMs * share, () => {
      this.#renew(maxAgeMs, 0.05);
      this.switchTo(this.state.current.transport ?? "").catch(() => {});
    });
  }

  /** A link has ended, or was left: what it has shown. */
  #judge(): number {
    const { session } = this.#seat;
    const livedMs = this.#host.clock.now() - this.#linkSince;
    const useful = session.received + session.published > this.#usefulBefore;
    if (livedMs >= (useful ? STABLE_MS : IDLE_STABLE_MS)) {
      this.#backoff.reset();
      this.#ejected.pardon(this.#seat.endpoint?.url ?? "");
    }
    return livedMs;
  }

  /** Transports for a server in the order that is wanted, the best first. */
  #wanted(url: string): readonly Way[] {
    const ways = this.#ways.filter((way) => way.supports(url));
    const order = this.#init.options.prefer?.(
      ways.map(({ name }) => name),
      this.state.current,
    );
    return order?.flatMap((name) => ways.filter((way) => way.name === name)) ?? ways;
  }

  /** What dies again and again goes last for a while; what won last goes first; else as wanted. */
  #ranked(url: string): Way[] {
    const favourite = this.#init.options.prefer === undefined ? this.#favourite : undefined;
    const rank = ({ name }: Way): number => (this.#flaps.has(`${name} ${url}`) ? 2 : name === favourite ? 0 : 1);
    return this.#wanted(url).toSorted((a, b) => rank(a) - rank(b));
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
    const { refusal, errors } = lost;
    if (refusal !== undefined) {
      const reason = reasonOf(refusal.error);
      if (this.#seat.identity !== undefined && (reason === "resume_impossible" || reason === "resume_refused")) {
        // The session is gone there: what can be repeated goes on in a new one, at once.
        this.#replaceSession(fail("session_lost", { detail: "the server no longer has it" }));
        this.#go("resuming");
        return;
      }
      if (reason === "credential_expired" && this.#expired === undefined) {
        this.#expired = refusal.error; // another credential may be taken; if that has expired, too, it was the last
        return this.#goOn();
      }
      if (FINAL_CODES.has(refusal.error.code)) return this.#refused(refusal.error);
    }
    // Without the advice of each: no_transport gives its own, once.
    const whyNot = (one: ConnectError): string =>
      errorInfo(one)?.metadata["detail"] ?? one.rawMessage.replace(/\.$/, "");
    const detail =
      errors.map(([{ name }, one]) => `${name}: ${whyNot(one)}`).join("; ") || "none of the transports supports it";
    const url = [...new Set(errors.map(([{ endpoint }]) => endpoint.url))].join(", ") || "any server";
    const error = refusal?.error ?? fail("no_transport", { url, detail });
    if (errors.length === 0 && refusal === undefined) return this.#refused(error);
    this.#retryLater("offline", error, refusal?.retryAfterMs);
  }

  /** The next attempt, after the backoff and what the server asked for. */
  #retryLater(status: "resuming" | "offline", reason: ConnectError | undefined, hintMs = this.#hintMs): void {
    const { clock } = this.#host;
    const waitMs = this.#backoff.next(hintMs);
    this.#hintMs = 0;
    this.#retry?.[Symbol.dispose]();
    this.#retry = clock.after(waitMs, () => this.#goOn());
    this.#apart(status, reason, clock.wallNow() + waitMs);
  }

  /** There is no link. */
  #apart(status: ConnectionStatus, reason = this.state.current.reason, nextAttemptAt?: number): void {
    this.state.set({ status, transport: undefined, endpoint: undefined, reason, nextAttemptAt });
  }

  #goOn(): void {
    this.#go(this.#seat.identity === undefined ? "connecting" : "resuming");
  }

  /** The server does not want us: all calls end, and no more attempts are made until the next call. */
  #refused(error: ConnectError): void {
    this.#stopTimers();
    this.#stopped = error;
    this.#apart("offline", error);
    this.#refusing = error; // what tries to open itself again meets the same reason
    this.#replaceSession(error);
    this.#init.refused(error);
    this.#refusing = undefined;
  }

  #replaceSession(error: ConnectError): void {
    const { session } = this.#seat;
    this.#seat = this.#newSeat();
    session.end(error, false); // each operation opens itself again where that is safe
  }

  async switchTo(name: string): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    const way = this.#ways.find((each) => each.name === name);
    if (way === undefined)
      throw fail("transport_unknown", { transport: name, have: this.#ways.map((each) => each.name).join(", ") });
    const seat = this.#seat;
    const { endpoint } = seat;
    if (endpoint === undefined || seat.session.current === undefined) {
      // Nothing to switch from: it is only a wish for the race.
      this.#favourite = name;
      this.#flaps.pardon(`${name} ${endpoint?.url}`);
      throw fail("transport_failed", {
        transport: name,
        detail: "there is no open link to switch from; it will be tried first",
      });
    }
    this.state.set({ status: "switching" });
    try {
      const candidate = { name, started: way.start(), endpoint, fresh: false, patienceMs: undefined };
      await this.#attempt(seat, candidate, await this.#hello(seat, false), this.#ended.signal);
      this.#favourite = name;
    } catch (cause) {
      if (this.state.current.status === "switching") this.state.set({ status: "open" });
      throw cause instanceof Refusal ? cause.error : cause;
    }
  }

  /** While a transport is in use that is not the best, the better ones are tried from time to time. */
  #scheduleProbe(): void {
    this.#probe?.[Symbol.dispose]();
    this.#probe = undefined;
    const none = this.#better().length === 0;
    if (none) this.#probeMs = this.#firstProbeMs;
    // What the application prefers may change at any time.
    if (this.#firstProbeMs > 0 && (!none || this.#init.options.prefer !== undefined))
      this.#probe = this.#host.clock.after(this.#probeMs, () => void this.#tryBetter());
  }

  #better(): readonly Way[] {
    const { transport, endpoint } = this.state.current;
    const wanted = this.#wanted(endpoint ?? "");
    const at = wanted.findIndex(({ name }) => name === transport);
    return at < 0 ? wanted : wanted.slice(0, at);
  }

  async #tryBetter(): Promise<void> {
    const first = this.#firstProbeMs;
    this.#probeMs = Math.min(this.#probeMs * 2, first * 20);
    for (const { name } of this.#better()) {
      const { endpoint } = this.state.current;
      if (endpoint === undefined) return;
      if (this.#flaps.has(`${name} ${endpoint}`)) continue;
      try {
        await this.switchTo(name);
        this.#probeMs = first;
        return;
      } catch (error) {
        this.#host.log.debug("a better transport does not work yet", { transport: name, error: String(error) });
      }
    }
    if (this.state.current.transport !== undefined) this.#scheduleProbe();
  }

  // ---- the way to another server

  /** The server drains: a new session is opened on another one, or on its successor, while this one serves on. */
  #move(waitMs: number): void {
    if (this.#moving !== undefined) return;
    const moving = new AbortController();
    this.#moving = moving;
    const backoff = this.#newBackoff();
    let timer: Timer | undefined;
    moving.signal.addEventListener("abort", () => timer?.[Symbol.dispose]());
    const wait = (ms: number): void => void (timer = this.#host.clock.after(ms, attempt));
    const attempt = (): void => {
      this.state.set({ status: "switching" });
      this.#race(this.#seat, true, moving.signal).then(
        () => {
          if (this.#moving === moving) this.#moving = undefined;
        },
        (lost: unknown) => {
          if (moving.signal.aborted) return;
          this.state.set({ status: "open" });
          wait(backoff.next(lost instanceof RaceLost ? lost.refusal?.retryAfterMs : 0));
        },
      );
    };
    if (waitMs === 0) attempt();
    else wait(waitMs);
  }

  #stay(): void {
    this.#moving?.abort();
    this.#moving = undefined;
  }

  /** Subscriptions go on in the new session, from their positions; what else is in flight ends in the old one. */
  #leave(seat: Seat): void {
    this.#leaving.add(seat);
    for (const call of [...seat.session.calls]) {
      if (!call.subscription) continue;
      call.cancel();
      call.receiver.lost(fail("session_lost", { detail: "its server drains" }));
    }
    this.#lookAfter(seat);
  }

  #lookAfter(seat: Seat): void {
    const { session } = seat;
    if (session.over === undefined && session.callsInFlight > 0) {
      this.#host.clock.after(LEAVE_LOOK_MS, () => this.#lookAfter(seat));
      return;
    }
    this.#leaving.delete(seat);
    session.end(fail("connection_closed"), true);
  }

  /** Servers that one of them named go before those of the list. */
  #name(named: readonly string[], by: readonly { readonly endpoint: Endpoint | undefined }[]): void {
    if (named.length > 0)
      this.#named = namedUrls(
        named,
        by.some(({ endpoint }) => endpoint?.url.startsWith("https:")),
      );
  }

  // ---- what sessions tell

  auth(seat: Seat, frame: AuthFrame): void {
    if (frame.expiresMs === 0) this.#refresh(seat);
    else this.#refreshBefore(seat, frame.expiresMs);
  }

  /** The credential ends so soon, in milliseconds: a fresh one is shown some time before. */
  #refreshBefore(seat: Seat, expiresMs: number): void {
    seat.refresh?.[Symbol.dispose]();
    const waitMs = Math.max(expiresMs * 0.8, expiresMs - REFRESH_LEAD_MS);
    seat.refresh = this.#host.clock.after(Math.min(Math.max(waitMs, REFRESH_LEAST_MS), REFRESH_MOST_MS), () => {
      if (waitMs > REFRESH_MOST_MS) this.#refreshBefore(seat, expiresMs - REFRESH_MOST_MS);
      else this.#refresh(seat);
    });
  }

  #refresh(seat: Seat): void {
    seat.refresh?.[Symbol.dispose]();
    seat.refresh = undefined;
    const { session } = seat;
    if (session.over !== undefined || session.current === undefined) return; // the next Hello has a fresh one
    this.#introduce("refresh")
      .then(({ credential, overNewLink }) => {
        if (!overNewLink) session.control({ kind: "auth", credential, expiresMs: 0 });
        else if (seat === this.#seat) return this.switchTo(this.state.current.transport ?? "");
        return undefined;
      })
      .catch((error: unknown) => {
        this.#host.log.warn("credential was not refreshed", { error: String(error) });
        seat.refresh ??= this.#host.clock.after(REFRESH_AGAIN_MS, () => this.#refresh(seat));
      });
  }

  linkLost(seat: Seat, error: ConnectError | undefined): void {
    if (seat !== this.#seat) {
      // It was left, and something is in flight in it: once more, or it is lost.
      this.#race(seat, false, this.#ended.signal).catch(() =>
        seat.session.end(fail("session_lost", { detail: "its server drained, and its link was lost" }), false),
      );
      return;
    }
    this.#stopTimers();
    if (this.#closed !== undefined) return;
    if (this.#judge() < FLAP_MS) {
      this.#flaps.strike(this.#way);
      this.#ejected.strike(seat.endpoint?.url ?? "");
    } else this.#flaps.warn(this.#way);
    if (this.#racing === undefined) this.#retryLater("resuming", error);
    else this.#apart("resuming", error); // the race goes on, and so does this when it ends
  }

  goaway(seat: Seat, link: SessionLink, frame: GoawayFrame): void {
    if (link !== seat.session.current) return;
    const error = frame.status === undefined ? undefined : errorOf(frame.status);
    if (seat !== this.#seat) {
      if (frame.final)
        seat.session.end(fail("session_lost", { detail: error?.rawMessage ?? "its server is gone" }), false);
      return;
    }
    this.#name(frame.endpoints, [seat]);
    const isTaken = reasonOf(error) === "session_taken";
    if (isTaken && this.#linkAttempt < this.#attempts) {
      // By a later attempt of our own, whose Welcome we did not wait for: the session is ours, and goes on over the next link.
      return seat.session.release(link);
    }
    if (frame.final || isTaken) {
      this.#hintMs = frame.retryAfterMs;
      return this.#sessionEnded(error ?? fail("draining", {}));
    }
    // The link is at its end (its close follows), or the server drains.
    this.state.set({ reason: error ?? fail("draining", {}) });
    if (error === undefined) this.#move(frame.retryAfterMs);
    else this.#hintMs = frame.retryAfterMs;
  }

  #sessionEnded(error: ConnectError): void {
    this.#stopTimers();
    // Whoever slept through the end of his credential has a fresh one for the next session.
    if (reasonOf(error) === "credential_expired") this.#expired = error;
    else if (FINAL_CODES.has(error.code)) return this.#refused(error);
    this.#judge();
    this.#replaceSession(fail("session_lost", { detail: error.rawMessage }));
    if (this.#closed === undefined && this.#racing === undefined) this.#retryLater("resuming", error);
  }

  // ---- round trips

  ping(): Promise<number> {
    const { session } = this.#seat;
    if (session.current === undefined) return Promise.reject(this.#closed ?? noAnswer("there is no link now"));
    return this.#trips.begin((id) => session.ping(id));
  }
  pong(id: number): void {
    const ms = this.#trips.end(id);
    if (ms === undefined) return;
    this.state.set({ roundTripMs: ms });
    const { endpoint } = this.#seat;
    if (endpoint !== undefined) this.#endpoints.roundTrip?.(endpoint.url, ms);
  }
  #measure(): void {
    this.#rtt?.[Symbol.dispose]();
    this.ping().catch(() => {}); // the link ended; the next one measures again
    this.#rtt = this.#host.clock.after(RTT_EVERY_MS, () => this.#measure());
  }

  // ---- the end

  #stopTimers(): void {
    this.#stay();
    for (const timer of [this.#retry, this.#probe, this.#rtt, this.#age]) timer?.[Symbol.dispose]();
    this.#retry = this.#probe = this.#rtt = this.#age = undefined;
    this.#trips.fail(this.#closed ?? noAnswer("it ended before the answer"));
  }

  /** No need to wait for the backoff, nor to trust a link which may have died unnoticed: on iOS a socket stays open, dead, after the page was away. */
  #awake(): void {
    this.#seat.session.check(CHECK_MS);
    if (this.#retry === undefined) return;
    this.#backoff.reset();
    this.#goOn();
  }

  /** From now on nothing new begins. */
  closing(error: ConnectError): void {
    this.#closed = error;
    this.#stopTimers();
    this.#asleep();
    this.#racing?.abort();
    this.#ended.abort(error);
    this.#endpoints[Symbol.dispose]?.();
  }
  close(error: ConnectError): void {
    for (const { session } of [...this.#leaving, this.#seat]) session.end(error, true);
    this.#apart("closed");
  }
}

function noAnswer(detail: string): ConnectError {
  return fail("link_closed", { transport: "", detail });
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, at) => byte === b[at]);
}
