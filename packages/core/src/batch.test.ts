// Batches: told apart by their first byte, and cut where frames begin.
import { describe, expect, it } from "vitest";
import { bytesOf, isTextBatch, joinParts, ownBytes, readBatch } from "./batch.ts";
import { encodeFrame } from "./frame-binary.ts";
import { frameToJson } from "./frame-json.ts";
import type { Frame } from "./frame.ts";

const ping = { kind: "ping", id: 3 } as const;
const text = new TextEncoder().encode(frameToJson(ping, false));
const read = (batch: Uint8Array): Frame[] => {
  const frames: Frame[] = [];
  readBatch(batch, { jsonDepth: 64 }, (frame) => frames.push(frame));
  return frames;
};

describe("a batch", () => {
  it("is read in the form that its first byte tells", () => {
    expect(read(encodeFrame(ping))).toEqual([ping]);
    expect(read(text)).toEqual([ping]);
    expect(read(new Uint8Array(0))).toEqual([]);
    expect([isTextBatch(text), isTextBatch(encodeFrame(ping)), isTextBatch(new Uint8Array(0))]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it.each([
    ["a list", "[]"],
    ["white space", " {}"],
    ["a byte-order mark", "\ufeff{}"],
    ["another field", "\u0012\0"],
    ["nothing", "\0"],
  ])("is malformed when it begins with %s", (_, begin) => {
    expect(() => read(new TextEncoder().encode(begin))).toThrow("byte 0: a batch begins with 0x0A or with {");
  });

  it("hands over the frames before a fault", () => {
    const frames: Frame[] = [];
    const batch = joinParts([encodeFrame(ping), new Uint8Array([0x0a, 9])]);
    expect(() => readBatch(batch, { jsonDepth: 64 }, (frame) => frames.push(frame))).toThrow(
      "byte 7: length exceeds what is left",
    );
    expect(frames).toEqual([ping]);
  });

  it("is joined from parts, without a copy if there is one", () => {
    const part = encodeFrame(ping);
    expect(joinParts([part])).toBe(part);
    expect(joinParts([])).toEqual(new Uint8Array(0));
    expect(joinParts([new Uint8Array([1]), new Uint8Array(0), new Uint8Array([2, 3])])).toEqual(
      new Uint8Array([1, 2, 3]),
    );
    expect(bytesOf([new Uint8Array([1]), new Uint8Array(0), new Uint8Array([2, 3])])).toBe(3);
    expect(bytesOf([])).toBe(0);
  });

  it("gives parts that may be kept without keeping the batch", () => {
    const batch = new Uint8Array(1_000).fill(7);
    const kept = ownBytes(batch.subarray(10, 20));
    expect(kept).toEqual(new Uint8Array(10).fill(7));
    expect(kept.buffer.byteLength).toBe(10);
    expect(ownBytes(batch)).toBe(batch);
    expect(ownBytes(batch.subarray(1)).buffer).toBe(batch.buffer); // nearly all of it
  });
});
