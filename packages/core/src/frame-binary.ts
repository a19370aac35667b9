// Frames written in binary, byte for byte as protobuf does, by hand: a multiple of the speed, and no payload copied that need not be.
import { type Draft, type Field, type Shape, shapes } from "./frame-fields.ts";
import { FRAME_TAG } from "./frame-walk.ts";
import { FRAME_NUMBER, type Frame, type HeaderField, type WirePosition, type WireStatus } from "./frame.ts";
import { varintSize, writeVarint } from "./varint.ts";

/** Bytes from which on a payload becomes a part of its own: copying 1 KiB costs as much as one more part in a write. */
const COPY_LIMIT = 1_024;
/** Bytes of a chunk of memory that parts are cut from. */
const CHUNK_BYTES = 8_192;
/** Room for tags, lengths and numbers of a frame without headers. */
const HEAD_BYTES = 48;
/** Largest scratch memory that is kept between frames. */
const SCRATCH_BYTES = 65_536;

// A message of the rarer kinds is written into `scratch` by the table, then copied behind its length.
let scratch = new Uint8Array(1_024);
let scratchEnd = 0;
/** A payload that is not copied, and where in the scratch it belongs. */
let hole: Uint8Array | undefined;
let holeAt = 0;
const encoder = new TextEncoder();
const openHeader = shapes.open.find(({ name }) => name === "header")!;
const openAfter = shapes.open.find(({ name }) => name === "after")!;

function room(bytes: number): void {
  if (scratchEnd + bytes <= scratch.length) return;
  const larger = new Uint8Array(Math.max(scratch.length * 2, scratchEnd + bytes));
  larger.set(scratch.subarray(0, scratchEnd));
  scratch = larger;
}

function putTag(no: number, wire: number): void {
  room(12);
  const tag = (no << 3) | wire;
  if (tag < 128) scratch[scratchEnd++] = tag;
  else scratchEnd = writeVarint(scratch, scratchEnd, tag);
}

function putString(no: number, text: string): void {
  putTag(no, 2);
  const length = text.length;
  room(length * 3 + 10);
  let at = scratchEnd + (length < 128 ? 1 : varintSize(length));
  const from = at;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 127) return putText(text);
    scratch[at++] = code;
  }
  writeVarint(scratch, scratchEnd, at - from);
  scratchEnd = at;
}

function putText(text: string): void {
  const bytes = encoder.encode(text);
  scratchEnd = writeVarint(scratch, scratchEnd, bytes.length);
  scratch.set(bytes, scratchEnd);
  scratchEnd += bytes.length;
}

function putBytes(no: number, bytes: Uint8Array, mayStay: boolean): void {
  putTag(no, 2);
  scratchEnd = writeVarint(scratch, scratchEnd, bytes.length);
  if (mayStay && bytes.length >= COPY_LIMIT) {
    hole = bytes;
    holeAt = scratchEnd;
    return;
  }
  room(bytes.length);
  scratch.set(bytes, scratchEnd);
  scratchEnd += bytes.length;
}

function putShape(shape: Shape, value: Readonly<Draft>): void {
  for (const field of shape) {
    const given = value[field.name];
    if (given === undefined) continue;
    if (field.presence === "list" || field.presence === "some")
      for (const entry of given as readonly unknown[]) putField(field, entry, true);
    else putField(field, given, field.presence === "optional");
  }
}

function putField({ no, name, type }: Field, value: unknown, always: boolean): void {
  if (typeof type !== "string") {
    putTag(no, 2);
    const from = ++scratchEnd; // one byte for the length, and more if it turns out to need them
    putShape(type, value as Draft);
    const length = scratchEnd - from;
    const more = varintSize(length) - 1;
    if (more > 0) {
      room(more);
      scratch.copyWithin(from + more, from, scratchEnd);
      scratchEnd += more;
    }
    writeVarint(scratch, from - 1, length);
  } else if (type === "string") {
    if (always || value !== "") putString(no, value as string);
  } else if (type === "bytes") {
    if (always || (value as Uint8Array).length > 0) putBytes(no, value as Uint8Array, name === "payload");
  } else {
    putNumber(no, Number(value), type === "uint64" ? Number.MAX_SAFE_INTEGER : 0xffff_ffff, always);
  }
}

/** Fractions and what does not fit come from applications, as delays that were computed: they become the nearest that the field can hold. */
function putNumber(no: number, value: number, max = 0xffff_ffff, always = false): void {
  const number = Math.min(Math.max(Math.trunc(value) || 0, 0), max);
  if (number === 0 && !always) return;
  putTag(no, 0);
  scratchEnd = writeVarint(scratch, scratchEnd, number);
}

