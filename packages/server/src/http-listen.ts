// One port for HTTP/1.1, HTTP/2 and WebSocket upgrades, with TLS or without.
import { createServer as createHttp1, type IncomingMessage, type Server as Http1Server } from "node:http";
import {
  createSecureServer,
  createServer as createHttp2,
  type Http2SecureServer,
  type Http2Server,
  type SecureServerOptions,
  type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "@raceway/core";
import type { HttpLimitOptions, HttpLimits } from "./http-limits.ts";
import { answerNode, type NodeHttp, nodeHttp, type NodeRequest, type NodeResponse, upgradeNode } from "./http-node.ts";
import { rawRefusal } from "./http-refusal.ts";
import type { HttpHandler } from "./http-router.ts";

export { attachTo } from "./http-attach.ts";

export interface ListenOptions {
  /** 0: any free port. */
  readonly port: number;
  /** Undefined: all addresses. */
  readonly host?: string | undefined;
  /** Key and certificate, and what else Node's TLS server takes. With it, only TLS is spoken on the port. */
  readonly tls?: SecureServerOptions | undefined;
  readonly clock: Clock;
  readonly limits?: HttpLimitOptions | undefined;
}

/** A server that listens. */
export interface Listening extends AsyncDisposable {
  readonly port: number;
  /** As `server.address()` gives it. */
  readonly address: AddressInfo;
  /** Base URL without trailing slash; of a server on all addresses, with "localhost". */
  readonly url: string;
  /** Takes no more connections, lets exchanges under way end for at most `graceMs` (default 5 s), then cuts. Disposing does not wait. */
  close(graceMs?: number): Promise<void>;
}

const GRACE_MS = 5_000;
/** How often a server that closes looks for connections that have become idle. */
const LOOK_MS = 20;
/** How often Node looks for connections whose headers are late. */
const CHECK_MS = 2_000;
/** What an HTTP/2 client with prior knowledge says first (RFC 9113, 3.4). */
const PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const NOTHING: Buffer = Buffer.alloc(0);
/** Memory of one HTTP/2 connection in MB, as Node counts it; its own default. */
const SESSION_MEMORY_MB = 10;

/** Listens, and gives all that comes to the handler. Rejects if the port cannot be had. */
export async function listenOn(handler: HttpHandler, options: ListenOptions): Promise<Listening> {
  const http = nodeHttp(options);
  const server = new Port(handler, http, options.tls);
  const address = await server.listen(options.port, options.host);
  const host =
    options.host === undefined || options.host === "::" || options.host === "0.0.0.0" ? "localhost" : options.host;
  const close = (graceMs: number = GRACE_MS): Promise<void> => server.close(graceMs);
  return {
    port: address.port,
    address,
    url: `${options.tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    close,
    [Symbol.asyncDispose]: () => close(0),
  };
}

/** The options that Node's HTTP/1 and HTTP/2 servers take alike for our limits. */
function http1Options(limits: HttpLimits): object {
  return {
    // A little more than our own limits, so that ours are the ones that answer, 414 or 431.
    maxHeaderSize: limits.headBytes + 2 * limits.targetBytes,
    headersTimeout: limits.headMs,
    requestTimeout: 0, // streams up may take as long as they like; `exchange.body` has its own limit
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, limits.headMs),
  };
}
function http2Options(limits: HttpLimits): object {
  return {
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: {
      maxConcurrentStreams: limits.streams,
      maxHeaderListSize: limits.headBytes + 2 * limits.targetBytes,
      enableConnectProtocol: false,
    },
    unknownProtocolTimeout: limits.headMs,
  };
}

/** Is it an upgrade to WebSocket? Others, such as curl's to "h2c", are ignored, as HTTP allows. */
function wantsWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === "websocket";
}

class Port {
  readonly #handler: HttpHandler;
  readonly #http: NodeHttp;
  /** Who listens: an HTTP/1 server, or with TLS an HTTP/2 server that speaks HTTP/1 too. */
  readonly #listener: Http1Server | Http2SecureServer;
  readonly #sockets = new Set<Socket>();
  readonly #untrack = removing(this.#sockets);
  /** Those among them that have not yet said what they speak. */
  readonly #silent = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  #closing: Promise<void> | undefined;

  constructor(handler: HttpHandler, http: NodeHttp, tls: SecureServerOptions | undefined) {
    this.#handler = handler;
    this.#http = http;
    const { limits } = http;
    if (tls === undefined) {
      const http1 = (this.#listener = createHttp1({
        ...http1Options(limits),
        shouldUpgradeCallback: wantsWebSocket,
      } as object));
      const http2 = createHttp2(http2Options(limits)); // gets the connections that begin as HTTP/2; never listens itself
      this.#serve(http1);
      this.#serve(http2);
      // Node's own listener is called by hand once it is known what is spoken; the server goes on keeping its timers and its list.
      const speakHttp1 = http1.listeners("connection")[0] as (this: Http1Server, socket: Socket) => void;
      http1.removeAllListeners("connection");
      http1.on("connection", (socket: Socket) => {
        this.#track(socket);
        this.#sniff(socket, (isHttp2) => {
          if (isHttp2) {
            socket.allowHalfOpen = false; // HTTP/1 wants it, but an HTTP/2 session does not notice the end of what it reads
            http2.emit("connection", socket);
          } else speakHttp1.call(http1, socket);
        });
      });
    } else {
      const secure = (this.#listener = createSecureServer({
        ...http1Options(limits),
        ...http2Options(limits),
        http1Options: http1Options(limits),
        handshakeTimeout: limits.headMs,
        ...tls,
        allowHTTP1: true,
      } as SecureServerOptions));
      secure.on("connection", (socket: Socket) => {
        socket.setNoDelay(true);
        this.#track(socket);
      });
      secure.on("secureConnection", (socket: Socket) => this.#track(socket));
      // Not an option of this server; the property is the same as in http.Server.
      (secure as unknown as { shouldUpgradeCallback: (request: IncomingMessage) => boolean }).shouldUpgradeCallback =
        wantsWebSocket;
      this.#serve(secure);
    }
  }

  listen(port: number, host: string | undefined): Promise<AddressInfo> {
    const server = this.#listener;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
        server.off("error", reject);
        server.on("error", ignore); // descriptors used up: Node accepts again when there are some
        resolve(server.address() as AddressInfo);
      });
    });
  }

  close(graceMs: number): Promise<void> {
    return (this.#closing ??= this.#close(graceMs));
  }
  async #close(graceMs: number): Promise<void> {
    const { clock } = this.#http.watch;
    let over = false;
    const done = new Promise<void>((resolve) => {
      this.#listener.close(() => {
        over = true;
        resolve();
      });
    });
    const cutAt = clock.now() + graceMs;
    const look = (): void => {
      if (over) return;
      this.#closeIdle(); // connections that were busy may be idle now
      if (clock.now() < cutAt) clock.after(LOOK_MS, look);
      else this.#cut();
    };
    look();
    await done;
    await Promise.all(
      [...this.#sockets].map((socket) => new Promise<void>((resolve) => void socket.once("close", () => resolve()))),
    );
  }
  #cut(): void {
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }
  #closeIdle(): void {
    (this.#listener as Http1Server).closeIdleConnections(); // both kinds have it; not in the types of the secure one
    for (const session of this.#sessions) session.close();
    for (const socket of this.#silent) socket.destroy();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", ignore);
    socket.on("close", this.#untrack); // not `once`, which makes a closure for each
  }

  #serve(server: Http1Server | Http2Server | Http2SecureServer): void {
    server.on("request", (request: NodeRequest, response: NodeResponse) => {
      if (this.#closing !== undefined) this.#leave(response);
      answerNode(this.#handler, request, response, this.#http);
    });
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (this.#closing === undefined) upgradeNode(this.#handler, request, socket, head, this.#http);
      else socket.destroy();
    });
    server.on("clientError", refuseUnreadable);
    server.on("session", (session: ServerHttp2Session) => this.#guard(session));
    server.on("sessionError", ignore);
  }
  /** Tells the client of an HTTP/1 connection not to send another request on it. */
  #leave(response: NodeResponse): void {
    if (!("stream" in response)) response.setHeader("connection", "close");
  }

  /** Closes HTTP/2 connections on which nothing happens; those with streams under way are left to who owns the streams. */
  #guard(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    let streams = 0;
    session.on("stream", (stream) => {
      streams++;
      stream.once("close", () => {
        streams--;
        if (this.#closing !== undefined) session.close();
      });
    });
    session.on("error", ignore);
    session.once("close", () => this.#sessions.delete(session));
    session.setTimeout(this.#http.limits.idleMs, () => {
      if (streams === 0) session.close();
    });
    if (this.#closing !== undefined) session.close();
  }

  /** Looks at the first bytes of a connection, and puts them back. */
  #sniff(socket: Socket, decided: (isHttp2: boolean) => void): void {
    const timer = this.#http.watch.clock.after(this.#http.limits.headMs, () => socket.destroy());
    this.#silent.add(socket);
    let bytes: Buffer = NOTHING;
    const stop = (): void => {
      timer[Symbol.dispose]();
      this.#silent.delete(socket);
      socket.off("readable", look).off("close", stop).off("end", cut);
    };
    const cut = (): void => void socket.destroy(); // the end, before anything could be told from it
    const look = (): void => {
      const more = socket.read() as Buffer | null;
      if (more === null) return;
      bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
      const isHttp2 = bytes.length >= PREFACE.length && bytes.subarray(0, PREFACE.length).equals(PREFACE);
      const isOpen = !isHttp2 && bytes.length < PREFACE.length && PREFACE.subarray(0, bytes.length).equals(bytes);
      if (isOpen) return; // put back now, they would be read again, and again
      stop();
      socket.unshift(bytes);
      decided(isHttp2);
    };
    socket.on("readable", look).once("close", stop).once("end", cut);
  }
}

/** What cannot be read as HTTP/1 gets a status, if it can still be written to, and the connection ends. */
function refuseUnreadable(
  error: Error & { readonly code?: string; readonly rawPacket?: Buffer },
  socket: Duplex,
): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, message]: [number, string] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? error.rawPacket?.includes(10) === false
        ? [414, "The request target is too long."]
        : [431, "The request headers are too long."]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "The request headers did not arrive in time."]
        : [400, "The request is not HTTP/1.1."];
  socket.end(rawRefusal(status, message));
  socket.once("finish", () => socket.destroy());
}

function ignore(): void {}

/** One listener for all sockets of a set. */
function removing(sockets: Set<Socket>): (this: Socket) => void {
  return function () {
    sockets.delete(this);
  };
}
