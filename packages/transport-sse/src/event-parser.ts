// Reads an event stream as the HTML standard says (section 9.2.6), from chunks that may end anywhere, without decoding what it does not need.
import { fail } from "@raceway/core";

/** Who gets the events. */
export interface EventSink {
  /** One event. `data` is its data with a line end after each line, the last one too; the standard takes that one away. */
  event(type: string, data: Uint8Array): void;
}

const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;
const LINE_END = Uint8Array.of(LF);
const NOTHING = new Uint8Array(0);

export class EventParser {
  readonly #sink: EventSink;
  readonly #maxBytes: number;
  /** The last id that was given, for who reconnects. */
  lastEventId = "";
  /** The last reconnection time that was given, in milliseconds. */
  retryMs: number | undefined;
  /** The beginning of a line whose end has not come: the first bytes of a buffer that doubles, so that small pieces cost what they weigh. */
  #partial: Uint8Array = NOTHING;
  #partialBytes = 0;
  #started = false;
  /** The last chunk ended with CR: LF at the beginning of the next belongs to it. */
  #afterCr = false;
  #type = "";
  #data: Uint8Array[] = [];
  #dataBytes = 0;
  #stopped = false;

  /** Throws `batch_too_large` from `push` when an event, or a line, has more than `maxBytes`. */
  constructor(sink: EventSink, maxBytes: number) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
  }

  /** No event comes any more, not even the rest of this chunk. */
  stop(): void {
    this.#stopped = true;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    if (this.#afterCr && chunk.byteLength > 0) {
      this.#afterCr = false;
      if (chunk[0] === LF) at = 1;
    }
    // Looked for once, and again only when passed: most streams have no CR at all.
    let cr = chunk.indexOf(CR, at);
    let lf = chunk.indexOf(LF, at);
    while (!this.#stopped && (cr >= 0 || lf >= 0)) {
      const isCr = cr >= 0 && (lf < 0 || cr < lf);
      const end = isCr ? cr : lf;
      this.#line(this.#whole(chunk.subarray(at, end)), isCr ? undefined : chunk, end);
      at = end + 1;
      if (isCr) {
        if (at === chunk.byteLength) this.#afterCr = true;
        else if (chunk[at] === LF) at++;
        cr = chunk.indexOf(CR, at);
      }
      if (lf >= 0 && lf < at) lf = chunk.indexOf(LF, at);
    }
    if (at === chunk.byteLength || this.#stopped) return;
    this.#keep(chunk.subarray(at));
    if (this.#partialBytes > this.#maxBytes)
      throw fail("batch_too_large", { bytes: this.#partialBytes, limit: this.#maxBytes });
  }

  /** What came before of the line, and this. */
  #whole(rest: Uint8Array): Uint8Array {
    if (this.#partialBytes === 0) return rest;
    this.#keep(rest);
    const line = this.#partial.subarray(0, this.#partialBytes);
    this.#partial = NOTHING;
    this.#partialBytes = 0;
    return line;
  }
  #keep(piece: Uint8Array): void {
    const bytes = this.#partialBytes + piece.byteLength;
    if (bytes > this.#partial.byteLength) {
      const larger = new Uint8Array(Math.max(2 * this.#partial.byteLength, bytes, 64));
      larger.set(this.#partial.subarray(0, this.#partialBytes));
      this.#partial = larger;
    }
    this.#partial.set(piece, this.#partialBytes);
    this.#partialBytes = bytes;
  }

  /** One line without its end. If it lies in `chunk`, ended by LF, that byte at `end` may be used too. */
  #line(given: Uint8Array, chunk: Uint8Array | undefined, end: number): void {
    let line = given;
    if (!this.#started) {
      this.#started = true;
      if (line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) line = line.subarray(3); // a byte order mark, once
    }
    if (line.byteLength === 0) return this.#dispatch();
    const colon = line.indexOf(COLON);
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.subarray(0, colon);
    const from = colon < 0 ? line.byteLength : line[colon + 1] === SPACE ? colon + 2 : colon + 1;
    switch (decode(name)) {
      case "data": {
        const bytes = line.byteLength - from + 1;
        this.#dataBytes += bytes;
        if (this.#dataBytes > this.#maxBytes)
          throw fail("batch_too_large", { bytes: this.#dataBytes, limit: this.#maxBytes });
        // The usual line lies in one chunk and ends with LF: no copy.
        if (
          chunk !== undefined &&
          line.buffer === chunk.buffer &&
          line.byteOffset + line.byteLength === chunk.byteOffset + end
        ) {
          this.#data.push(chunk.subarray(end - (line.byteLength - from), end + 1));
        } else {
          this.#data.push(join([line.subarray(from), LINE_END], bytes));
        }
        return;
      }
      case "event":
        this.#type = decode(line.subarray(from));
        return;
      case "id": {
        const id = decode(line.subarray(from));
        if (!id.includes("\0")) this.lastEventId = id;
        return;
      }
      case "retry": {
        const digits = decode(line.subarray(from));
        if (/^[0-9]+$/.test(digits)) this.retryMs = Number(digits);
      }
    }
  }

  #dispatch(): void {
    const data = this.#data;
    const type = this.#type;
    const bytes = this.#dataBytes;
    this.#type = "";
    if (data.length === 0) return;
    this.#data = [];
    this.#dataBytes = 0;
    this.#sink.event(type === "" ? "message" : type, data.length === 1 ? data[0]! : join(data, bytes));
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

function join(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}
