// A plain host for server transports: Node's HTTP made into HttpExchange and HttpUpgrade, without the care that a server in the open needs.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { fail, type HttpExchange, type HttpUpgrade, type Peer, type StreamOut, type StreamSink } from "@raceway/core";

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

export function peerOf(request: Request): Peer {
  return {
    address: request.socket.remoteAddress ?? "",
    secure: false,
    header(name) {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

/** Path without query, and query. */
export function splitTarget(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const mark = target.indexOf("?");
  return {
    path: mark < 0 ? target : target.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1)),
  };
}

export function exchangeOf(request: Request, response: Response): HttpExchange {
  const gone = new AbortController();
  response.on("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  const begin = (status: number, headers: Readonly<Record<string, string>>): void => {
    // One type of the two: their overloads differ, what is called is the same.
    (response as ServerResponse).writeHead(status, headers);
  };
  return {
    method: request.method ?? "GET",
    ...splitTarget(request.url ?? "/"),
    peer: peerOf(request),
    closed: gone.signal,
    node: { request, response },
    body: (maxBytes) => readBody(request, maxBytes),
    reply(status, headers, body) {
      const length = body === undefined ? {} : { "content-length": String(body.length) };
      begin(status, { ...headers, ...length });
      (response as ServerResponse).end(body);
    },
    stream(status, headers, sink) {
      begin(status, headers);
      (response as ServerResponse).flushHeaders?.();
      return streamOut(response as ServerResponse, sink);
    },
  };
}

async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw fail("body_too_large", { bytes, limit: maxBytes });
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks, bytes));
}

function streamOut(response: ServerResponse, sink: StreamSink): StreamOut {
  response.on("drain", () => sink.drain());
  response.on("close", () => sink.closed());
  return {
    get buffered() {
      return response.writableLength;
    },
    write(parts) {
      if (response.destroyed || response.writableEnded) return false;
      response.write(Buffer.concat(parts));
      return !response.writableNeedDrain;
    },
    end: () => void response.end(),
    destroy: () => void response.destroy(),
  };
}

export function upgradeOf(request: IncomingMessage, socket: Duplex, head: Uint8Array): HttpUpgrade {
  return {
    ...splitTarget(request.url ?? "/"),
    peer: peerOf(request),
    node: { request, socket, head },
    refuse: (status, message) =>
      void socket.end(`HTTP/1.1 ${status} ${message}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`),
  };
}
