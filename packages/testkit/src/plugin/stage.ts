// One case at work: a server with the kit's service, and clients that come by one way. Over memory links and at the door in process time is the kit's own: a turn of waiting is a millisecond.
import {
  type Client,
  type ConnectRouter,
  type Interceptor,
  type Transport,
  createClient,
  createRouterTransport,
} from "@connectrpc/connect";
import {
  type ClientTransport,
  type Logger,
  type MemoryTransport,
  type Peer,
  type Plugin,
  type PluginList,
  type ServerTransport,
  type TransportHost,
  definePlugin,
  memoryTransport,
  peer as peerKey,
} from "@raceway/core";
import { RuleBroken, nextTurn } from "../case.ts";
import { type VirtualClock, virtualClock } from "../virtual-clock.ts";
import { type KitHandlers, type KitPublishers, Notes, PluginKitService, kitContract, kitHandlers } from "./service.ts";
import type { KitConnection, KitServer, KitVisitor, KitWay, PluginSubject } from "./subject.ts";

export type KitClient = Client<typeof PluginKitService>;
/** A way in: one of the kit's own two, or one over the network. */
export type Way = "memory" | "native" | KitWay;

/** What a case changes of the subject. */
export interface StageOptions {
  readonly way?: Way;
  /** Plugins of the kit before and after the subject's, on the server and on the client. */
  readonly before?: () => PluginList;
  readonly after?: () => PluginList;
}
/** Longest end of a host, in milliseconds of its own clock: it leaves a plugin that hangs behind after 5 s, and two of them after 10. */
const END_MS = 12_000;

export type Cast = Pick<PluginSubject, "server" | "client" | "interceptors" | "visitor" | "policy">;

/** Errors that hosts told their logs. */
export class Complaints implements Logger {
  readonly lines: string[] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  error(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  }
}

export class Stage implements AsyncDisposable {
  readonly notes: Notes = new Notes();
  readonly complaints: Complaints = new Complaints();
  readonly memory: MemoryTransport = memoryTransport();
  /** A second transport, to switch to. */
  readonly memoryToo: MemoryTransport = memoryTransport({ transport: "memory-too" });
  /** Undefined over the network: time is the platform's there. */
  readonly clock: VirtualClock | undefined;
  readonly server: KitServer;
  readonly way: Way;
  readonly #subject: PluginSubject;
  readonly #cast: Cast;
  readonly #options: StageOptions;
  readonly #patienceMs: number;
  readonly #connections: KitConnection[] = [];
  readonly #publishers: KitPublishers;
  #router: ((routes: ConnectRouter) => void) | undefined;
  #url = "http://kit";

  /** `cast`: whose plugins, visitor and policy; the subject's unless said. `server`: the list to use, for two servers with the same one. */
  constructor(
    subject: PluginSubject,
    options: StageOptions = {},
    cast: Cast = subject,
    list: PluginList = cast.server?.() ?? [],
  ) {
    this.#subject = subject;
    this.#cast = cast;
    this.#options = options;
    this.way = options.way ?? "memory";
    this.#patienceMs = subject.patienceMs ?? 5_000;
    this.clock = typeof this.way === "string" ? virtualClock(1_000, Date.now()) : undefined;
    const { address = "", headers = {} } = cast.visitor ?? {};
    const doors: ServerTransport = {
      ...this.memory.server,
      name: "kit-door",
      start: (host) => {
        this.#router = (router) => host.native.register(withPeer(router, address, headers));
        return {};
      },
    };
    const transports =
      typeof this.way === "string"
        ? [seenFrom(this.memory.server, address, headers), seenFrom(this.memoryToo.server, address, headers), doors]
        : [this.way.server()];
    this.server = subject.raceway({
      transports,
      use: [options.before?.(), list, options.after?.()],
      ...(this.clock && { clock: this.clock }),
      log: this.complaints,
    });
    this.#publishers = this.server.serve<KitHandlers, KitPublishers>(
      { contract: kitContract, policy: cast.policy ?? {} },
      kitHandlers(this.notes, () => this.#publishers.news),
    );
  }

  async start(): Promise<void> {
    if (typeof this.way === "string")
      await this.within(this.server.fetch(new Request("http://kit/raceway/health")), "the start");
    else this.#url = (await this.server.listen({ port: 0, host: "127.0.0.1" })).url;
  }

