// Answers piece by piece with Node: raw bytes that many answers share, framed as an HTTP chunk once, one write to the socket each.
import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Duplex, Writable } from "node:stream";
import type { StreamOut, StreamSink } from "@raceway/core";

/** Under this many bytes several parts are copied into one buffer; above, writev. The two cost the same near 4 KiB. */
const COPY_BYTES = 4_096;
/** Larger writes are not remembered, so that an idle server holds no big buffer. */
const REMEMBER_BYTES = 65_536;
const LINE_END: Uint8Array = Buffer.from("\r\n");

/** The last array of parts that was framed, and the result: all subscribers of a topic get the same array in one turn. */
let lastParts: readonly Uint8Array[] | undefined;
let lastChunk: readonly Uint8Array[] = [];

/** The parts as one HTTP/1.1 chunk: one buffer if they are small. */
function chunkOf(parts: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  if (parts === lastParts) return lastChunk;
  const head = `${bytes.toString(16)}\r\n`;
  let chunk: readonly Uint8Array[];
  if (bytes < COPY_BYTES) {
    const whole = Buffer.allocUnsafe(head.length + bytes + 2);
    let at = whole.write(head, "latin1");
    for (const part of parts) {
      whole.set(part, at);
      at += part.byteLength;
    }
    whole[at] = 13;
    whole[at + 1] = 10;
    chunk = [whole];
  } else {
    chunk = [Buffer.from(head, "latin1"), ...parts, LINE_END];
  }
  if (bytes <= REMEMBER_BYTES) {
    lastParts = parts;
    lastChunk = chunk;
  }
  return chunk;
}

/** Writes the parts with one system call. */
export function writeParts(target: Writable, parts: readonly Uint8Array[], bytes: number): boolean {
  if (parts.length === 1) return target.write(parts[0]);
  if (bytes < COPY_BYTES) {
    const whole = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.byteLength;
    }
    return target.write(whole);
  }
  target.cork();
  let room = true;
  for (const part of parts) room = target.write(part);
  target.uncork();
  return room;
}

/** Bytes of all parts. */
export function sizeOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  return bytes;
}

/** An answer under way. */
export class NodeStream implements StreamOut {
  readonly #response: ServerResponse | Http2ServerResponse;
  readonly #sink: StreamSink;
  /** Where bytes go: the socket, below the response; the HTTP/2 stream; or the response, while one before it on the connection is under way. */
  readonly #target: Writable;
  /** The target is a socket, and the client expects chunks. */
  readonly #chunked: boolean;
  #full = false;
  #over = false;
  #closed = false;

  readonly #connection: Duplex;

  /** The headers must have been given to the response; over HTTP/1 they leave with the first bytes written in this turn. */
  constructor(response: ServerResponse | Http2ServerResponse, connection: Duplex, sink: StreamSink) {
    this.#response = response;
    this.#connection = connection;
    this.#sink = sink;
    if ("stream" in response) {
      this.#target = response.stream;
      this.#chunked = false; // the headers are on their way
    } else {
      const socket = response.socket;
      socket?.cork();
      response.flushHeaders();
      // Without a socket it is the turn of an earlier answer; Node queues and frames what this one says until then, and after.
      this.#target = socket ?? response;
      this.#chunked = socket !== null && response.chunkedEncoding;
      if (socket !== null) process.nextTick(() => socket.uncork());
    }
    response.on("error", ignore);
    if (isGone(response, connection)) {
      this.#over = this.#closed = true;
      process.nextTick(() => sink.closed());
      return;
    }
    this.#target.on("drain", this.#onDrain);
    response.on("close", this.#onClose);
    // Node does not tell an answer that waits for its turn that the connection is gone.
    if (this.#target === response) connection.on("close", this.#onClose);
  }

  get buffered(): number {
    return this.#over ? 0 : this.#target.writableLength;
  }
  write(parts: readonly Uint8Array[]): boolean {
    if (this.#over) return false;
    const bytes = sizeOf(parts);
    if (bytes === 0) return !this.#full; // an empty chunk would be the end
    const room = this.#chunked
      ? writeParts(this.#target, chunkOf(parts, bytes), bytes)
      : writeParts(this.#target, parts, bytes);
    if (!room) this.#full = true;
    return room;
  }
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#response.end();
  }
  destroy(): void {
    if (this.#closed) return; // the connection may carry another exchange by now
    this.#over = true;
    if ("stream" in this.#response) this.#response.stream.close(8); // CANCEL
    else this.#connection.destroy();
  }

  readonly #onDrain = (): void => {
    if (!this.#full || this.#over) return;
    this.#full = false;
    this.#sink.drain();
  };
  readonly #onClose = (): void => {
    this.#over = this.#closed = true;
    this.#target.off("drain", this.#onDrain); // the socket may live on
    this.#response.off("close", this.#onClose);
    this.#connection.off("close", this.#onClose);
    this.#sink.closed();
  };
}

/** Has the client gone away before the answer was complete? */
export function isGone(response: ServerResponse | Http2ServerResponse, connection: Duplex): boolean {
  return "stream" in response
    ? response.stream.destroyed || response.stream.closed
    : response.destroyed || connection.destroyed;
}

/** The client went away: `close` says so. */
function ignore(): void {}
