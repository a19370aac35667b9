// Lets Node's exchanges in to Connect's handlers: finds the handler by its path, checks the origin, and bounds slow bodies.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Code, ConnectError, type ConnectRouter, createConnectRouter, createContextValues } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { CallBytes, type Clock, type HttpExchange, type Logger, callBytes, peer } from "@raceway/core";
import type { CrossOrigin } from "./server-cross-origin.ts";
import { cacheable } from "./server-http-cache.ts";
import { type CallStream, callStream } from "./server-service.ts";

type NodeServerRequest = IncomingMessage | Http2ServerRequest;
type NodeServerResponse = ServerResponse | Http2ServerResponse;

export interface DoorSetup {
  readonly clock: Clock;
  readonly log: Logger;
  readonly crossOrigin: CrossOrigin;
  readonly bodyMs: number;
  /** Bytes of calls are counted, and held up. */
  readonly metered: boolean;
  /** Answers depend on what encodings their clients take. */
  readonly compressed: boolean;
  /** Registers services, each with all of its options: a router's own do not hold for a service that has any. */
  register(router: ConnectRouter): void;
  /** What to say where there is a service, and no such method of it. */
  missing(path: string, agent: string | undefined): ConnectError | undefined;
}

/** HTTP/2's error code for a stream that is no longer wanted. */
const CANCEL = 8;

export class Door {
  readonly #setup: DoorSetup;
  readonly #handlers = new Map<string, UniversalHandler>();

  constructor(setup: DoorSetup) {
    this.#setup = setup;
    const router = createConnectRouter();
    setup.register(router);
    for (const handler of router.handlers) this.#handlers.set(handler.requestPath, handler);
  }

  /** Answers the exchange if a service is registered at the path, "/package.Service/Method". */
  answer(exchange: HttpExchange, path: string): boolean {
    const handler = this.#handlers.get(path);
    if (handler === undefined) {
      const missing = this.#setup.missing(path, exchange.peer.header("user-agent"));
      if (missing === undefined) return false;
      const own = this.#setup.crossOrigin.admit(exchange, ["POST", "OPTIONS"]);
      if (own !== undefined) replyError(exchange, own, missing);
      return true;
    }
    if (exchange.node === undefined) return false;
    const headers = this.#setup.crossOrigin.admit(exchange, methodsOf(handler));
    if (headers === undefined) return true;
    const request = exchange.node.request as NodeServerRequest;
    const response = exchange.node.response as NodeServerResponse;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (this.#setup.compressed && request.method !== "POST")
      response.setHeader("vary", [headers["vary"] ?? [], "accept-encoding"].flat().join(", "));
    if (handler.method.methodKind === "unary" || handler.method.methodKind === "server_streaming")
      this.#bound(request, response);
    void this.#call(handler, exchange, request, response);
    return true;
  }

  async #call(
    handler: UniversalHandler,
    exchange: HttpExchange,
    request: NodeServerRequest,
    response: NodeServerResponse,
  ): Promise<void> {
    const context = createContextValues().set(peer, exchange.peer).set(callStream, streamOf(response));
    try {
      const vary = response.getHeader("vary")?.toString();
      const asked = universalRequestFromNodeRequest(request, response, undefined, context);
      if (this.#setup.metered) {
        const bytes = new CallBytes();
        context.set(callBytes, bytes);
        const body = asked.body as AsyncIterable<Uint8Array>; // of Node's requests it always is
        const answer = await cacheable(handler, { ...asked, body: metered(body, bytes, "in") }, vary);
        await universalResponseToNodeResponse(
          answer.body === undefined ? answer : { ...answer, body: metered(answer.body, bytes, "out") },
          response,
        );
      } else await universalResponseToNodeResponse(await cacheable(handler, asked, vary), response);
    } catch (reason) {
      // The client is gone, mostly. What a handler throws has become an answer before it comes here.
      const error = ConnectError.from(reason);
      if (error.code !== Code.Aborted && error.code !== Code.Canceled)
        this.#setup.log.debug("an exchange failed", { path: exchange.path, error });
      cut(response);
    }
  }

  /** One message is to come: who sends it byte by byte is not waited for. */
  #bound(request: NodeServerRequest, response: NodeServerResponse): void {
    if (request.complete) return;
    const timer = this.#setup.clock.after(this.#setup.bodyMs, () => {
      if (request.complete) return;
      if (!response.headersSent) {
        // `as`: both kinds of response have the same method, with types that do not unite.
        (response as ServerResponse).writeHead(408, { connection: "close", "content-type": "application/json" });
        (response as ServerResponse).end(
          `${JSON.stringify({ code: "deadline_exceeded", message: `The request body did not arrive within ${this.#setup.bodyMs} ms.` })}\n`,
          () => cut(response),
        );
      } else cut(response);
    });
    response.once("close", () => timer[Symbol.dispose]());
  }
}

/** Waits between pieces where it is to, so that whoever sends or reads them waits, too. */
async function* metered(
  body: AsyncIterable<Uint8Array>,
  bytes: CallBytes,
  direction: "in" | "out",
): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    yield piece;
    const wait = bytes.spend(direction, piece.length);
    if (wait !== undefined) await wait;
  }
}

/** An answer in the protocol of the request, without a handler: trailers in gRPC, headers that stand for them in gRPC-web, a body with the error in Connect's. */
function replyError(exchange: HttpExchange, own: Readonly<Record<string, string>>, error: ConnectError): void {
  // The next release may have it; and the error is about this client.
  own = { ...own, "cache-control": "no-store" };
  const type = /^application\/grpc(?:-web)?(?:\+[a-z]+)?/.exec(exchange.peer.header("content-type") ?? "")?.[0];
  if (type === undefined) {
    const body = errorToJsonBytes(error, {});
    return exchange.reply(codeToHttpStatus(error.code), { ...own, "content-type": "application/json" }, body);
  }
  const header = { ...own, "content-type": type };
  const trailer = new Headers();
  setTrailerStatus(trailer, error);
  if (type.startsWith("application/grpc-web") || exchange.node === undefined)
    return exchange.reply(200, { ...header, ...Object.fromEntries(trailer) });
  // Node ends a stream by a frame of its own, not with the headers; clients of gRPC look for the status in trailers then.
  const response = exchange.node.response as NodeServerResponse;
  const answer = { status: 200, header: new Headers(header), body: nothing(), trailer };
  universalResponseToNodeResponse(answer, response).catch(() => cut(response)); // the client is gone
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** What may be asked of it; HEAD is GET without the body. */
function methodsOf({ allowedMethods }: UniversalHandler): readonly string[] {
  return [...allowedMethods, ...(allowedMethods.includes("GET") ? ["HEAD"] : []), "OPTIONS"];
}

function streamOf(response: NodeServerResponse): CallStream {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  return {
    gone: gone.signal,
    cut: () => cut(response),
  };
}

function cut(response: NodeServerResponse): void {
  if ("stream" in response) {
    if (!response.stream.destroyed) response.stream.close(CANCEL);
  } else response.destroy();
}
