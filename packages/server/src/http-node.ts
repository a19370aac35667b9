// HTTP exchanges and upgrades made from Node's own objects, HTTP/1 and HTTP/2 alike.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import {
  type Clock,
  fail,
  type HttpExchange,
  type HttpUpgrade,
  type NodeExchange,
  type Peer,
  type PeerCertificate,
  type StreamOut,
  type StreamSink,
} from "@raceway/core";
import { HttpWatch, isTooSlow, readNodeBody, type Watched } from "./http-body.ts";
import { type HttpLimitOptions, type HttpLimits, resolveHttpLimits } from "./http-limits.ts";
import { rawRefusal } from "./http-refusal.ts";
import { type HttpHandler, refuse } from "./http-router.ts";
import { isGone, NodeStream } from "./http-stream.ts";

export type NodeRequest = IncomingMessage | Http2ServerRequest;
export type NodeResponse = ServerResponse | Http2ServerResponse;

/** What all exchanges of one server share. */
export interface NodeHttp {
  readonly limits: HttpLimits;
  readonly watch: HttpWatch;
}

/** Answers larger than this are watched until the client has taken them; smaller ones fit into the kernel's buffers. */
const WATCHED_REPLY_BYTES = 16_384;
/**
 * HTTP/1 answers up to this size are given to Node as Latin-1 text, one character a byte: it then writes head and body as one string, by a
 * plain `write` from a buffer on the stack. A head and a Buffer make a `writev`, which costs 3 µs more.
 */
const TEXT_REPLY_BYTES = 4_096;
/** How long a client may go on sending a body that nobody wants, so that it gets to read the answer: closing at once would reset the connection. */
const LINGER_MS = 2_000;
const NOTHING = new Uint8Array(0);
const NOWHERE = "http://0"; // base of request targets, which have none

/** Checks the limits, once per server. */
export function nodeHttp(options: { readonly clock: Clock; readonly limits?: HttpLimitOptions | undefined }): NodeHttp {
  return { limits: resolveHttpLimits(options.limits), watch: new HttpWatch(options.clock) };
}

/** One request and its answer. The limits of target and headers must have been checked, as `answerNode` does. */
export function nodeExchange(request: NodeRequest, response: NodeResponse, http: NodeHttp): HttpExchange {
  return new NodeHttpExchange(request, response, http);
}

/** A request to switch protocols, as Node's `upgrade` event gives it. */
export function nodeUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): HttpUpgrade {
  if (socket.listenerCount("error") === 0) socket.on("error", ignore); // a reset before anyone listens must not end the process
  return new NodeHttpUpgrade(request, socket, head);
}

/** Gives a request to the handler, or refuses it if target or headers are too long. Listens well as `request` listener of a Node server. */
export function answerNode(handler: HttpHandler, request: NodeRequest, response: NodeResponse, http: NodeHttp): void {
  const exchange = new NodeHttpExchange(request, response, http);
  if (request.url!.length > http.limits.targetBytes) {
    refuse(
      exchange,
      414,
      `Request target of ${request.url!.length} bytes exceeds the limit of ${http.limits.targetBytes}.`,
    );
  } else if (headBytes(request.rawHeaders) > http.limits.headBytes) {
    refuse(exchange, 431, `Request headers exceed the limit of ${http.limits.headBytes} bytes.`);
  } else {
    handler.request(exchange);
  }
}

/** Gives a request to switch protocols to the handler, or refuses it. */
export function upgradeNode(
  handler: HttpHandler,
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  http: NodeHttp,
): void {
  const upgrade = nodeUpgrade(request, socket, head);
  if (request.url!.length > http.limits.targetBytes)
    upgrade.refuse(414, `Request target exceeds the limit of ${http.limits.targetBytes} bytes.`);
  else handler.upgrade(upgrade);
}

function headBytes(raw: readonly string[]): number {
  let bytes = 0;
  for (const text of raw) bytes += text.length;
  return bytes;
}

/** Length of the body as the client declared it, or undefined. */
function declaredLength(headers: IncomingHttpHeaders): number | undefined {
  const length = headers["content-length"];
  return length === undefined ? undefined : Number(length);
}

