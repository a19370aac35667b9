// Framing on the server: headers by size, and one frame for many links.
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { closeFrame, Framer, pongFrame, writeGathered } from "./server-frames.ts";

const ascii = (length: number, first = 0x0a): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at === 0 ? first : 0x61));

test("frames a small batch once for all who get the same array, and only for them", () => {
  const framer = new Framer();
  const parts = [ascii(100), ascii(13)];
  framer.take(parts);
  const { frame } = framer;
  expect([framer.bytes, frame?.length]).toEqual([113, 115]);
  framer.take(parts);
  expect(framer.frame).toBe(frame);
  framer.take([...parts]);
  expect(framer.frame).not.toBe(frame);
  expect(framer.frame).toEqual(frame);
});

test("gathers a large batch for one link, and copies it once when a second link gets it", () => {
  const framer = new Framer();
  const parts = [ascii(5_000)];
  framer.take(parts);
  expect([framer.bytes, framer.frame]).toEqual([5_000, undefined]);
  framer.take(parts);
  const { frame } = framer;
  expect(frame?.length).toBe(5_004);
  framer.take(parts);
  expect(framer.frame).toBe(frame);
  const huge = [ascii(70_000)];
  for (let link = 0; link < 3; link++) {
    framer.take(huge);
    expect([framer.bytes, framer.frame]).toEqual([70_000, undefined]);
  }
});

test("writes the length in the shortest form, and what begins like JSON as text if it is UTF-8", () => {
  const framer = new Framer();
  const head = (parts: readonly Uint8Array[], size: number): number[] => {
    framer.take(parts);
    framer.take(parts); // twice, so that a larger one has a frame too
    return [...Buffer.concat([framer.frame ?? Buffer.alloc(0)].flat()).subarray(0, size)];
  };
  expect(head([ascii(125)], 2)).toEqual([0x82, 125]);
  expect(head([ascii(126)], 4)).toEqual([0x82, 126, 0, 126]);
  expect(head([ascii(4_097)], 4)).toEqual([0x82, 126, 0x10, 0x01]);
  expect(head([ascii(65_535)], 4)).toEqual([0x82, 126, 0xff, 0xff]);
  expect(head([ascii(65_536)], 10)).toEqual([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
  expect(head([new Uint8Array(0), ascii(3, 0x7b)], 2)).toEqual([0x81, 3]);
  expect(head([ascii(3, 0x7b), Uint8Array.of(0xff)], 2)).toEqual([0x82, 4]);
});

test("leaves a large batch in one write of several buffers, none of them a copy", () => {
  const writes: Uint8Array[][] = [];
  const socket = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      writes.push([chunk]);
      done();
    },
    writev(chunks, done) {
      writes.push(chunks.map(({ chunk }) => chunk as Uint8Array));
      done();
    },
  });
  const parts = [ascii(3_000), new Uint8Array(0), ascii(66_000)];
  writeGathered(socket, parts, 69_000);
  expect(writes).toHaveLength(1);
  const [head, ...rest] = writes[0]!;
  expect([...head!]).toEqual([0x82, 127, 0, 0, 0, 0, 0, 1, 0x0d, 0x88]);
  expect(rest.map(({ length, buffer }) => [length, parts.some((part) => part.buffer === buffer)])).toEqual([
    [3_000, true],
    [66_000, true],
  ]);
});

test("makes control frames", () => {
  expect([...pongFrame(Uint8Array.of(1, 2))]).toEqual([0x8a, 2, 1, 2]);
  expect([...closeFrame(1005, "")]).toEqual([0x88, 0]);
  expect([...closeFrame(1009, "é")]).toEqual([0x88, 4, 0x03, 0xf1, 0xc3, 0xa9]);
});
