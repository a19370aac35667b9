// The transport plugin: a client and a server half, made by separate factories, that produce links.
import type { ConnectError, ConnectRouter } from "@connectrpc/connect";
import type { LinkOpened, LinkTraits, Peer } from "./link.ts";
import type { Host, Part } from "./part.ts";

/** A server, as a client knows it. */
export interface Endpoint {
  /** Base URL, `http:` or `https:`, without trailing slash. */
  readonly url: string;
  /** Path under which transports answer, beginning with a slash; "/raceway" unless the server says otherwise. */
  readonly path: string;
}

/** The client half of a transport. */
export interface ClientTransport extends Part {
  readonly traits: LinkTraits;
  /** Can it work here, with this endpoint? Pure and fast: the race asks before each round. */
  supports(endpoint: Endpoint): boolean;
  /** Once per connection; all state lives in what it returns. */
  start(host: Host): StartedClientTransport;
}
export interface StartedClientTransport {
  /**
   * Opens one link. Calls `opened` exactly once, before the promise resolves; rejects with a ConnectError when it cannot.
   * When `signal` is aborted before `opened`, nothing stays open and the promise rejects; after `opened` the signal means nothing.
   */
  open(endpoint: Endpoint, opened: LinkOpened, signal: AbortSignal): Promise<void>;
}

/** The server half of a transport. */
export interface ServerTransport extends Part {
  readonly traits: LinkTraits;
  /** Once per server. Returns what it answers to, as data: the host mounts, lists and disposes it. */
  start(host: TransportHost): TransportRoutes | Promise<TransportRoutes>;
}

export interface TransportHost extends Host {
  /** Path that belongs to this transport, for example "/raceway/poll"; requests to it and below it come here. */
  readonly path: string;
  readonly opened: LinkOpened;
  /** Largest batch to take, in bytes. */
  readonly maxBatchBytes: number;
  /** Answers `true` if a page of this origin may talk to the server. Undefined (no Origin header) is not asked. */
  allowsOrigin(origin: string, peer: Peer): boolean;
  /** Registers all services for clients that know nothing of Raceway, middleware included. */
  readonly native: NativeDoor;
}

/** The application's services, to be mounted on a Connect router with one full options object each. */
export interface NativeDoor {
  /** Somebody counts the bytes of calls: the door sets `callBytes` in the context values of each, spends what goes, and waits where it is to. */
  readonly metered?: boolean;
  /** Answers are compressed for clients that take it: what may be kept of them depends on that. */
  readonly compressed?: boolean;
  /** Registers every service served so far on the router. */
  register(router: ConnectRouter): void;
  /** What to say of "/package.Service/Method" where the service is here and the method is not, to a client that calls itself so (`user-agent`); undefined: the service is not here either. */
  missing?(path: string, agent: string | undefined): ConnectError | undefined;
}

/** What a transport answers to. All optional: a transport whose links come from a broker has neither. */
export interface TransportRoutes extends Partial<AsyncDisposable> {
  /** A request under the transport's path. */
  request?(exchange: HttpExchange): void;
  /** A WebSocket upgrade under the transport's path. */
  upgrade?(upgrade: HttpUpgrade): void;
  /**
   * Asked for requests that no transport's path claims, with the server's own request and response objects.
   * True: taken. The gRPC and Connect doors live here.
   */
  native?(exchange: HttpExchange): boolean;
}

/** One HTTP request and its answer, made from Node's HTTP/1 and HTTP/2 and from `Request` alike: four facts and three verbs. */
export interface HttpExchange {
  readonly method: string;
  /** Path without query, not decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly peer: Peer;
  /** Aborted when the client goes away before the answer is complete. */
  readonly closed: AbortSignal;
  /** Reads the whole body. Rejects with `body_too_large` (resource_exhausted) or `body_too_slow` (deadline_exceeded). */
  body(maxBytes: number): Promise<Uint8Array>;
  /** Answers in one piece. Once per exchange; headers in lower case. */
  reply(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array): void;
  /** Answers piece by piece; in place of `reply`. */
  stream(status: number, headers: Readonly<Record<string, string>>, sink: StreamSink): StreamOut;
  /** The server's own objects: Node's `{ request, response }`, or undefined where there are none. For adapters of foreign libraries only. */
  readonly node: NodeExchange | undefined;
}
/** Node's request and response, untyped here since core does not know Node. */
export interface NodeExchange {
  readonly request: unknown;
  readonly response: unknown;
}
export interface StreamSink {
  /** After a `write` that returned false: there is room again. */
  drain(): void;
  /** The answer is over, by either end. Once, and last. */
  closed(): void;
}
export interface StreamOut {
  /** Bytes taken and not yet given to the network. */
  readonly buffered: number;
  /** Writes raw bytes, which many streams may share. One call, one write to the socket. False: wait for `drain`. */
  write(parts: readonly Uint8Array[]): boolean;
  end(): void;
  /** Cuts the connection without a proper end. */
  destroy(): void;
}

/** A request to switch protocols. The transport either refuses it or takes the socket over. */
export interface HttpUpgrade {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly peer: Peer;
  /** Node's IncomingMessage, Duplex and head, untyped here since core does not know Node. */
  readonly node: { readonly request: unknown; readonly socket: unknown; readonly head: Uint8Array };
  refuse(status: number, message: string): void;
}