/** The path of a request target: what is before the query; of a target in absolute form, what is after the host. */
function pathOf(target: string): string {
  if (target.charCodeAt(0) !== 47) {
    const url = URL.parse(target, NOWHERE);
    return url === null || target === "*" ? target : url.pathname;
  }
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

function queryOf(target: string): URLSearchParams {
  const query = target.indexOf("?");
  return new URLSearchParams(query < 0 ? "" : target.slice(query + 1));
}

/** Keeps the headers and not the request, since a link keeps its peer. */
class NodePeer implements Peer {
  readonly address: string;
  readonly secure: boolean;
  readonly certificate: PeerCertificate | undefined;
  readonly #headers: IncomingHttpHeaders;
  constructor(headers: IncomingHttpHeaders, connection: Duplex) {
    const socket = connection as Partial<TLSSocket>;
    const address = socket.remoteAddress ?? "";
    this.address = address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
    this.secure = socket.encrypted === true;
    this.certificate = this.secure ? certificateOf(socket as TLSSocket) : undefined;
    this.#headers = headers;
  }
  header(name: string): string | undefined {
    const value = this.#headers[name];
    return typeof value === "string" ? value : Array.isArray(value) ? value.join(", ") : undefined;
  }
}

/** Read once per connection: Node makes a copy each time. */
const certificates = new WeakMap<TLSSocket, PeerCertificate>();

function certificateOf(socket: TLSSocket): PeerCertificate | undefined {
  // Not asked for one: neither is set. Node's types say Error, and Node gives the code.
  const problem = socket.authorizationError as Error | string | null | undefined;
  if (!socket.authorized && !problem) return undefined;
  const known = certificates.get(socket);
  if (known !== undefined) return known;
  const der = socket.getPeerX509Certificate()?.raw;
  if (der === undefined) return undefined;
  const certificate: PeerCertificate = { der, problem: socket.authorized ? undefined : String(problem) };
  certificates.set(socket, certificate);
  return certificate;
}

class NodeHttpExchange implements HttpExchange {
  readonly #request: NodeRequest;
  readonly #response: NodeResponse;
  readonly #http: NodeHttp;
  #peer: NodePeer | undefined;
  #path: string | undefined;
  #query: URLSearchParams | undefined;
  #closed: AbortController | undefined;
  #answered = false;

  constructor(request: NodeRequest, response: NodeResponse, http: NodeHttp) {
    this.#request = request;
    this.#response = response;
    this.#http = http;
  }

  get method(): string {
    return this.#request.method!;
  }
  get path(): string {
    return (this.#path ??= pathOf(this.#request.url!));
  }
  get query(): URLSearchParams {
    return (this.#query ??= queryOf(this.#request.url!));
  }
  get peer(): Peer {
    return (this.#peer ??= new NodePeer(this.#request.headers, this.#request.socket));
  }
  get node(): NodeExchange {
    return { request: this.#request, response: this.#response };
  }

  get closed(): AbortSignal {
    if (this.#closed !== undefined) return this.#closed.signal;
    const controller = (this.#closed = new AbortController());
    const response = this.#response;
    const connection = this.#request.socket;
    if (isGone(response, connection)) {
      if (!isComplete(response)) controller.abort();
      return controller.signal;
    }
    const onClose = (): void => {
      response.off("close", onClose);
      connection.off("close", onClose);
      if (!isComplete(response)) controller.abort();
    };
    response.on("close", onClose);
    // Node does not tell an answer that waits for its turn on the connection that it is gone.
    if (!("stream" in response) && response.socket === null) connection.on("close", onClose);
    return controller.signal;
  }

  body(maxBytes: number): Promise<Uint8Array> {
    const { headers } = this.#request;
    const length = declaredLength(headers);
    if (
      length === 0 ||
      (length === undefined && headers["transfer-encoding"] === undefined && this.#request.httpVersionMajor === 1)
    ) {
      return Promise.resolve(NOTHING);
    }
    if (length !== undefined && !(length <= maxBytes))
      return Promise.reject(fail("body_too_large", { bytes: length, limit: maxBytes }));
    return readNodeBody(this.#request, maxBytes, this.#http.limits, this.#http.watch);
  }

  reply(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array): void {
    if (this.#answered) return;
    this.#answered = true;
    const response = this.#response;
    const bytes = body?.byteLength ?? 0;
    if (isGone(response, this.#request.socket)) return;
    if (!this.#request.complete) this.#linger();
    if (bytes > WATCHED_REPLY_BYTES) this.#watchReply(bytes);
    // The length is set by hand, since Node leaves it out of answers to HEAD. `as`: the two kinds of response have the same two methods.
    (response as ServerResponse).writeHead(status, this.#headersOf(status, headers, bytes));
    if (bytes === 0) response.end();
    else if (bytes > TEXT_REPLY_BYTES || "stream" in response) (response as ServerResponse).end(body);
    else response.end(Buffer.from(body!.buffer, body!.byteOffset, bytes).toString("latin1"), "latin1");
  }

  stream(status: number, headers: Readonly<Record<string, string>>, sink: StreamSink): StreamOut {
    this.#answered = true;
    const response = this.#response as ServerResponse;
    if (!isGone(response, this.#request.socket)) response.writeHead(status, headers);
    return new NodeStream(response, this.#request.socket, sink);
  }

  #headersOf(status: number, headers: Readonly<Record<string, string>>, bytes: number): Record<string, string> {
    const all: Record<string, string> = { ...headers };
    if (status !== 204 && status !== 304) all["content-length"] = String(bytes);
    if ("stream" in this.#response) {
      delete all["connection"]; // HTTP/2 has no headers about the hop
      delete all["upgrade"];
    }
    return all;
  }

  /** The answer goes out before the request has come in: lets the rest come and go for a while, then cuts. */
  #linger(): void {
    const request = this.#request;
    const { headers } = request;
    if (
      "stream" in request
        ? request.stream.endAfterHeaders
        : headers["content-length"] === undefined && headers["transfer-encoding"] === undefined
    )
      return;
    request.on("error", ignore).resume();
    this.#http.watch.clock.after(LINGER_MS, () => {
      if (request.complete) return;
      if ("stream" in request) request.stream.close(8); // CANCEL
      else request.socket.destroy();
    });
  }

  /** A client that does not read must not hold a large answer for ever. */
  #watchReply(bytes: number): void {
    const response = this.#response;
    const { limits, watch } = this.#http;
    const began = watch.clock.now();
    const watched: Watched = {
      look: (now) => {
        const left =
          "stream" in response
            ? response.stream.writableLength
            : response.writableLength + (response.socket?.writableLength ?? 0);
        if (!isTooSlow(now - began, Math.max(0, bytes - left), limits)) return;
        if ("stream" in response) response.stream.close(8); // CANCEL
        else this.#request.socket.destroy();
      },
    };
    watch.add(watched);
    response.on("close", () => watch.delete(watched));
  }
}

class NodeHttpUpgrade implements HttpUpgrade {
  readonly path: string;
  readonly node: { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Uint8Array };
  readonly peer: Peer;
  #query: URLSearchParams | undefined;

  constructor(request: IncomingMessage, socket: Duplex, head: Uint8Array) {
    this.path = pathOf(request.url!);
    this.peer = new NodePeer(request.headers, socket);
    this.node = { request, socket, head };
  }
  get query(): URLSearchParams {
    return (this.#query ??= queryOf(this.node.request.url!));
  }
  refuse(status: number, message: string): void {
    const { socket } = this.node;
    if (socket.destroyed) return;
    socket.end(rawRefusal(status, message));
    socket.resume(); // what still comes is of no interest, but must not keep the socket from ending
    socket.once("finish", () => socket.destroy());
  }
}
/** Has the client been sent the whole answer? A stream of HTTP/2 that was reset says of itself that it is finished. */
function isComplete(response: NodeResponse): boolean {
  return "stream" in response ? response.writableEnded && response.stream.rstCode === 0 : response.writableFinished;
}

function ignore(): void {}