function startMessage(): void {
  if (scratch.length > SCRATCH_BYTES) scratch = new Uint8Array(1_024);
  scratchEnd = 0;
  hole = undefined;
}

/** Puts the message of a frame, without its head, into the scratch; returns its length, payload that stays outside included. */
function putFrame(frame: Frame): number {
  startMessage();
  putShape(shapes[frame.kind], frame as unknown as Draft);
  return scratchEnd + (hole === undefined ? 0 : hole.length);
}

/** Writes what precedes the message of a frame and returns the position after it. */
function writeHead(bytes: Uint8Array, at: number, no: number, length: number): number {
  bytes[at++] = FRAME_TAG;
  at = writeVarint(bytes, at, 1 + varintSize(length) + length);
  bytes[at++] = (no << 3) | 2;
  return writeVarint(bytes, at, length);
}

/** One frame as a batch of its own: to be concatenated with any other. */
export function encodeFrame(frame: Frame): Uint8Array {
  const length = putFrame(frame);
  const bytes = memoryFor(length);
  let at = writeHead(bytes, 0, FRAME_NUMBER[frame.kind], length);
  const cut = hole === undefined ? scratchEnd : holeAt;
  bytes.set(scratch.subarray(0, cut), at);
  at += cut;
  if (hole !== undefined) {
    bytes.set(hole, at);
    bytes.set(scratch.subarray(cut, scratchEnd), at + hole.length);
    hole = undefined;
  }
  return bytes;
}

/** A publication as a batch of its own, always in one part: many links share it. */
export function encodePublication(handle: number, offset: number, payload: Uint8Array): Uint8Array {
  const size = payload.length;
  const length = numberSize(handle) + numberSize(offset) + (size === 0 ? 0 : 1 + varintSize(size) + size);
  const bytes = memoryFor(length);
  let at = writeHead(bytes, 0, FRAME_NUMBER.publication, length);
  if (handle !== 0) at = writeNumber(bytes, at, 1, handle);
  if (offset !== 0) at = writeNumber(bytes, at, 2, offset);
  if (size !== 0) bytes.set(payload, writeNumber(bytes, at, 3, size, 2));
  return bytes;
}

/** Memory for a frame whose message has so many bytes; of the common chunk if it is small, since allocating costs more than all the rest. */
function memoryFor(length: number): Uint8Array {
  const inner = 1 + varintSize(length) + length;
  const size = 1 + varintSize(inner) + inner;
  if (size > COPY_LIMIT) return new Uint8Array(size);
  if (chunkEnd + size > CHUNK_BYTES) newChunk();
  chunkEnd += size;
  return chunk.subarray(chunkEnd - size, chunkEnd);
}

function numberSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

function writeNumber(bytes: Uint8Array, at: number, no: number, value: number, wire = 0): number {
  bytes[at++] = (no << 3) | wire;
  return writeVarint(bytes, at, value);
}

/** The chunk that all writers cut their parts from, and how much of it is taken. One for all, so that an idle session holds none. */
let chunk = new Uint8Array(CHUNK_BYTES);
let chunkEnd = 0;

function newChunk(): void {
  chunk = new Uint8Array(CHUNK_BYTES);
  chunkEnd = 0;
}

/** Collects the frames of a flush into few parts. Payloads from 1 KiB on are not copied: they must not change until the parts are sent. */
export class FrameWriter {
  #parts: Uint8Array[] = [];
  #chunk: Uint8Array = chunk;
  #from = 0;
  #to = 0;
  #bytes = 0;
  #count = 0;

  /** Bytes since the last `take`. */
  get bytes(): number {
    return this.#bytes;
  }
  /** Counted frames since the last `take`. */
  get count(): number {
    return this.#count;
  }

  open(
    call: number,
    method: string,
    header: readonly HeaderField[] = none,
    timeoutMs = 0,
    idempotencyKey = "",
    after?: WirePosition,
    end = false,
    payload?: Uint8Array,
  ): void {
    startMessage();
    putNumber(1, call);
    if (method !== "") putString(2, method);
    for (const entry of header) putField(openHeader, entry, true);
    putNumber(4, timeoutMs);
    if (idempotencyKey !== "") putString(5, idempotencyKey);
    if (after !== undefined) putField(openAfter, after, true);
    if (end) putNumber(7, 1);
    if (payload !== undefined) putBytes(8, payload, true);
    this.#put(FRAME_NUMBER.open);
  }

  data(call: number, payload: Uint8Array, header?: readonly HeaderField[]): void {
    if (header !== undefined && header.length > 0) return this.frame({ kind: "data", call, payload, header });
    const size = payload.length;
    this.#count++;
    this.#message(FRAME_NUMBER.data, call, 2, payload, size === 0 ? 0 : 1 + varintSize(size) + size);
  }

