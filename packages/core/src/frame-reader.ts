// Frames read from binary, in place: payloads are subarrays of the batch, and what protobuf would pass over is passed over. It is long because the frames that come often are read by hand.
import {
  type Draft,
  type Field,
  MAX_ENTRIES,
  type Shape,
  append,
  blank,
  kinds,
  shapes,
  textOnly,
} from "./frame-fields.ts";
import { FRAME_TAG } from "./frame-walk.ts";
import type { Frame, FrameKind, HeaderField, WirePosition, WireStatus } from "./frame.ts";
import { type Cursor, malformed, readVarint } from "./varint.ts";

/** Groups within groups that are skipped, as unknown fields, before a frame counts as malformed. */
const MAX_GROUP_DEPTH = 32;
/** Longest text that is remembered, to be found again without decoding. */
const MAX_NAME_BYTES = 64;
/** Texts that came before, by a hash of their bytes. A text found here is also a string whose own hash is known: looking a channel up by it is cheap. */
const names: ({ readonly bytes: Uint8Array; readonly text: string } | undefined)[] = Array.from(
  { length: 256 },
  () => undefined,
);
const noBytes: Uint8Array = new Uint8Array(0);
const noHeader: readonly HeaderField[] = Object.freeze([]);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const fieldOf = (shape: Shape, name: string): Field => shape.find((field) => field.name === name)!;
const openAfter = fieldOf(shapes.open, "after");
const endStatus = fieldOf(shapes.end, "status");
const headerShape = fieldOf(shapes.open, "header").type as Shape;

/**
 * Reads the frames of a binary batch in place; payloads are subarrays of it. Unknown fields and kinds are passed over.
 * Throws `frame_malformed`; what was read before has been handed over by then.
 */
export function readFrames(batch: Uint8Array, each: (frame: Frame) => void): void {
  const reader = new Reader(batch);
  const end = batch.length;
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.tag();
    if (tag !== FRAME_TAG) {
      if (tag >>> 3 === 1) throw malformed(from, "a frame has the wrong wire type");
      reader.skip(tag, 0);
      continue;
    }
    const frameEnd = reader.enter();
    const frame = reader.frame();
    reader.end = end;
    reader.pos = frameEnd;
    if (frame !== undefined) each(frame);
  }
}