  /** Of a new connection, or of requests by the native door. */
  async client(): Promise<KitClient> {
    return createClient(PluginKitService, await this.transport());
  }
  async transport(): Promise<Transport> {
    const { way } = this;
    const visitor = this.#cast.visitor ?? {};
    if (way === "native" || (way !== "memory" && way.door !== undefined)) {
      const credential = await shown(visitor);
      const headers = { ...visitor.headers, ...(credential !== "" && { authorization: `Bearer ${credential}` }) };
      const interceptors = this.#cast.interceptors?.() ?? [];
      if (way !== "native") return way.door!(this.#url, headers, interceptors);
      const headed: Interceptor = (next) => (request) => {
        for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
        return next(request);
      };
      return createRouterTransport((router) => this.#router!(router), {
        transport: { interceptors: [headed, ...interceptors] },
      });
    }
    return this.connection();
  }
  /** By memory links. */
  connected(): { readonly connection: KitConnection; readonly client: KitClient } {
    const connection = this.connection();
    return { connection, client: createClient(PluginKitService, connection) };
  }
  connection(): KitConnection {
    const visitor = this.#cast.visitor ?? {};
    const transports: ClientTransport[] =
      typeof this.way === "string" ? [this.memory.client, this.memoryToo.client] : [this.way.client!(visitor)];
    const { before, after } = this.#options;
    const connection = this.#subject.connect(this.#url, {
      transports,
      use: [shows(visitor), before?.(), this.#cast.client?.(), after?.()],
      ...(this.clock && { clock: this.clock }),
      log: this.complaints,
      probeMs: 0,
    });
    this.#connections.push(connection);
    return connection;
  }

  /** The server's own word in a room. */
  async publish(room: string, number: number): Promise<void> {
    await this.#publishers.news.publish({ room }, { number });
  }

  /** Lets what is under way come in, and a millisecond pass. */
  turn(): Promise<void> {
    return this.clock === undefined ? nextTurn(1) : this.clock.advance(1);
  }
  /**
   * Waits until it is so; breaks the rule if it is not in time: within the subject's patience, and within `hostMs` of the host's clock. How far the host's
   * clock comes while the kit is patient depends on the machine, so whatever the host itself waits for has to be given here.
   */
  async until(so: () => boolean, what: string, hostMs: number = this.#patienceMs): Promise<void> {
    const start = performance.now();
    const began = this.clock?.now() ?? start;
    const longest = Math.max(hostMs, this.#patienceMs);
    while (!so()) {
      const passed = performance.now() - start;
      const passedAtHost = this.clock === undefined ? passed : this.clock.now() - began;
      if (passed > this.#patienceMs && passedAtHost > longest)
        throw new RuleBroken(`${what}: not within ${longest} ms`);
      await this.turn();
    }
  }
  /** What the promise comes to, if it does in time. */
  async within<T>(promise: Promise<T>, what: string, hostMs?: number): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    promise.then(done, done);
    await this.until(() => settled, what, hostMs);
    return promise;
  }
  /**
   * Waits while time stands still: for an answer that has to come before something else does by the clock, and may take the plugin some of the platform's
   * own time, as a signature does. Time goes on when half of the patience is used up: the plugin may wait for that.
   */
  async still(so: () => boolean, what: string): Promise<void> {
    const start = performance.now();
    while (!so() && performance.now() - start < this.#patienceMs / 2) await nextTurn(1);
    await this.until(so, what);
  }
  /** What comes of the end of a host, which has to come, though a plugin of it hangs. */
  ended(end: Promise<void>, what: string): Promise<void> {
    return this.within(end, what, END_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.notes.release();
    const ends = [...this.#connections.map((each) => each.close()), this.server.close(0)];
    await this.ended(
      Promise.all(ends).then(() => {}),
      "the end of server and connections",
    );
  }
}

async function shown({ credential }: KitVisitor): Promise<string> {
  return typeof credential === "function" ? credential() : (credential ?? "");
}

/** What a client shows, before its own plugins have their say. */
function shows(visitor: KitVisitor): Plugin {
  return definePlugin({
    name: "kit-visitor",
    start: () => ({
      async introduce(introduction) {
        introduction.credential = await shown(visitor);
        for (const [name, value] of Object.entries(visitor.headers ?? {})) introduction.headers.set(name, value);
      },
    }),
  });
}

const peerOf = (address: string, headers: Readonly<Record<string, string>>): Peer => ({
  address,
  secure: true,
  header: (name: string): string | undefined => headers[name],
});

/** The transport, whose links come from that address with those headers. */
function seenFrom(inner: ServerTransport, address: string, headers: Readonly<Record<string, string>>): ServerTransport {
  const peer = peerOf(address, headers);
  return {
    ...inner,
    start: (host: TransportHost) =>
      inner.start({
        ...host,
        opened: (link) =>
          host.opened({
            transport: link.transport,
            traits: link.traits,
            peer,
            get buffered() {
              return link.buffered;
            },
            send: (parts) => link.send(parts),
            pause: () => link.pause(),
            resume: () => link.resume(),
            close: (error) => link.close(error),
          }),
      }),
  };
}

/** Registers services whose requests come from that address. */
function withPeer(router: ConnectRouter, address: string, headers: Readonly<Record<string, string>>): ConnectRouter {
  const from: Interceptor = (next) => (request) => {
    request.contextValues.set(peerKey, peerOf(address, headers));
    return next(request);
  };
  const proxy: ConnectRouter = {
    ...router,
    service: (service, implementation, options = {}) => {
      router.service(service, implementation, {
        ...options,
        interceptors: [from, ...(options.interceptors ?? [])],
      });
      return proxy;
    },
  };
  return proxy;
}
