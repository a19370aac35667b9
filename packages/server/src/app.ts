// `raceway()`: a server made of services, transports, middleware and a backplane.
// It is long because start and end of all parts are told in one place, in their order.
import { ConnectError, type ConnectRouter, type ContextValues } from "@connectrpc/connect";
import {
  type ServerTransport,
  type BatchStation,
  type Clock,
  type Codec,
  type Host,
  type HttpExchange,
  type DoorCompression,
  type Inspection,
  type Limits,
  type Logger,
  type Observer,
  type Plugin,
  type Stations,
  type Position,
  type Random,
  type ServiceDefinition,
  type StartedBackplane,
  type TransportRoutes,
  checkOptionNames,
  compileAddress,
  defineCodec,
  fail,
  inspectPlugins,
  jsonCodec,
  learn,
  protoCodec,
  resolveLimits,
  silentLogger,
  systemRandom,
} from "@raceway/core";
import {
  FlushQueue,
  codecReasons,
  composeGates,
  composeInterceptors,
  composeMeter,
  composeWindow,
  composeObservers,
  decodeFast,
  orderPlugins,
  type StartedPlugins,
  serverReasons,
  startPlugins,
} from "@raceway/core/internal";
import { nodeClock } from "@raceway/core/node";
import { type AcceptHost, accept } from "./accept.ts";
import { type Admit, composeAdmission } from "./admission.ts";
import { checkChannels, unenforced } from "./channel-checks.ts";
import { type AnyHandler, Channel } from "./channel.ts";
import { DOCUMENT_PATH, serveDocument } from "./document.ts";
import { drained, goAway } from "./drain.ts";
import { HEALTH_PATH, registerHealth } from "./health-service.ts";
import { serveLiveness, serveReadiness } from "./health.ts";
import { fetchHandler } from "./http-fetch.ts";
import { type HttpHandler, type Mount, httpRouter, isUnder } from "./http-router.ts";
import { type Inside, inside } from "./inside.ts";
import { MemoryStore } from "./memory-store.ts";
import { memory } from "./memory.ts";
import { type NativeCall, type NativeHost, registerService } from "./native.ts";
import { Once } from "./once.ts";
import { Orphans } from "./orphans.ts";
import {
  type CloseOptions,
  type DrainOptions,
  type ListenOptions,
  type ListeningApp,
  type Raceway,
  type RacewayOptions,
  racewayOptionNames,
  type TopicPublisher,
} from "./raceway.ts";
import { ReadinessProbe } from "./readiness.ts";
import { unknownChannel } from "./schema-fit.ts";
import { SessionCalls } from "./session-calls.ts";
import { Sessions } from "./sessions.ts";
import { Topics } from "./topics.ts";
import { Turns } from "./turns.ts";

// Said here, so that a bundler keeps them.
learn({ ...serverReasons, ...codecReasons });

const SERVED_KINDS = new Set(["call", "feed", "topic", "duplex", "signal"]);

/** A client's half is served by nobody, and one that was not called is none: without a word, clients would look for it in vain. */
function checkTransports(transports: RacewayOptions["transports"]): void {
  for (const transport of transports) {
    const { start, name } = transport as Partial<ServerTransport>;
    if (typeof start === "function" && !("supports" in transport)) continue;
    throw fail("option_invalid", {
      part: "raceway",
      option: "transports",
      value: start === undefined ? `a function (${name})` : `${name}, a client's half`,
      expected: 'what factories of a transport\'s "/server" entry give, such as websocket()',
    });
  }
}

/** Makes a server. Nothing runs before `listen`, `attach` or `fetch`. */
export function raceway(options: RacewayOptions): Raceway {
  return new App(options);
}

/** What exists once the app has started. */
interface Started {
  readonly handler: HttpHandler;
  /** Where plugins answer. */
  readonly paths: readonly string[];
  readonly backplane: StartedBackplane;
  readonly once: Once;
  readonly topics: Topics;
  readonly plugins: StartedPlugins;
  readonly joined: readonly Stations[];
  readonly routes: readonly TransportRoutes[];
}

