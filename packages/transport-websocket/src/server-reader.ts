// Reads the frames that a client sends (RFC 6455, section 5): masked, perhaps fragmented, cut anywhere by the network.
//
// Own code, held against the `ws` package's receiver by a differential test, since it is the price of every message and of every idle
// connection: it unmasks by words (a 32 KiB batch in 4 µs, not 40), needs no stream per connection (1.3 KB), and knows the size it refuses.
import { isUtf8 } from "node:buffer";
import {
  CLOSE_INVALID_TEXT,
  CLOSE_NO_STATUS,
  CLOSE_POLICY,
  CLOSE_PROTOCOL_ERROR,
  CLOSE_TOO_LARGE,
} from "./protocol.ts";

/** What the reader found, in order, from inside `read`. After `ended` or `broken` nothing. */
export interface ReaderSink {
  /** A whole message, never empty; its bytes belong to the sink. Text has been checked to be UTF-8. */
  message(bytes: Uint8Array): void;
  /** The last ping of what was read; older ones need no answer (section 5.5.3). */
  ping(payload: Uint8Array): void;
  /** The client's close frame. */
  ended(code: number, reason: string): void;
  /** The client broke a rule or a limit: close with this code. `bytes` is the size of a message that is too large. */
  broken(code: number, detail: string, bytes: number): void;
}

/** Fragments of one message, so that empty ones cannot be sent for ever; as in `ws`. */
const MAX_FRAGMENTS = 16_384;
/** Below this it takes less time to unmask byte by byte than to find the words. */
const WORDS_FROM = 48;

const CONTINUATION = 0x0;
const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

export class FrameReader {
  readonly #sink: ReaderSink;
  readonly #maxBytes: number;
  /** The beginning of a frame whose rest has not come. */
  #partial: Gathering | undefined;
  /** The fragments of a message so far. */
  #fragments: Fragments | undefined;
  /** The last ping of this read. */
  #ping: Uint8Array | undefined;
  /** Nothing is read any more. */
  #over = false;

