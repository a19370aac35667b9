// Reads a binary stream of batches and control frames, from chunks that may end anywhere.
import { fail } from "@raceway/core";
import { CONTROL_BYTES, TRANSPORT } from "./protocol.ts";

/** Who gets what the stream says. Contents belong to the receiver. */
export interface FrameSink {
  batch(bytes: Uint8Array): void;
  control(kind: number, content: Uint8Array): void;
}

/** Bytes of the longest varint: 35 bits. */
const VARINT_BYTES = 5;
const NOTHING = new Uint8Array(0);

export class FrameParser {
  readonly #sink: FrameSink;
  readonly #maxBatchBytes: number;
  #phase: "length" | "kind" | "control length" | "content" = "length";
  /** The varint so far, and how many bytes it has. */
  #value = 0;
  #digits = 0;
  /** Kind of the control frame whose content comes; undefined: it is a batch. */
  #kind: number | undefined;
  /** Size of the content, and what has come of it, if it comes in pieces. */
  #needs = 0;
  #filled = 0;
  #buffer: Uint8Array | undefined;
  #stopped = false;

  /** Throws `batch_too_large` or `request_malformed` from `push`. */
  constructor(sink: FrameSink, maxBatchBytes: number) {
    this.#sink = sink;
    this.#maxBatchBytes = maxBatchBytes;
  }

  /** Nothing comes any more, not even the rest of this chunk. */
  stop(): void {
    this.#stopped = true;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.byteLength && !this.#stopped) {
      if (this.#phase === "content") {
        const has = Math.min(this.#needs - this.#filled, chunk.byteLength - at);
        this.#take(chunk.subarray(at, at + has));
        at += has;
        continue;
      }
      const byte = chunk[at++]!;
      if (this.#phase === "kind") {
        this.#kind = byte;
        this.#phase = "control length";
        continue;
      }
      if (this.#digits === VARINT_BYTES)
        throw fail("request_malformed", { transport: TRANSPORT, detail: "a length in the stream is too long" });
      this.#value += (byte & 0x7f) * 2 ** (7 * this.#digits++);
      if (byte >= 0x80) continue;
      const value = this.#value;
      this.#value = this.#digits = 0;
      if (this.#phase === "control length") this.#expect(value, CONTROL_BYTES);
      else if (value === 0) this.#phase = "kind";
      else this.#expect(value - 1, this.#maxBatchBytes);
    }
  }

  #expect(bytes: number, limit: number): void {
    if (bytes > limit) throw fail("batch_too_large", { bytes, limit });
    this.#phase = "content";
    this.#needs = bytes;
    if (bytes === 0) this.#done(NOTHING);
  }

  #take(piece: Uint8Array): void {
    if (piece.byteLength === this.#needs) return this.#done(piece);
    this.#buffer ??= new Uint8Array(this.#needs);
    this.#buffer.set(piece, this.#filled);
    this.#filled += piece.byteLength;
    if (this.#filled === this.#needs) this.#done(this.#buffer);
  }

  #done(content: Uint8Array): void {
    const kind = this.#kind;
    this.#phase = "length";
    this.#kind = this.#buffer = undefined;
    this.#filled = 0;
    if (kind !== undefined) this.#sink.control(kind, content);
    else if (content.byteLength > 0) this.#sink.batch(content);
  }
}