class App implements Raceway {
  readonly limits: Limits;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: FlushQueue;
  readonly orphans: Orphans;
  readonly #sessions: Sessions;
  #admit: Admit | undefined;
  #observer: Observer | undefined;
  #meter: ReturnType<typeof composeMeter>;
  #doorCompression: DoorCompression | undefined;
  #probe: ReadinessProbe | undefined;

  readonly #options: RacewayOptions;
  readonly #plugins: readonly Plugin[];
  readonly #proto: Codec;
  /** The best of those that a client names is for it to say. */
  readonly #codecs: readonly Codec[];
  readonly #channels = new Map<string, Channel>();
  /** Of each service that has any, by its full name. */
  readonly #firsts = new Map<string, Channel>();
  /** Publications that gates think about, by address. */
  readonly #turns = new Turns();
  readonly #drain = new AbortController();
  /** Undefined while new sessions are welcome. */
  #elsewhere: { readonly endpoints: readonly string[] } | undefined;
  readonly #closers: (() => Promise<void>)[] = [];
  #starting: Promise<Started> | undefined;
  #topics: Topics | undefined;
  #closing: Promise<void> | undefined;
  /** Undefined: nobody looks at them. */
  #nativeCalls: Set<NativeCall> | undefined;
  /** Services of the server's own, which take part when it starts. */
  readonly #joining: ((host: Host) => Stations)[] = [];

  constructor(options: RacewayOptions) {
    checkOptionNames("raceway", options, racewayOptionNames);
    checkTransports(options.transports);
    this.#options = options;
    this.limits = resolveLimits(options.limits);
    this.log = options.log ?? silentLogger;
    this.clock = options.clock ?? nodeClock();
    this.random = options.random ?? systemRandom;
    this.queue = new FlushQueue(this.clock, (error) => this.log.error("a flush failed", { error: String(error) }));
    this.orphans = new Orphans(this.limits, this.clock);
    this.#sessions = new Sessions(this.limits);
    this.#proto = protoCodec({ protobufDepth: this.limits.protobufDepth, decoder: decodeFast });
    this.#codecs = codecsOf(options.codecs ?? [], this.#proto, this.limits);
    this.#plugins = orderPlugins(options.use ?? []);
  }

