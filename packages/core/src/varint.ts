// Unsigned varints of protobuf, up to 2^53-1, the largest integer that a JavaScript number holds exactly.
import { fail } from "./errors.ts";

/** A place in bytes that moves on as they are read. */
export interface Cursor {
  readonly bytes: Uint8Array;
  pos: number;
  /** Nothing from here on is read. */
  end: number;
}

/** Bytes that `value` takes. */
export function varintSize(value: number): number {
  let size = 1;
  for (; value > 127; value = Math.floor(value / 128)) size++;
  return size;
}

/** Writes `value` at `at`, where there must be room, and returns the position after it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  // Bitwise operators take a number modulo 2^32, so the low seven bits are right for any safe integer.
  for (; value > 0x7fff_ffff; value = Math.floor(value / 128)) bytes[at++] = (value & 127) | 128;
  for (; value > 127; value >>>= 7) bytes[at++] = (value & 127) | 128;
  bytes[at++] = value;
  return at;
}

/** Reads a varint and moves on. Throws `frame_malformed` if it is cut off, longer than ten bytes, or above 2^53-1. */
export function readVarint(cursor: Cursor): number {
  const { bytes, pos, end } = cursor;
  let value = 0;
  let scale = 1;
  for (let at = pos; at < end; at++) {
    const byte = bytes[at]!;
    if (at - pos === 9 && byte > 1)
      throw malformed(pos, byte > 127 ? "varint longer than ten bytes" : "varint above 64 bits");
    value += (byte & 127) * scale;
    if (byte < 128) {
      if (value > Number.MAX_SAFE_INTEGER) throw malformed(pos, "integer above 2^53-1");
      cursor.pos = at + 1;
      return value;
    }
    scale *= 128;
  }
  throw malformed(pos, "varint is cut off");
}

/** The error of bytes that are no frames. */
export function malformed(pos: number, what: string): ReturnType<typeof fail> {
  return fail("frame_malformed", { detail: `byte ${pos}: ${what}` });
}