  constructor(sink: ReaderSink, maxBytes: number) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
  }

  /** Reads what came from the network. The chunk is the reader's from now on: it is unmasked in place, and messages are views of it. */
  read(chunk: Uint8Array): void {
    let at = 0;
    const partial = this.#partial;
    if (partial !== undefined) {
      // The frame is completed in a buffer of its own; what follows it is read in place.
      for (;;) {
        const count = Math.min(partial.need - partial.used, chunk.length - at);
        partial.add(chunk, at, count, partial.need);
        at += count;
        if (partial.used < partial.need) return;
        if (this.#frame(partial.bytes, 0, partial.used) >= 0) break;
        if (this.#over) return;
        partial.need = needed; // the header is complete, and says how much more
      }
      this.#partial = undefined;
    }
    while (at < chunk.length && !this.#over) {
      const next = this.#frame(chunk, at, chunk.length);
      if (next < 0) {
        if (!this.#over) {
          this.#partial = new Gathering();
          this.#partial.need = needed;
          this.#partial.add(chunk, at, chunk.length - at, needed);
        }
        break;
      }
      at = next;
    }
    words = undefined; // or it would keep the chunk alive
    const ping = this.#ping;
    if (ping === undefined) return;
    this.#ping = undefined;
    if (!this.#over) this.#sink.ping(ping);
  }

  /** Reads nothing more, and forgets what is incomplete. */
  stop(): void {
    this.#over = true;
    this.#partial = undefined;
    this.#fragments = undefined;
  }

  /** Reads one frame. Returns where the next begins; or -1 if this one is not complete (`needed` says how long it will be) or broken. */
  #frame(bytes: Uint8Array, start: number, end: number): number {
    const have = end - start;
    if (have < 2) return wants(2);
    const first = bytes[start]!;
    const second = bytes[start + 1]!;
    const opcode = first & 0x0f;
    const fin = (first & 0x80) !== 0;
    let length = second & 0x7f;
    // All that can be refused is refused before it is waited for.
    if ((first & 0x70) !== 0) return this.#break(CLOSE_PROTOCOL_ERROR, "a reserved bit is set");
    if ((second & 0x80) === 0) return this.#break(CLOSE_PROTOCOL_ERROR, "a frame is not masked");
    const control = opcode >= CLOSE;
    if (control) {
      if (opcode > PONG) return this.#break(CLOSE_PROTOCOL_ERROR, `opcode ${opcode} is unknown`);
      if (!fin) return this.#break(CLOSE_PROTOCOL_ERROR, "a control frame is fragmented");
      if (length > 125) return this.#break(CLOSE_PROTOCOL_ERROR, "a control frame is longer than 125 bytes");
      if (opcode === CLOSE && length === 1) return this.#break(CLOSE_PROTOCOL_ERROR, "a close frame has half a code");
    } else if (opcode > BINARY) return this.#break(CLOSE_PROTOCOL_ERROR, `opcode ${opcode} is unknown`);
    else if (opcode === CONTINUATION && this.#fragments === undefined)
      return this.#break(CLOSE_PROTOCOL_ERROR, "a continuation continues nothing");
    else if (opcode !== CONTINUATION && this.#fragments !== undefined)
      return this.#break(CLOSE_PROTOCOL_ERROR, "a message begins inside another");

    let head = 6;
    if (length === 126) {
      head = 8;
      if (have < 4) return wants(4);
      length = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    } else if (length === 127) {
      head = 14;
      if (have < 10) return wants(10);
      length = uint32(bytes, start + 2) * 0x1_0000_0000 + uint32(bytes, start + 6);
    }
    if (!control) {
      const total = length + (this.#fragments?.gathered.used ?? 0);
      if (total > this.#maxBytes) return this.#break(CLOSE_TOO_LARGE, "a message is too large", total);
    }
    const next = start + head + length;
    if (next > end) return wants(head + length);

    const payload = start + head;
    if (length > 0) unmask(bytes, payload, length);
    if (control) this.#control(opcode, bytes, payload, length);
    else if (fin && opcode !== CONTINUATION) this.#message(opcode === TEXT, view(bytes, payload, length));
    else this.#fragment(opcode, fin, bytes, payload, length);
    return this.#over ? -1 : next;
  }

  #message(text: boolean, message: Uint8Array): void {
    if (message.length === 0) return; // says nothing
    if (text && !isUtf8(message)) this.#break(CLOSE_INVALID_TEXT, "a text message is not UTF-8");
    else this.#sink.message(message);
  }

  #fragment(opcode: number, fin: boolean, bytes: Uint8Array, at: number, length: number): void {
    this.#fragments ??= { text: opcode === TEXT, count: 0, gathered: new Gathering() };
    const fragments = this.#fragments;
    if (++fragments.count > MAX_FRAGMENTS) {
      this.#break(CLOSE_POLICY, `a message has more than ${MAX_FRAGMENTS} fragments`);
      return;
    }
    // Copied, not collected: a view per fragment would let a client that sends one byte in each take a hundred times the limit.
    const { gathered } = fragments;
    gathered.add(bytes, at, length, this.#maxBytes);
    if (!fin) return;
    this.#fragments = undefined;
    this.#message(fragments.text, gathered.whole());
  }

  #control(opcode: number, bytes: Uint8Array, at: number, length: number): void {
    if (opcode === PING) this.#ping = bytes.slice(at, at + length);
    else if (opcode === CLOSE) {
      if (length === 0) this.#end(CLOSE_NO_STATUS, "");
      else {
        const code = (bytes[at]! << 8) | bytes[at + 1]!;
        const reason = view(bytes, at + 2, length - 2);
        if (!isCloseCode(code)) this.#break(CLOSE_PROTOCOL_ERROR, `close code ${code} is not allowed`);
        else if (!isUtf8(reason)) this.#break(CLOSE_INVALID_TEXT, "the reason of a close frame is not UTF-8");
        else this.#end(code, Buffer.from(reason).toString());
      }
    } // a pong needs no answer: that it came is enough
  }

  #end(code: number, reason: string): void {
    this.stop();
    this.#sink.ended(code, reason);
  }

  #break(code: number, detail: string, bytes = 0): -1 {
    this.stop();
    this.#sink.broken(code, detail, bytes);
    return -1;
  }
}

interface Fragments {
  readonly text: boolean;
  readonly gathered: Gathering;
  count: number;
}

// Nothing of these lives longer than one `read`, and reads do not nest: so they need no place in each of ten thousand readers.
/** Length of the frame that was not complete. */
let needed = 0;
/** The chunk as words. */
let words: Int32Array | undefined;

function wants(bytes: number): -1 {
  needed = bytes;
  return -1;
}

/** Bytes that come in pieces, copied together: whatever the size of the pieces, it takes at most four times what has come. */
class Gathering {
  bytes: Uint8Array<ArrayBuffer> = empty;
  used = 0;
  /** For the reader: how many bytes make the frame complete. */
  need = 0;

  /** Adds `count` bytes of the chunk; there will never be more than `limit`. */
  add(chunk: Uint8Array, at: number, count: number, limit: number): void {
    const used = this.used + count;
    if (used > this.bytes.length) {
      // Not from Node's pool: the receiver keeps what it gets, and would keep the pool with it.
      const grown = Buffer.allocUnsafeSlow(Math.min(limit, Math.max(used, 4 * this.bytes.length)));
      grown.set(this.bytes.subarray(0, this.used));
      this.bytes = new Uint8Array(grown.buffer);
    }
    this.bytes.set(view(chunk, at, count), this.used);
    this.used = used;
  }

  whole(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }
}

const empty = new Uint8Array(0);

/** A plain Uint8Array, not a Buffer: `slice` of the two differ, and receivers are written for the former. */
function view(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + at, length);
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Takes the mask off, in place; its key is in the four bytes before. */
function unmask(bytes: Uint8Array, start: number, length: number): void {
  const key = bytes[start - 4]! | (bytes[start - 3]! << 8) | (bytes[start - 2]! << 16) | (bytes[start - 1]! << 24);
  const end = start + length;
  let at = start;
  if (length >= WORDS_FROM && littleEndian) {
    if (words === undefined || words.buffer !== bytes.buffer)
      words = new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >> 2);
    // Up to the first whole word byte by byte; from there on the key is turned by as much.
    const lead = -(bytes.byteOffset + start) & 3;
    for (let i = 0; i < lead; i++) bytes[at++]! ^= key >>> (i << 3);
    const turned = lead === 0 ? key : (key >>> (lead << 3)) | (key << (32 - (lead << 3)));
    const from = (bytes.byteOffset + at) >> 2;
    const to = from + ((end - at) >> 2);
    for (let word = from; word < to; word++) words[word]! ^= turned;
    at += (to - from) << 2;
  }
  for (; at < end; at++) bytes[at]! ^= key >>> (((at - start) & 3) << 3);
}

/** Codes that may be on the wire (section 7.4). */
function isCloseCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  );
}
