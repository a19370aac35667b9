// `connect()`: a Connect transport over a session that survives its links, and if need be its server.
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
  type BatchWindow,
  type ChannelInfo,
  type ClientTransport,
  type Clock,
  type Codec,
  type Host,
  type LimitOptions,
  type Limits,
  type Logger,
  type Plugin,
  type PluginList,
  type Random,
  type Stations,
  type Store,
  fail,
  protoCodec,
  resolveLimits,
  silentLogger,
  systemClock,
  systemRandom,
} from "@raceway/core";
import {
  FlushQueue,
  type Session,
  type StartedPlugins,
  checkChannel,
  composeInterceptors,
  composeWindow,
  headerFields,
  orderPlugins,
  startPlugins,
} from "@raceway/core/internal";
import type { BackoffOptions } from "./backoff.ts";
import { contractOf } from "./contracts.ts";
import type { EndpointSource } from "./endpoints.ts";
import { type Chain, interceptStream, interceptUnary } from "./intercept.ts";
import { Keeper } from "./keeper.ts";
import type { OperationHost } from "./operation.ts";
import { type ConnectionOutbox, Outbox, type OutboxOptions } from "./outbox.ts";
import type { ConnectionSnapshot, ConnectionState } from "./state.ts";
import { startStream } from "./stream-operation.ts";
import { startUnary } from "./unary-operation.ts";

export interface ConnectOptions {
  /** What to connect by, best first. */
  readonly transports: readonly ClientTransport[];
  /** Middleware. */
  readonly use?: PluginList;
  /**
   * What payloads may be written with, best first: a session takes the first that its server has. Default, and if it is empty: `protoCodec()` alone. `jsonCodec()` of @raceway/core for payloads
   * that people can read; a page that does not ask for it does not load it. With a codec of a plugin, put one last that every server has.
   */
  readonly codecs?: readonly Codec[];
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
  /** The order in which transports are to be tried, now: asked before each race and each look for a better one. Those left out are not tried. Default: as in `transports`, what worked last first. */
  readonly prefer?: (transports: readonly string[], now: ConnectionSnapshot) => readonly string[];
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

/** Connects at once, and keeps connected: to one server, to the first that works of several, or as a policy has it. Calls may be made before it is open. */
export function connect(to: EndpointSource, options: ConnectOptions): Connection {
  return new RacewayConnection(to, options);
}

class RacewayConnection implements Connection, OperationHost {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly outbox: Outbox;
  readonly #keeper: Keeper;
  /** The server to go to, if it is only one. */
  readonly #first: string;
  readonly #log: Logger;
  #keys: string | undefined;
  #lastKey = 0;
  readonly #random: Random;
  readonly #draining = new AbortController();
  readonly #plugins: Promise<StartedPlugins> | undefined;
  #stations: readonly Stations[] | undefined;
  readonly #use: readonly Plugin[];
  readonly #chains = new Map<DescMethod, Interceptor | null>();

