// What applications see of a server: what it is made of, and what it can be asked to do.
import type { SecureServerOptions } from "node:http2";
import type { ContextValues } from "@connectrpc/connect";
import type {
  Backplane,
  Clock,
  Codec,
  Inspection,
  LimitOptions,
  Logger,
  PluginList,
  Position,
  Random,
  ServerTransport,
  ServiceDefinition,
} from "@raceway/core";
import type { ServedChannel } from "./channel.ts";

export interface RacewayOptions {
  /** What clients may connect by, best first. */
  readonly transports: readonly ServerTransport[];
  /** Middleware. Order comes from what plugins provide and require, then from this list. */
  readonly use?: PluginList;
  /** Where histories live; default: the memory of this process. */
  readonly backplane?: Backplane;
  /** What clients may have their payloads in, beside protobuf and JSON, which every server has: a client says which is best. `jsonCodec({ registry })` takes the place of the server's own. */
  readonly codecs?: readonly Codec[];
  readonly limits?: LimitOptions;
  /** Default: silence. */
  readonly log?: Logger;
  /** Where transports answer; default "/raceway". */
  readonly path?: string;
  /** Origins, such as "https://app.example", whose pages may talk to this server beside its own; "*" for any (never with cookies). Default: only its own. */
  readonly allowedOrigins?: readonly string[];
  /** Links are replaced after so long, in milliseconds, without a pause for calls; default 0: never. For load balancers and serverless hosts with a limit of their own. */
  readonly maxLinkAgeMs?: number;
  /** Name of this node, for logs; default "". */
  readonly node?: string;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly random?: Random;
}

const names: { readonly [K in keyof Required<RacewayOptions>]: true } = {
  transports: true,
  use: true,
  backplane: true,
  codecs: true,
  limits: true,
  log: true,
  path: true,
  allowedOrigins: true,
  maxLinkAgeMs: true,
  node: true,
  clock: true,
  random: true,
};
/** A slip in one of them, such as `plugins` for `use`, would leave a server without what it was to have. */
export const racewayOptionNames: readonly string[] = Object.keys(names);

/** Publishes to the topic that the key names. Resolves with the event's position once the backplane has it. */
export interface TopicPublisher<K, M> {
  /** `by`: the context of the handler that publishes, for plugins that ask who may; without, the server itself does. */
  publish(key: K, message: M, by?: { readonly values: ContextValues }): Promise<Position>;
}

/** An address to listen on, or the default. */
export interface ListenOptions {
  /** 0: any free one. */
  readonly port?: number;
  /** Default: all interfaces. */
  readonly host?: string;
  /** PEM key and certificate; without, HTTP/1.1, HTTP/2 and WebSocket in clear text. */
  readonly tls?: SecureServerOptions;
}

/** A server that listens. */
export interface ListeningApp {
  readonly port: number;
  /** "http://127.0.0.1:8080", say. */
  readonly url: string;
}

export interface Raceway extends AsyncDisposable {
  /** Serves a service; before the first `listen`, `attach` or `fetch`. Returns its publishers. Throws `handler_missing`, `service_twice`, `kind_unsupported`. */
  serve<H extends object, P extends object>(definition: ServiceDefinition<H, P>, handlers: H): P;
  /** HTTP/1.1, HTTP/2 and WebSocket on one port. */
  listen(port?: number | ListenOptions): Promise<ListeningApp>;
  /** Takes its own paths in a Node `http`, `https` or `http2` server; all other requests stay with the server's own listeners. */
  attach(server: object): Promise<Disposable>;
  /** Answers one web-standard request: everything but WebSocket. */
  fetch(request: Request): Promise<Response>;
  /** What the plugins of `use` make of each channel, and why, with all that would stop the start. They are started on a host of their own for it, and ended. */
  inspect(): Promise<Inspection>;
  /** All that is served, in the order of `serve`. */
  readonly channels: readonly ServedChannel[];
  /** How many sessions there are, with or without a link. */
  readonly sessions: number;
  /**
   * For a restart that nobody notices: takes no new sessions, has the present ones go elsewhere one after the other, and serves them until they
   * have gone. Resolves then, or after `drainMs`. What answers at this address next, or at `endpoints`, has to be there meanwhile.
   */
  drain(options?: DrainOptions): Promise<void>;
  /** Drains first, if `drainMs` is given. Then has clients go elsewhere, lets calls in flight end for at most `graceMs` (default 5,000), and ends what is left. */
  close(options?: number | CloseOptions): Promise<void>;
}

export interface DrainOptions {
  /** At most so long, in milliseconds; default 30,000. */
  readonly drainMs?: number;
  /** Clients are sent away evenly over so long, so that they do not all come back at once, in milliseconds; default: half of `drainMs`. */
  readonly spreadMs?: number;
  /** Base URLs of servers to go to; default: those that the clients know. */
  readonly endpoints?: readonly string[];
}
export interface CloseOptions extends DrainOptions {
  /** Calls in flight may end within so long, in milliseconds; default 5,000. */
  readonly graceMs?: number;
}