class Reader implements Cursor {
  readonly bytes: Uint8Array;
  readonly buffer: ArrayBufferLike;
  /** Where in the buffer the bytes begin. */
  readonly offset: number;
  pos = 0;
  end: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.buffer = bytes.buffer;
    this.offset = bytes.byteOffset;
    this.end = bytes.length;
  }

  varint(): number {
    const byte = this.pos < this.end ? this.bytes[this.pos]! : 128;
    if (byte < 128) {
      this.pos++;
      return byte;
    }
    return readVarint(this);
  }

  uint32(): number {
    const from = this.pos;
    const value = this.varint();
    if (value > 0xffff_ffff) throw malformed(from, "integer above 2^32-1");
    return value;
  }

  tag(): number {
    const from = this.pos;
    const tag = this.uint32();
    if (tag < 8) throw malformed(from, "field number 0");
    return tag;
  }

  /** Reads a length, and makes what it spans the end of reading; returns that end. The caller sets the old one again. */
  enter(): number {
    const from = this.pos;
    const end = this.varint() + this.pos;
    if (end > this.end) throw malformed(from, "length exceeds what is left");
    return (this.end = end);
  }

  blob(): Uint8Array {
    const outer = this.end;
    const end = this.enter();
    // Not `subarray`: of Node's Buffers it makes Buffers, which applications would find in their messages.
    const bytes = new Uint8Array(this.buffer, this.offset + this.pos, end - this.pos);
    this.pos = end;
    this.end = outer;
    return bytes;
  }

  /** A short text that comes again and again: the name of a channel, the key of a header. */
  name(): string {
    const from = this.pos;
    const outer = this.end;
    const end = this.enter();
    this.end = outer;
    const { bytes } = this;
    const length = end - this.pos;
    if (length > 0 && length <= MAX_NAME_BYTES) {
      // Names differ most at their end.
      const slot =
        (length +
          bytes[end - 1]! * 7 +
          bytes[end - 2 > this.pos ? end - 2 : this.pos]! * 31 +
          bytes[this.pos + (length >> 1)]! * 13) &
        255;
      const known = names[slot];
      if (known !== undefined && known.bytes.length === length) {
        let at = 0;
        while (at < length && known.bytes[at] === bytes[this.pos + at]) at++;
        if (at === length) {
          this.pos = end;
          return known.text;
        }
      }
      this.pos = from;
      const text = this.text();
      names[slot] = { bytes: bytes.slice(end - length, end), text };
      return text;
    }
    this.pos = from;
    return this.text();
  }

  text(): string {
    const from = this.pos;
    const bytes = this.blob();
    try {
      return decoder.decode(bytes);
    } catch {
      throw malformed(from, "invalid UTF-8");
    }
  }

  /** Passes over a field whose tag has just been read. */
  skip(tag: number, depth: number): void {
    const from = this.pos;
    switch (tag & 7) {
      case 0:
        for (let length = 1; ; length++) {
          if (this.pos >= this.end) throw malformed(from, "varint is cut off");
          if (this.bytes[this.pos++]! < 128) return;
          if (length === 10) throw malformed(from, "varint longer than ten bytes");
        }
      case 1:
        this.pos += 8;
        break;
      case 2: {
        const outer = this.end;
        this.pos = this.enter();
        this.end = outer;
        return;
      }
      case 3:
        if (depth >= MAX_GROUP_DEPTH) throw malformed(from, "groups are nested too deeply");
        for (;;) {
          const inner = this.tag();
          if ((inner & 7) !== 4) this.skip(inner, depth + 1);
          else if (inner >>> 3 === tag >>> 3) return;
          else throw malformed(from, "a group ends with another field's number");
        }
      case 5:
        this.pos += 4;
        break;
      default:
        throw malformed(from, `wire type ${tag & 7}`);
    }
    if (this.pos > this.end) throw malformed(from, "a field is cut off");
  }

  /** The frame between here and the end; undefined if its kind is unknown. */
  frame(): Frame | undefined {
    const end = this.end;
    let frame: Frame | undefined;
    while (this.pos < end) {
      const from = this.pos;
      const tag = this.tag();
      const kind = kinds[tag >>> 3];
      if (kind === undefined) {
        this.skip(tag, 0);
        continue;
      }
      if ((tag & 7) !== 2) throw malformed(from, `${kind} has the wrong wire type`);
      if (frame !== undefined) throw malformed(from, "a frame with two kinds"); // protobuf merges or replaces; nobody writes it
      this.enter();
      frame = this.message(kind);
      this.end = end;
    }
    return frame;
  }

  message(kind: FrameKind): Frame {
    switch (kind) {
      case "open":
        return this.open();
      case "data":
        return this.data();
      case "end":
        return this.endOfCall();
      case "credit":
        return this.credit();
      case "ack":
        return this.ack();
      case "publication":
        return this.publication();
      default:
        return this.shape(shapes[kind], blank(kind)) as unknown as Frame;
    }
  }

  // The frames that come often, by hand. Tags: field number × 8 + wire type.

  open(): Frame {
    let call = 0;
    let method = "";
    let header = noHeader;
    let timeoutMs = 0;
    let idempotencyKey = "";
    let after: WirePosition | undefined;
    let end = false;
    let payload: Uint8Array | undefined;
    while (this.pos < this.end) {
      const from = this.pos;
      const tag = this.tag();
      if (tag === 8) call = this.uint32();
      else if (tag === 18) method = this.name();
      else if (tag === 26) header = this.header(header);
      else if (tag === 32) timeoutMs = this.uint32();
      else if (tag === 42) idempotencyKey = this.text();
      else if (tag === 50) after = this.value(openAfter, after) as WirePosition;
      else if (tag === 56) end = this.varint() !== 0;
      else if (tag === 66) payload = this.blob();
      else this.other(tag, shapes.open, from);
    }
    return { kind: "open", call, method, header, timeoutMs, idempotencyKey, after, end, payload };
  }

  data(): Frame {
    let call = 0;
    let payload = noBytes;
    let header: readonly HeaderField[] | undefined;
    while (this.pos < this.end) {
      const from = this.pos;
      const tag = this.tag();
      if (tag === 8) call = this.uint32();
      else if (tag === 18) payload = this.blob();
      else if (tag === 34) header = this.header(header ?? noHeader);
      else this.other(tag, shapes.data, from);
    }
    return { kind: "data", call, payload, header };
  }

  endOfCall(): Frame {
    let call = 0;
    let status: WireStatus | undefined;
    let header = noHeader;
    let trailer = noHeader;
    let payload: Uint8Array | undefined;
    while (this.pos < this.end) {
      const from = this.pos;
      const tag = this.tag();
      if (tag === 8) call = this.uint32();
      else if (tag === 18) status = this.value(endStatus, status) as WireStatus;
      else if (tag === 26) header = this.header(header);
      else if (tag === 34) trailer = this.header(trailer);
      else if (tag === 42) payload = this.blob();
      else this.other(tag, shapes.end, from);
    }
    return { kind: "end", call, status, header, trailer, payload };
  }

  credit(): Frame {
    let call = 0;
    let messages = 0;
    let bytes = 0;
    while (this.pos < this.end) {
      const from = this.pos;
      const tag = this.tag();
      if (tag === 8) call = this.uint32();
      else if (tag === 16) messages = this.uint32();
      else if (tag === 24) bytes = this.uint32();
      else this.other(tag, shapes.credit, from);
    }
    return { kind: "credit", call, messages, bytes };
  }

  ack(): Frame {
    let received = 0;
    let from: number | undefined;
    while (this.pos < this.end) {
      const at = this.pos;
      const tag = this.tag();
      if (tag === 8) received = this.varint();
      else if (tag === 16) from = this.varint();
      else this.other(tag, shapes.ack, at);
    }
    return { kind: "ack", received, from };
  }

  publication(): Frame {
    let handle = 0;
    let offset = 0;
    let payload = noBytes;
    while (this.pos < this.end) {
      const from = this.pos;
      const tag = this.tag();
      if (tag === 8) handle = this.uint32();
      else if (tag === 16) offset = this.varint();
      else if (tag === 26) payload = this.blob();
      else this.other(tag, shapes.publication, from);
    }
    return { kind: "publication", handle, offset, payload };
  }

  /** One more header field. */
  header(list: readonly HeaderField[]): readonly HeaderField[] {
    const outer = this.end;
    const from = this.pos;
    this.enter();
    let key = "";
    let value = "";
    while (this.pos < this.end) {
      const at = this.pos;
      const tag = this.tag();
      if (tag === 10) key = this.name();
      else if (tag === 18) value = this.text();
      else this.other(tag, headerShape, at);
    }
    this.end = outer;
    if (list.length >= MAX_ENTRIES) throw malformed(from, "too many entries");
    if (list.length === 0) return [{ key, value }];
    (list as HeaderField[]).push({ key, value }); // made here, two lines above
    return list;
  }

  /** A field that no case took: unknown, or known with a wrong wire type. */
  other(tag: number, shape: Shape, from: number): void {
    const field = shape.find(({ no }) => no === tag >>> 3);
    if (field !== undefined) throw malformed(from, `${field.name} has the wrong wire type`);
    if (textOnly.get(shape) === tag >>> 3)
      throw malformed(from, "json in place of the payload, which is for text only");
    this.skip(tag, 0);
  }

  /** Reads a message by its table, into a blank or into what an earlier occurrence left, as protobuf merges. */
  shape(shape: Shape, draft: Draft): Draft {
    while (this.pos < this.end) {
      const from = this.pos;
      const tag = this.tag();
      const field = shape.find(({ no }) => no === tag >>> 3);
      if (field === undefined) {
        this.skip(tag, 0);
        continue;
      }
      const { name, type, presence } = field;
      const wire = typeof type !== "string" || type === "string" || type === "bytes" ? 2 : 0;
      if ((tag & 7) !== wire) throw malformed(from, `${name} has the wrong wire type`);
      if (presence === "" || presence === "optional") draft[name] = this.value(field, draft[name]);
      else if (!append(draft, name, this.value(field, undefined))) throw malformed(from, "too many entries");
    }
    return draft;
  }

  value({ type }: Field, before: unknown): unknown {
    switch (type) {
      case "uint32":
      case "state":
        return this.uint32();
      case "uint64":
        return this.varint();
      case "bool":
        return this.varint() !== 0;
      case "string":
        return this.text();
      case "bytes":
        return this.blob();
      default: {
        const outer = this.end;
        this.enter();
        const draft = this.shape(type, before === undefined ? blank(type) : (before as Draft));
        this.end = outer;
        return draft;
      }
    }
  }
}
