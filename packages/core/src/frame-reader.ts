// Frames read from binary, in place: payloads are subarrays of the batch, and what protobuf would pass over is passed over.
import { type Draft, type Field, type Shape, append, blank, kinds, shapes } from "./frame-fields.ts";
import type { Frame, FrameKind, HeaderField } from "./frame.ts";
import { FRAME_TAG } from "./frame-walk.ts";
import { type Cursor, malformed, readVarint } from "./varint.ts";

/** Groups within groups that are skipped, as unknown fields, before a frame counts as malformed. */
const MAX_GROUP_DEPTH = 32;

/**
 * Reads the frames of a binary batch in place; payloads are subarrays of it. Unknown fields and kinds are passed over.
 * Throws `frame_malformed`; what was read before has been handed over by then.
 */
export function readFrames(batch: Uint8Array, each: (frame: Frame) => void): void {
  const reader = new Reader(batch);
  const end = batch.length;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag !== FRAME_TAG) {
      if (tag >>> 3 === 1) throw malformed(reader.pos, "a frame has the wrong wire type");
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
  pos = 0;
  end: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
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
    const bytes = this.bytes.subarray(this.pos, end);
    this.pos = end;
    this.end = outer;
    return bytes;
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
      case "data":
        return this.data();
      case "publication":
        return this.publication();
      default: {
        const draft = blank(kind);
        this.shape(shapes[kind], draft);
        return draft as unknown as Frame;
      }
    }
  }

  data(): Frame {
    let call = 0;
    let payload: Uint8Array = nothing;
    let header: HeaderField[] | undefined;
    while (this.pos < this.end) {
      const tag = this.tag();
      if (tag === 8) call = this.uint32();
      else if (tag === 18) payload = this.blob();
      else if (tag === 34) header = this.entry(header);
      else this.other(tag, shapes.data);
    }
    return { kind: "data", call, payload, header };
  }

  publication(): Frame {
    let handle = 0;
    let offset = 0;
    let payload: Uint8Array = nothing;
    while (this.pos < this.end) {
      const tag = this.tag();
      if (tag === 8) handle = this.uint32();
      else if (tag === 16) offset = this.varint();
      else if (tag === 26) payload = this.blob();
      else this.other(tag, shapes.publication);
    }
    return { kind: "publication", handle, offset, payload };
  }

  entry(list: HeaderField[] | undefined): HeaderField[] {
    const draft: Draft = { list };
    const field = shapes.open[2]!;
    const from = this.pos;
    if (!append(draft, "list", this.value(field, undefined))) throw malformed(from, "too many entries");
    return draft["list"] as HeaderField[];
  }

  /** A field that no case took: unknown, or known with a wrong wire type. */
  other(tag: number, shape: Shape): void {
    const field = shape.find(({ no }) => no === tag >>> 3);
    if (field !== undefined) throw malformed(this.pos, `${field.name} has the wrong wire type`);
    this.skip(tag, 0);
  }

  /** Reads a message by its table, into a blank or into what an earlier occurrence left, as protobuf merges. */
  shape(shape: Shape, draft: Draft): void {
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
        const draft = before === undefined ? blank(type) : (before as Draft);
        this.enter();
        this.shape(type, draft);
        this.end = outer;
        return draft;
      }
    }
  }
}

const nothing = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