  constructor(to: EndpointSource, options: ConnectOptions) {
    this.clock = options.clock ?? systemClock();
    this.#first = typeof to === "string" || to instanceof URL ? String(to).replace(/\/+$/, "") : "";
    this.#random = options.random ?? systemRandom;
    this.limits = resolveLimits(options.limits);
    const log = options.log ?? silentLogger;
    this.#log = log;
    const failed = (error: unknown): void => this.failed(error);
    const codecs = options.codecs?.length ? options.codecs : [protoCodec(this.limits)];
    const host: Host = {
      side: "client",
      clock: this.clock,
      random: this.#random,
      log,
      store: noStore,
      draining: this.#draining.signal,
    };
    const plugins = (this.#use = orderPlugins(options.use ?? []));
    this.#plugins = plugins.length === 0 ? undefined : startPlugins(plugins, host);
    if (this.#plugins === undefined) this.#stations = [];
    else
      this.#plugins
        .then(({ stations }) => (this.#stations = stations))
        .catch((error: unknown) => this.#keeper.broke(ConnectError.from(error, Code.FailedPrecondition)));
    this.#keeper = new Keeper({
      to,
      options,
      host,
      limits: this.limits,
      queue: new FlushQueue(this.clock, failed),
      codecs,
      introduce: async (introduction) => {
        for (const station of (await this.#plugins)?.stations ?? []) await station.introduce?.(introduction);
      },
      coding: () => this.#stations?.flatMap(({ batch }) => batch ?? []) ?? [],
      began: () => this.#stations?.forEach((station) => station.began?.()),
      opened: () => this.outbox.schedule(),
      refused: (error) => this.outbox.fail(error),
      failed,
    });
    this.outbox = new Outbox(this, this.limits, options.outbox);
    options.outbox?.store?.start({
      operations: this,
      clock: this.clock,
      limits: this.limits,
      codecs,
      log,
      stations: () => this.#stations,
      restored: options.outbox.onRestored ?? (() => {}),
    });
    this.#keeper.start();
  }

  get state(): ConnectionState {
    return this.#keeper.state;
  }
  switchTo(transport: string): Promise<void> {
    return this.#keeper.switchTo(transport);
  }
  ping(): Promise<number> {
    return this.#keeper.ping();
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
    return interceptUnary(
      chain,
      method,
      { signal, timeoutMs, header, contextValues, url: this.#url, clock: this.clock },
      input,
      (request, timeoutMs) =>
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
    return interceptStream(
      chain,
      method,
      { signal, timeoutMs, header, contextValues, url: this.#url, clock: this.clock },
      input,
      (request, timeoutMs) =>
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
  #chainOf(method: DescMethod): Chain | undefined {
    return this.#stations === undefined
      ? this.#plugins?.then(() => this.#compose(method))
      : this.#stations.length === 0
        ? undefined
        : this.#compose(method);
  }
  #compose(method: DescMethod): Interceptor | undefined {
    let chain = this.#chains.get(method);
    if (chain === undefined) {
      const channel = channelOf(method);
      chain = this.#unfit(channel) ?? composeInterceptors(this.#stations ?? [], channel) ?? null;
      this.#chains.set(method, chain);
    }
    return chain ?? undefined;
  }

  /** What plugins find wrong with a channel, when it is first used: the server's schema is known by then, and only of what is called. Its calls fail. */
  #unfit(channel: ChannelInfo): Interceptor | undefined {
    for (const { plugin, severity, message: detail, mend } of checkChannel(this.#use, channel)) {
      const error = fail("plugin_unfit", { plugin, path: channel.path, detail, mend });
      if (severity === "error") return () => () => Promise.reject(error);
      this.#log.warn(error.rawMessage);
    }
    return undefined;
  }

  /** What interceptors see as the base of a call's URL. */
  get #url(): string {
    return this.state.current.endpoint ?? this.#first;
  }

  // ---- what operations ask

  session(): Session {
    return this.#keeper.session();
  }
  get present(): Session {
    return this.#keeper.present;
  }
  failed(error: unknown): void {
    this.#log.error("a listener or receiver failed", { error: String(error) });
  }
  windowOf(method: DescMethod): BatchWindow | undefined {
    return this.#stations?.length ? composeWindow(this.#stations, channelOf(method)) : undefined;
  }
  newKey(): string {
    // Secret once for the connection, then counted: 16 random bytes for each call cost more than the call's frame.
    this.#keys ??= Array.from(this.#random.bytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${this.#keys}-${++this.#lastKey}`;
  }

  // ---- the end

  async close(): Promise<void> {
    if (this.#draining.signal.aborted) return;
    const error = fail("connection_closed");
    this.#keeper.closing(error);
    this.#draining.abort(error);
    const kept = this.outbox.close(error);
    this.#keeper.close(error);
    // Those that are still starting are ended when they have, and those whose start failed have been ended.
    const ended = this.#plugins?.then((plugins) => plugins[Symbol.asyncDispose]()).catch(() => {});
    if (this.#stations !== undefined) await ended;
    await kept;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function channelOf(method: DescMethod): ChannelInfo {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    service: method.parent,
    desc: method,
    contract: contractOf(method),
    policy: undefined,
    gated: false,
  };
}

const noStore: Store = {
  get: () => Promise.resolve(undefined),
  put: () => Promise.resolve(true),
  delete: () => Promise.resolve(),
  take: () => Promise.resolve({ ok: true, retryAfterMs: 0 }),
};