  get channels(): readonly Channel[] {
    return [...this.#channels.values()];
  }
  get sessions(): number {
    return this.#sessions.size;
  }

  serve<H extends object, P extends object>(definition: ServiceDefinition<H, P>, handlers: H): P {
    if (this.#starting !== undefined) throw fail("app_started", { service: definition.contract.service.typeName });
    const { service, channels, errors } = definition.contract;
    const given = handlers as Readonly<Record<string, AnyHandler | undefined>>;
    const publishers: Record<string, TopicPublisher<Record<string, unknown>, unknown>> = {};
    const made: Channel[] = [];
    for (const desc of service.methods) {
      const contract = channels[desc.localName] ?? { kind: "call" };
      const path = `/${service.typeName}/${desc.name}`;
      if (this.#channels.has(path)) throw fail("service_twice", { service: service.typeName });
      if (!SERVED_KINDS.has(contract.kind)) throw fail("kind_unsupported", { path, kind: contract.kind });
      const isTopic = contract.kind === "topic";
      const method = given[desc.localName];
      const handler: AnyHandler | undefined =
        typeof method === "function"
          ? (request, context) => Reflect.apply(method, handlers, [request, context])
          : undefined;
      if (handler === undefined && !isTopic) throw fail("handler_missing", { path });
      const channel = new Channel(
        desc,
        contract,
        definition.policy[desc.localName],
        handler,
        isTopic ? compileAddress(path, contract, this.limits) : undefined,
        errors?.[desc.localName],
      );
      if (isTopic)
        publishers[desc.localName] = { publish: (key, message, by) => this.#publish(channel, key, message, by) };
      made.push(channel);
    }
    for (const channel of made) this.#channels.set(channel.path, channel);
    if (made.length > 0) this.#firsts.set(service.typeName, made[0]!);
    return publishers as P;
  }

  /** For services that come with the server; see inside.ts. */
  get [inside](): Inside {
    const own = this; // oxlint-disable-line typescript/no-this-alias -- some of it is there later on
    return {
      limits: this.limits,
      log: this.log,
      clock: this.clock,
      channels: this.#channels,
      sessions: this.#sessions,
      nativeCalls: (this.#nativeCalls ??= new Set()),
      get topics() {
        return own.#topics!;
      },
      sharesStore: this.#sharesStore,
      publish: (channel, key, message, by) => this.#publish(channel, key, message, by),
      readEvent: (channel, payload) => this.#readEvent(channel, payload),
      join: (start) => void this.#joining.push(start),
    };
  }

  get #sharesStore(): boolean {
    const traits = this.#options.backplane?.traits;
    return (traits?.store ?? traits)?.shared ?? false;
  }

  #readEvent(channel: Channel, payload: Uint8Array): unknown {
    return this.#proto.of(channel.desc.output).decode(payload);
  }

  async #publish(
    channel: Channel,
    key: Record<string, unknown>,
    message: unknown,
    by: { readonly values: ContextValues } | undefined,
  ): Promise<Position> {
    const address = channel.addressOf!(key);
    const topics = this.#topics ?? (await this.#start()).topics;
    const context = by?.values;
    const done = this.#observer?.publishing?.({ channel, address, context });
    try {
      if (channel.gate?.publish !== undefined) {
        const turn = this.#turns.take(address, channel.gate.publish({ address, key, message, context }));
        if (turn !== undefined) await turn;
      }
      const { replace } = channel.gate ?? {};
      const event = replace === undefined ? message : replace({ address, key, message, context });
      const position = await topics.publish(channel, address, channel.coding(this.#proto).encode(event));
      done?.(position);
      return position;
    } catch (error) {
      done?.(ConnectError.from(error));
      throw error;
    }
  }

  async listen(at: number | ListenOptions = {}): Promise<ListeningApp> {
    const given = typeof at === "number" ? { port: at } : at;
    checkOptionNames("listen", given, ["port", "host", "tls"]);
    const { handler } = await this.#start();
    const { listenOn } = await import("./http-listen.ts");
    const listening = await listenOn(handler, {
      ...given,
      port: given.port ?? 0,
      clock: this.clock,
      limits: this.limits,
    });
    if (this.#elsewhere !== undefined) {
      await listening.close(0); // closed while it was opening
      throw fail("draining", {});
    }
    this.#closers.push(() => listening.close(1_000));
    return { port: listening.port, url: listening.url };
  }

  async attach(server: object): Promise<Disposable> {
    const { handler, paths } = await this.#start();
    const { attachTo } = await import("./http-listen.ts");
    // The transports, the negotiation document, what plugins answer, and the services' own doors.
    const services = [...this.#channels.values()].map((channel) => `/${channel.service.typeName}`);
    const path = [this.#path, DOCUMENT_PATH, ...paths, ...new Set(services)];
    const attached = attachTo(server as never, handler, { path, clock: this.clock, limits: this.limits });
    this.#closers.push(() => Promise.resolve(attached[Symbol.dispose]()));
    return attached;
  }

  async fetch(request: Request): Promise<Response> {
    const { handler } = await this.#start();
    return fetchHandler(handler, { clock: this.clock, limits: this.limits })(request);
  }

  async inspect(): Promise<Inspection> {
    const channels = [...this.#channels.values()];
    using store = new MemoryStore(this.clock, this.limits.storeBytes);
    const { clock, random, log } = this;
    const host: Host = { side: "server", clock, random, log, store, draining: this.#drain.signal };
    const inspection = await inspectPlugins(this.#options.use ?? [], channels, host);
    const rules = channels.flatMap((channel) => unenforced(channel, this.#plugins).map(({ message }) => message));
    return { ...inspection, problems: [...inspection.problems, ...rules] };
  }

  get #path(): string {
    return this.#options.path ?? "/raceway";
  }

  // ---- start and end

  #start(): Promise<Started> {
    if (this.#drain.signal.aborted || (this.#elsewhere !== undefined && this.#starting === undefined))
      throw fail("draining", {});
    return (this.#starting ??= this.#run());
  }

  async #run(): Promise<Started> {
    const undo: (() => Promise<void>)[] = [];
    try {
      checkChannels(this.#channels.values(), this.#plugins, this.log);
      const base = {
        side: "server" as const,
        clock: this.clock,
        random: this.random,
        log: this.log,
        draining: this.#drain.signal,
      };
      const backplane = await (this.#options.backplane ?? memory({ storeBytes: this.limits.storeBytes })).start({
        ...base,
        store: missingStore,
      });
      undo.push(async () => backplane[Symbol.asyncDispose]());
      const host: Host = { ...base, store: backplane.store };
      const plugins = await startPlugins(this.#plugins, host);
      undo.push(() => plugins[Symbol.asyncDispose]());
      const { stations } = plugins;
      const once = new Once({
        store: backplane.store,
        shared: this.#sharesStore,
        windowMs: this.limits.dedupMs,
        codec: this.#proto,
        random: this.random,
        clock: this.clock,
        log: this.log,
        orphans: this.orphans,
      });
      undo.push(async () => once[Symbol.asyncDispose]());
      for (const channel of this.#channels.values()) {
        if (channel.contract.idempotency === "idempotent" && channel.desc.methodKind === "unary")
          channel.handler = once.wrap(channel);
        channel.interceptor = composeInterceptors(stations, channel);
        channel.gate = channel.contract.kind === "topic" ? composeGates(stations, channel) : undefined;
        channel.window = composeWindow(stations, channel);
      }
      for (const station of stations) station.ready?.();
      const joined = this.#joining.map((start) => start(host));
      undo.push(() => disposeAll(joined));
      this.#admit = composeAdmission([...stations, ...joined]);
      this.#meter = composeMeter(stations);
      this.#doorCompression = stations.find(({ doors }) => doors !== undefined)?.doors;
      const probe = new ReadinessProbe(
        { ...base, store: backplane.store },
        stations.flatMap((station, at) =>
          station.healthy === undefined ? [] : [{ name: this.#plugins[at]!.name, healthy: () => station.healthy!() }],
        ),
        () => this.#elsewhere === undefined,
      );
      this.#probe = probe;
      undo.push(() => Promise.resolve(probe[Symbol.dispose]()));
      const coding = stations.flatMap(({ batch }) => batch ?? []);
      this.#observer = composeObservers(stations, (error) =>
        this.log.error("an observer failed", { error: String(error) }),
      );
      const topics = new Topics({
        log: backplane.log,
        coding: coding[0]?.share === undefined ? undefined : coding[0],
        clock: this.clock,
        queue: this.queue,
        limits: this.limits,
        fannedOut: this.#observer?.fanOut,
        proto: this.#proto,
      });
      this.#topics = topics;
      undo.push(() => Promise.resolve(topics[Symbol.dispose]()));

      const acceptHost = this.#acceptHost(coding);
      const mounts: Mount[] = [];
      const routes: TransportRoutes[] = [];
      for (const transport of this.#options.transports) {
        const path = `${this.#path}/${transport.name}`;
        const started = await transport.start({
          ...host,
          path,
          opened: (link) => accept(acceptHost, link),
          maxBatchBytes: this.limits.batchBytes,
          allowsOrigin: (origin, peer) => this.#allowsOrigin(origin, peer.header("host") ?? peer.header(":authority")),
          native: {
            metered: this.#meter !== undefined,
            compressed: this.#doorCompression !== undefined,
            register: (router) => this.#register(router),
            missing: (path, agent) => {
              const near = this.#near(path);
              return near && unknownChannel(path, near, { agent });
            },
          },
        });
        undo.push(async () => started[Symbol.asyncDispose]?.());
        routes.push(started);
        mounts.push({ path, routes: started });
      }
      const document = serveDocument({
        path: this.#path,
        transports: this.#options.transports,
        codecs: this.#codecs.map(({ name }) => name),
        channels: [...this.#channels.values()],
        limits: this.limits,
      });
      const exact: Record<string, (exchange: HttpExchange) => void> = {
        [DOCUMENT_PATH]: document,
        [`${this.#path}/health`]: serveReadiness(probe),
      };
      const paths = this.#routesOf(stations, exact, mounts);
      if (routes.some(({ native }) => native !== undefined)) paths.push(HEALTH_PATH);
      // Where the whole server is ours; what a plugin answers there stays its own.
      exact["/healthz"] ??= serveLiveness;
      exact["/readyz"] ??= serveReadiness(probe);
      const handler = httpRouter(mounts, {
        exact,
        failed: (error) => this.log.error("request failed", { error: String(error) }),
      });
      return { handler, paths, backplane, once, topics, plugins, joined, routes };
    } catch (error) {
      for (const each of undo.toReversed()) await each().catch(() => {});
      throw error;
    }
  }

  /** Adds the routes of plugins to those of the app. */
  #routesOf(
    stations: readonly Stations[],
    exact: Record<string, (exchange: HttpExchange) => void>,
    mounts: readonly Mount[],
  ): string[] {
    const paths: string[] = [];
    for (const [at, { routes = {} }] of stations.entries()) {
      for (const [path, answer] of Object.entries(routes)) {
        const isTaken = Object.hasOwn(exact, path) || mounts.some((mount) => isUnder(path, mount.path));
        if (isTaken) throw fail("route_taken", { path, plugin: this.#plugins[at]!.name });
        exact[path] = answer;
        paths.push(path);
      }
    }
    return paths;
  }

  /** The app as the handshake sees it. */
  #acceptHost(coding: readonly BatchStation[]): AcceptHost {
    const elsewhere = (): AcceptHost["drain"] => this.#elsewhere;
    const calls = new SessionCalls({
      channels: this.#channels,
      limits: this.limits,
      log: this.log,
      observer: this.#observer,
      admit: this.#admit,
      near: (path) => this.#near(path),
      topicOf: (channel, request) => this.#topics!.of(channel, request),
    });
    return {
      limits: this.limits,
      log: this.log,
      observer: this.#observer,
      clock: this.clock,
      random: this.random,
      queue: this.queue,
      orphans: this.orphans,
      sessions: this.#sessions,
      codecs: this.#codecs,
      transports: this.#options.transports.map(({ name }) => name),
      node: this.#options.node ?? "",
      maxLinkAgeMs: this.#options.maxLinkAgeMs ?? 0,
      get drain() {
        return elsewhere();
      },
      admit: this.#admit,
      meter: this.#meter,
      coding,
      opened: (session, call, frame) => calls.opened(session, call, frame),
      refreshed: (session, frame) => calls.refreshed(session, frame),
    };
  }

  /** The app as the native doors see it. */
  #nativeHost(): NativeHost {
    return {
      limits: this.limits,
      log: this.log,
      clock: this.clock,
      admit: this.#admit,
      observer: this.#observer,
      meter: this.#meter,
      compression: this.#doorCompression,
      topicOf: (channel, request) => this.#topics!.of(channel, request),
      calls: this.#nativeCalls,
      decodeProto: (channel, payload) => this.#readEvent(channel, payload),
    };
  }

  #register(router: ConnectRouter): void {
    const services = new Map<string, Channel[]>();
    for (const channel of this.#channels.values()) {
      const name = channel.service.typeName;
      services.set(name, [...(services.get(name) ?? []), channel]);
    }
    const host = this.#nativeHost();
    for (const channels of services.values()) registerService(router, channels, host);
    if (services.has(HEALTH_PATH.slice(1))) return; // the app has one of its own
    registerHealth(router, {
      probe: this.#probe!,
      services: [...services.keys()],
      over: this.#drain.signal,
      messageBytes: this.limits.messageBytes,
    });
  }

  /** Same origin by default. A page of the server itself sends its own host as the origin. */
  #allowsOrigin(origin: string, host: string | undefined): boolean {
    const allowed = this.#options.allowedOrigins ?? [];
    if (allowed.includes("*") || allowed.includes(origin)) return true;
    if (host === undefined) return false;
    return origin === `http://${host}` || origin === `https://${host}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async drain(options: DrainOptions = {}): Promise<void> {
    if (await this.#leave(options.endpoints)) await drained(this.#sessions, this, options);
  }

  close(options: number | CloseOptions = {}): Promise<void> {
    return (this.#closing ??= this.#close(typeof options === "number" ? { graceMs: options } : options));
  }

  /** From now on no new sessions. False: there never were any. */
  async #leave(endpoints: readonly string[] | undefined): Promise<boolean> {
    this.#elsewhere = { endpoints: endpoints ?? this.#elsewhere?.endpoints ?? [] };
    this.#probe?.changed();
    return (await this.#starting?.catch(() => undefined)) !== undefined;
  }

  async #close(options: CloseOptions): Promise<void> {
    if (options.drainMs !== undefined) await this.drain(options);
    if (!(await this.#leave(options.endpoints))) return this.#drain.abort(fail("draining", {}));
    const started = await this.#starting!;
    const { endpoints } = this.#elsewhere!;
    for (const session of this.#sessions) goAway(session, endpoints);
    await this.#quiet(options.graceMs ?? 5_000, started.once);
    this.#drain.abort(fail("draining", {}));
    for (const session of [...this.#sessions]) session.core.end(fail("draining", {}), true);
    for (const each of this.#closers) await each();
    for (const each of started.routes.toReversed()) await each[Symbol.asyncDispose]?.();
    started.topics[Symbol.dispose]();
    this.#probe?.[Symbol.dispose]();
    await disposeAll(started.joined);
    await started.plugins[Symbol.asyncDispose]();
    this.orphans[Symbol.dispose]();
    await started.once[Symbol.asyncDispose]();
    await started.backplane[Symbol.asyncDispose]();
  }

  /** Until no call is in flight and no handler runs whose reply is to be kept, or the grace is over. */
  async #quiet(graceMs: number, once: Once): Promise<void> {
    const until = this.clock.now() + graceMs;
    const busy = (): boolean => once.running > 0 || [...this.#sessions].some(({ core }) => core.callsInFlight > 0);
    while (busy() && this.clock.now() < until) await new Promise<void>((resolve) => this.clock.after(20, resolve));
  }

  /** The first channel of the service that the path names. */
  #near(path: string): Channel | undefined {
    return this.#firsts.get(path.slice(1, path.indexOf("/", 1)));
  }
}

async function disposeAll(parts: readonly Stations[]): Promise<void> {
  for (const each of parts.toReversed()) await each[Symbol.asyncDispose]?.();
}

/** Those given, and the two that every server has. Payloads in logs are protobuf, so nothing takes its place. Throws `option_invalid`, `plugin_contract`. */
function codecsOf(given: readonly Codec[], proto: Codec, limits: Limits): Codec[] {
  const codecs = [...given.map((codec) => defineCodec(codec)), proto];
  if (!codecs.some(({ name }) => name === "json")) codecs.push(jsonCodec(limits));
  const names = codecs.map(({ name }) => name);
  const twice = names.find((name, at) => name === "" || names.indexOf(name) !== at);
  if (twice === undefined) return codecs;
  const expected = "a name of its own for each codec; proto is the server's";
  throw fail("option_invalid", { part: "raceway", option: "codecs", value: names.join(", "), expected });
}

/** A backplane starts before there is a store. */
const missingStore: Host["store"] = {
  get: noStore,
  put: noStore,
  delete: noStore,
  take: noStore,
};
function noStore(): Promise<never> {
  return Promise.reject(new Error("The store belongs to the backplane, which is just starting."));
}
