// Varints: sizes, bounds, and what is refused.
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reasonOf } from "./errors.ts";
import { type Cursor, readVarint, varintSize, writeVarint } from "./varint.ts";

const edges = fc.constantFrom(
  ...[7, 14, 21, 28, 31, 32, 35, 42, 49, 53].flatMap((bits) => [2 ** bits - 1, 2 ** bits]).filter(Number.isSafeInteger),
);
const numbers = fc.oneof(fc.nat(300), fc.nat(0xffff_ffff), fc.maxSafeNat(), edges);
const cursor = (...bytes: number[]): Cursor => ({ bytes: new Uint8Array(bytes), pos: 0, end: bytes.length });
const fault = (at: Cursor): string => {
  try {
    readVarint(at);
  } catch (error) {
    expect(reasonOf(error)).toBe("frame_malformed");
    return (error as Error).message.replace(/.*: (byte[^.]*)\..*/, "$1");
  }
  return "none";
};

describe("varints", () => {
  it("are written as protobuf does, in as many bytes as were foretold, and read back", () => {
    fc.assert(
      fc.property(numbers, fc.nat(20), (value, at) => {
        const bytes = new Uint8Array(at + 10);
        const end = writeVarint(bytes, at, value);
        expect(end - at).toBe(varintSize(value));
        expect([...bytes.subarray(at, end)]).toEqual([...new BinaryWriter().uint64(value).finish()]);
        expect(new BinaryReader(bytes.subarray(at)).uint64()).toBe(BigInt(value));
        const from = { bytes, pos: at, end: bytes.length };
        expect(readVarint(from)).toBe(value);
        expect(from.pos).toBe(end);
      }),
      { numRuns: 1_000 },
    );
  });

  it("may be longer than they need to be, up to ten bytes", () => {
    expect(readVarint(cursor(0x85, 0x80, 0))).toBe(5);
    expect(readVarint(cursor(0x85, ...Array.from({ length: 8 }, () => 0x80), 0))).toBe(5);
  });

  it("are refused when they are cut off, wherever", () => {
    fc.assert(
      fc.property(numbers, (value) => {
        const bytes = new Uint8Array(10);
        const size = writeVarint(bytes, 0, value);
        for (let end = 0; end < size; end++) expect(fault({ bytes, pos: 0, end })).toBe("byte 0: varint is cut off");
      }),
    );
  });

  it("are refused with eleven bytes, above 64 bits, and above 2^53-1", () => {
    expect(fault(cursor(...Array.from({ length: 10 }, () => 0x80), 0))).toBe("byte 0: varint longer than ten bytes");
    expect(fault(cursor(...Array.from({ length: 9 }, () => 0x80), 2))).toBe("byte 0: varint above 64 bits");
    expect(fault(cursor(...Array.from({ length: 9 }, () => 0xff), 1))).toBe("byte 0: integer above 2^53-1");
    expect(fault(cursor(...Array.from({ length: 7 }, () => 0x80), 0x10))).toBe("byte 0: integer above 2^53-1");
  });
});