  end(
    call: number,
    status?: WireStatus,
    header: readonly HeaderField[] = none,
    trailer: readonly HeaderField[] = none,
    payload?: Uint8Array,
  ): void {
    if (status !== undefined || header.length > 0 || trailer.length > 0)
      return this.frame({ kind: "end", call, status, header, trailer, payload });
    this.#count++;
    this.#message(
      FRAME_NUMBER.end,
      call,
      5,
      payload,
      payload === undefined ? 0 : 1 + varintSize(payload.length) + payload.length,
    );
  }

  cancel(call: number): void {
    this.#count++;
    this.#message(FRAME_NUMBER.cancel, call, 0, undefined, 0);
  }

  credit(call: number, messages: number, bytes: number): void {
    this.#count++;
    this.#numbers(FRAME_NUMBER.credit, call, messages, bytes);
  }

  ack(received: number, from?: number): void {
    if (from !== undefined) return this.frame({ kind: "ack", received, from });
    this.#numbers(FRAME_NUMBER.ack, received, 0, 0);
  }

  /** Any frame; the way of the rare ones. */
  frame(frame: Frame): void {
    putFrame(frame);
    this.#put(FRAME_NUMBER[frame.kind]);
  }

  /** The message in the scratch, with its head. */
  #put(no: number): void {
    if (no >= 3 && no <= 7) this.#count++;
    const length = scratchEnd + (hole === undefined ? 0 : hole.length);
    const cut = hole === undefined ? scratchEnd : holeAt;
    const at = this.#room(HEAD_BYTES); // may change `chunk`
    this.#wrote(writeHead(chunk, at, no, length));
    this.#copy(scratch.subarray(0, cut));
    if (hole === undefined) return;
    this.#stay(hole);
    hole = undefined;
    if (cut < scratchEnd) this.#copy(scratch.subarray(cut, scratchEnd));
  }

  /** Frames that are encoded already, as a part of its own that is not copied; none of them counted. */
  part(frames: Uint8Array): void {
    this.#stay(frames);
  }

  /** The parts so far; the writer begins anew. Nobody writes to their bytes again. */
  take(): Uint8Array[] {
    this.#seal();
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = 0;
    this.#count = 0;
    return parts;
  }

  /** A frame that has a call and perhaps a payload; `size` is what the payload takes with tag and length, 0 for none. */
  #message(no: number, call: number, payloadNo: number, payload: Uint8Array | undefined, size: number): void {
    const copied = payload !== undefined && payload.length < COPY_LIMIT;
    let at = this.#room(HEAD_BYTES + (copied ? payload.length : 0));
    const bytes = chunk;
    at = writeHead(bytes, at, no, numberSize(call) + size);
    if (call !== 0) at = writeNumber(bytes, at, 1, call);
    if (size !== 0) {
      at = writeNumber(bytes, at, payloadNo, payload!.length, 2);
      if (copied) {
        bytes.set(payload, at);
        at += payload.length;
      }
    }
    this.#wrote(at);
    if (size !== 0 && !copied) this.#stay(payload!);
  }

  /** A frame of up to three numbers. */
  #numbers(no: number, first: number, second: number, third: number): void {
    let at = this.#room(HEAD_BYTES);
    at = writeHead(chunk, at, no, numberSize(first) + numberSize(second) + numberSize(third));
    if (first !== 0) at = writeNumber(chunk, at, 1, first);
    if (second !== 0) at = writeNumber(chunk, at, 2, second);
    if (third !== 0) at = writeNumber(chunk, at, 3, third);
    this.#wrote(at);
  }

  /** Finds room for `bytes` in the chunk: behind what this writer wrote last if nobody wrote since, else as the beginning of another part. */
  #room(bytes: number): number {
    if (this.#chunk !== chunk || this.#to !== chunkEnd || chunkEnd + bytes > CHUNK_BYTES) {
      this.#seal();
      if (chunkEnd + bytes > CHUNK_BYTES) newChunk();
      this.#chunk = chunk;
      this.#from = this.#to = chunkEnd;
    }
    return chunkEnd;
  }

  #wrote(end: number): void {
    this.#bytes += end - chunkEnd;
    chunkEnd = this.#to = end;
  }

  #seal(): void {
    if (this.#to > this.#from) this.#parts.push(this.#chunk.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  /** Copies bytes; what is large gets memory of its own. */
  #copy(bytes: Uint8Array): void {
    if (bytes.length >= COPY_LIMIT) return this.#stay(bytes.slice());
    const at = this.#room(bytes.length);
    chunk.set(bytes, at);
    this.#wrote(at + bytes.length);
  }

  #stay(bytes: Uint8Array): void {
    this.#seal();
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
  }
}

const none: readonly never[] = [];
