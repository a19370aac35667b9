// Frames in binary, byte for byte against protobuf-es, whole and broken. It is long because every way to be broken has its case.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyFrame, batch, frames, kinds, wireFrame } from "../test/frame-arbitrary.ts";
import { bytesOf, countedFrames, joinParts, readBatch, skipCounted } from "./batch.ts";
import { reasonOf } from "./errors.ts";
import { FrameWriter, encodeFrame, encodePublication } from "./frame-binary.ts";
import { readFrames } from "./frame-reader.ts";
import { wholeParts } from "./frame-walk.ts";
import { type Frame, isCounted } from "./frame.ts";
import { BatchSchema } from "./gen/wire_pb.ts";

const decode = (bytes: Uint8Array): Frame[] => {
  const read: Frame[] = [];
  readFrames(bytes, (frame) => read.push(frame));
  return read;
};
const reference = (list: readonly Frame[]): Uint8Array =>
  toBinary(BatchSchema, create(BatchSchema, { frame: list.map(wireFrame) }));
/** Lets a writer take frames by the method made for them. */
const write = (writer: FrameWriter, frame: Frame): void => {
  switch (frame.kind) {
    case "open":
      return writer.open(
        frame.call,
        frame.method,
        frame.header,
        frame.timeoutMs,
        frame.idempotencyKey,
        frame.after,
        frame.end,
        frame.payload,
      );
    case "data":
      return writer.data(frame.call, frame.payload, frame.header);
    case "end":
      return writer.end(frame.call, frame.status, frame.header, frame.trailer, frame.payload);
    case "cancel":
      return writer.cancel(frame.call);
    case "credit":
      return writer.credit(frame.call, frame.messages, frame.bytes);
    case "ack":
      return writer.ack(frame.received, frame.from);
    default:
      return writer.frame(frame);
  }
};
const written = (list: readonly Frame[]): Uint8Array[] => {
  const writer = new FrameWriter();
  for (const frame of list) write(writer, frame);
  return writer.take();
};
/** Compares bytes as text, which is a hundred times as fast as a deep comparison. */
const same = (one: Uint8Array, other: Uint8Array): void => expect(toHex(one)).toBe(toHex(other));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
const fault = (bytes: Uint8Array): string => {
  try {
    decode(bytes);
  } catch (error) {
    expect(reasonOf(error)).toBe("frame_malformed");
    return (error as ConnectError).rawMessage.replace("Malformed frame: ", "").replace(/\. The link.*/, "");
  }
  return "none";
};

describe.each(kinds)("%s", (kind) => {
  it("is written byte for byte as protobuf does, by every way of writing", () => {
    fc.assert(
      fc.property(frames()[kind], (frame) => {
        const expected = reference([frame]);
        same(encodeFrame(frame), expected);
        same(joinParts(written([frame])), expected);
        if (frame.kind === "publication") same(encodePublication(frame.handle, frame.offset, frame.payload), expected);
      }),
    );
  });

  it("is read from what protobuf wrote", () => {
    fc.assert(
      fc.property(frames()[kind], (frame) => {
        expect(decode(reference([frame]))).toStrictEqual([frame]);
      }),
    );
  });

  it("is never read from a part of it", () => {
    fc.assert(
      fc.property(frames(fc.uint8Array({ maxLength: 20 }))[kind], (frame) => {
        const bytes = encodeFrame(frame);
        for (let length = 1; length < bytes.length; length += length < 200 ? 1 : 97)
          expect(fault(bytes.subarray(0, length))).toMatch(/^byte \d+: /);
      }),
      { numRuns: 10 },
    );
  });
});

describe("a batch", () => {
  it("is the concatenation of its frames", () => {
    fc.assert(
      fc.property(batch, batch, (one, other) => {
        same(joinParts([...written(one), ...written(other)]), reference([...one, ...other]));
        expect(decode(joinParts([...one, ...other].map(encodeFrame)))).toStrictEqual([...one, ...other]);
      }),
    );
  });

  it("may be empty", () => {
    readBatch(new Uint8Array(0), { jsonDepth: 1 }, () => expect.unreachable());
    expect(decode(new Uint8Array(0))).toEqual([]);
  });

  it("begins with 0x0A or with a brace", () => {
    expect(() => readBatch(hex("0b"), { jsonDepth: 1 }, () => undefined)).toThrow(
      "byte 0: a batch begins with 0x0A or with {",
    );
  });

  it("passes over what it does not know, as protobuf does", () => {
    const unknown = hex(
      "98 06 01  a1 06 00 00 00 00 00 00 00 00  aa 06 02 01 02  b3 06 9a 06 01 00 b4 06  bd 06 00 00 00 00",
    );
    const ping = { kind: "ping", id: 5 } as const;
    const body = joinParts([unknown, hex("08 05"), unknown]);
    const kind = joinParts([unknown, hex("5a"), new Uint8Array([body.length]), body, unknown]);
    expect(
      decode(
        joinParts([
          unknown,
          hex("0a"),
          hex((0x80 | (kind.length & 127)).toString(16)),
          new Uint8Array([kind.length >> 7]),
          kind,
          unknown,
        ]),
      ),
    ).toEqual([ping]);
  });

  it("passes over a frame of a kind that it does not know, and over one without kind", () => {
    expect(decode(hex("0a 04 fa 01 01 00  0a 00  0a 04 5a 02 08 05"))).toEqual([{ kind: "ping", id: 5 }]);
  });

  it("merges a message that occurs twice in a frame, as protobuf does", () => {
    const twice = hex("0a 0d 1a 0b 32 03 0a 01 61 32 04 10 81 81 00");
    expect(decode(twice)).toMatchObject([{ kind: "open", after: { epoch: "a", offset: 129 } }]);
    expect(fromBinary(BatchSchema, twice).frame[0]?.kind.value).toMatchObject({ after: { epoch: "a", offset: 129n } });
  });

  it("gives payloads that lie in it, as plain Uint8Arrays", () => {
    const bytes = Buffer.from(encodeFrame({ kind: "data", call: 1, payload: new Uint8Array(200), header: undefined }));
    const [frame] = decode(bytes);
    const { payload } = frame as Frame & { kind: "data" };
    expect(payload.buffer).toBe(bytes.buffer);
    expect(payload.constructor).toBe(Uint8Array);
  });

  it("takes a reader that reads another batch for a frame", () => {
    const two = joinParts([encodeFrame({ kind: "ping", id: 1 }), encodeFrame({ kind: "ping", id: 2 })]);
    const ids: number[] = [];
    readFrames(two, (frame) => {
      for (const inner of decode(two)) ids.push((inner as Frame & { kind: "ping" }).id);
      ids.push((frame as Frame & { kind: "ping" }).id);
    });
    expect(ids).toEqual([1, 2, 1, 1, 2, 2]);
  });
});

describe("what is malformed", () => {
  it.each([
    [
      "a number of eleven bytes",
      "0a 0e 42 0c 08 80 80 80 80 80 80 80 80 80 80 01",
      "byte 5: varint longer than ten bytes",
    ],
    ["a number above 64 bits", "0a 0d 42 0b 08 80 80 80 80 80 80 80 80 80 02", "byte 5: varint above 64 bits"],
    ["a number above 2^53-1", "0a 0b 42 09 08 80 80 80 80 80 80 80 10", "byte 5: integer above 2^53-1"],
    ["a call above 2^32-1", "0a 08 32 06 08 80 80 80 80 10", "byte 5: integer above 2^32-1"],
    ["a length of eleven bytes", "0a 80 80 80 80 80 80 80 80 80 80 01", "byte 1: varint longer than ten bytes"],
    ["a length beyond the batch", "0a 05 5a 02 08 05", "byte 1: length exceeds what is left"],
    ["a length beyond the frame", "0a 04 5a 03 08 05 00", "byte 3: length exceeds what is left"],
    ["a payload beyond its message", "0a 05 22 03 12 05 00", "byte 5: length exceeds what is left"],
    ["a frame of another wire type", "08 01", "byte 0: a frame has the wrong wire type"],
    ["a kind of another wire type", "0a 02 58 01", "byte 2: ping has the wrong wire type"],
    ["a call of another wire type", "0a 05 22 03 0a 01 00", "byte 4: call has the wrong wire type"],
    ["a payload of another wire type", "0a 04 22 02 10 01", "byte 4: payload has the wrong wire type"],
    ["an id of another wire type", "0a 05 5a 03 0a 01 00", "byte 4: id has the wrong wire type"],
    ["a method that is not UTF-8", "0a 06 1a 04 12 02 c3 28", "byte 5: invalid UTF-8"],
    ["a header that is not UTF-8", "0a 0a 1a 08 1a 06 0a 01 61 12 01 ff", "byte 10: invalid UTF-8"],
    ["field number 0", "0a 02 00 00", "byte 2: field number 0"],
    ["wire type 6", "0a 02 fe 01", "byte 4: wire type 6"],
    ["an end without group", "0a 02 fc 01", "byte 4: wire type 4"],
    ["a group that another field ends", "0a 04 fb 01 84 02", "byte 4: a group ends with another field's number"],
    [
      "an unknown number of eleven bytes",
      "0a 0d f8 01 80 80 80 80 80 80 80 80 80 80 01",
      "byte 4: varint longer than ten bytes",
    ],
    ["an unknown number that is cut off", "0a 03 f8 01 80", "byte 4: varint is cut off"],
    ["an unknown fixed field that is cut off", "0a 03 f9 01 00", "byte 4: a field is cut off"],
    ["two kinds in a frame", "0a 08 5a 02 08 05 62 02 08 05", "byte 6: a frame with two kinds"],
  ])("%s", (_, bytes, expected) => {
    expect(fault(hex(bytes))).toBe(expected);
  });

  it("groups in groups without end", () => {
    expect(fault(joinParts([hex("0a c8 01"), hex("83 01".repeat(100))]))).toBe("byte 69: groups are nested too deeply");
  });

  it("a million empty entries", () => {
    const body = new Uint8Array(2_000_000);
    for (let at = 0; at < body.length; at += 2) body[at] = 0x1a;
    const open = joinParts([hex("1a 80 89 7a"), body]);
    expect(fault(joinParts([hex("0a 84 89 7a"), open]))).toBe("byte 20011: too many entries");
  });

  it("is told from what the reader of a batch throws", () => {
    const bytes = encodeFrame({ kind: "ping", id: 1 });
    expect(() =>
      readFrames(bytes, () => {
        throw new RangeError("mine");
      }),
    ).toThrow(new RangeError("mine"));
  });

  it("never makes anything but an error of its own, whatever the bytes", () => {
    const wild = fc
      .tuple(batch, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.uint8Array({ maxLength: 30 }))
      .map(([list, changes, tail]) => {
        const bytes = joinParts([...list.map(encodeFrame), tail]);
        for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(wild, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        try {
          readBatch(bytes, { jsonDepth: 8 }, () => undefined);
        } catch (error) {
          expect(reasonOf(error)).toBe("frame_malformed");
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("is a payload as JSON, which only text carries: passed over, the message would be lost", () => {
    for (const [frame, no] of [
      ["0a 04 1a 02", 9],
      ["0a 04 22 02", 3],
      ["0a 04 2a 02", 6],
      ["0a 04 52 02", 4],
    ] as const) {
      const kind = decode(joinParts([hex(frame), hex("08 01")]))[0]!.kind;
      const json = joinParts([hex(frame), Uint8Array.of((no << 3) | 2, 0)]);
      expect(fault(json), kind).toBe("byte 4: json in place of the payload, which is for text only");
    }
  });

  it("is what protobuf refuses too, or more", () => {
    fc.assert(
      fc.property(batch, fc.nat(), fc.nat(255), (list, at, value) => {
        const bytes = reference(list);
        if (bytes.length > 0) bytes[at % bytes.length] = value;
        let ours: Frame[];
        try {
          ours = decode(bytes);
        } catch {
          return; // we are stricter in wire types, UTF-8 and ranges
        }
        const theirs = fromBinary(BatchSchema, bytes).frame.filter((frame) => frame.kind.case !== undefined);
        expect(theirs.map((frame) => frame.kind.case)).toEqual(ours.map((frame) => frame.kind));
      }),
      { numRuns: 500 },
    );
  });
});

describe("the writer", () => {
  it("counts bytes and counted frames since the last take", () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 3 }), (flushes) => {
        const writer = new FrameWriter();
        for (const list of flushes) {
          for (const frame of list) write(writer, frame);
          expect(writer.count).toBe(list.filter(isCounted).length);
          const { bytes } = writer;
          const parts = writer.take();
          expect(bytes).toBe(bytesOf(parts));
          same(joinParts(parts), reference(list));
          expect([writer.bytes, writer.count]).toEqual([0, 0]);
        }
      }),
    );
  });

  it("never changes what it has handed over, whoever else writes meanwhile", () => {
    const step = fc.tuple(fc.nat(2), fc.oneof(anyFrame, fc.constant(undefined)));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const writers = [new FrameWriter(), new FrameWriter(), new FrameWriter()];
        const wrote: Frame[][] = [[], [], []];
        const taken: { parts: Uint8Array[]; expected: Uint8Array }[] = [];
        const take = (index: number): void => {
          taken.push({ parts: writers[index]!.take(), expected: reference(wrote[index]!) });
          wrote[index] = [];
        };
        for (const [index, frame] of steps) {
          if (frame === undefined) take(index);
          else {
            write(writers[index]!, frame);
            wrote[index]!.push(frame);
          }
        }
        for (const index of writers.keys()) take(index);
        for (const { parts, expected } of taken) same(joinParts(parts), expected);
      }),
    );
  });

  it("does not copy payloads from 1 KiB on, nor parts that it is given", () => {
    const large = new Uint8Array(1_024);
    const shared = encodePublication(1, 2, new Uint8Array(10));
    const writer = new FrameWriter();
    writer.data(1, new Uint8Array(1_023));
    writer.data(1, large);
    writer.part(shared);
    writer.end(1);
    const parts = writer.take();
    expect(parts).toHaveLength(4);
    expect(parts[1]).toBe(large);
    expect(parts[2]).toBe(shared);
    expect(decode(joinParts(parts)).map(({ kind }) => kind)).toEqual(["data", "data", "publication", "end"]);
  });

  it("has few parts: one for a flush of small frames", () => {
    const writer = new FrameWriter();
    writer.take();
    for (let index = 0; index < 40; index++) writer.data(index, new Uint8Array(100));
    expect(writer.take().length).toBeLessThanOrEqual(2);
  });

  it("writes the nearest number that a field can hold", () => {
    const bytes = encodeFrame({
      kind: "goaway",
      status: undefined,
      retryAfterMs: Infinity,
      endpoints: [],
      final: false,
    });
    expect(decode(bytes)).toMatchObject([{ retryAfterMs: 0xffff_ffff }]);
    const writer = new FrameWriter();
    for (const timeoutMs of [0.9, 127.5, 1e300, Number.NaN, -5]) writer.open(1, "/m", [], timeoutMs);
    expect(decode(joinParts(writer.take())).map((frame) => (frame as Frame & { kind: "open" }).timeoutMs)).toEqual([
      0, 127, 0xffff_ffff, 0, 0,
    ]);
  });
});

/** The same bytes in parts that are cut anywhere. */
const cutAnywhere = (bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] => {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
};

describe("the counted frames of a batch", () => {
  it("are counted without being read", () => {
    fc.assert(
      fc.property(batch, (list) => {
        expect(countedFrames(reference(list))).toBe(list.filter(isCounted).length);
      }),
    );
  });

  it("are found again after any of them, however the batch is cut into parts", () => {
    fc.assert(
      fc.property(batch, fc.array(fc.nat(), { maxLength: 5 }), fc.nat(7), (list, cuts, skip) => {
        const expected = reference(list.filter(isCounted).slice(skip));
        same(joinParts(skipCounted(cutAnywhere(reference(list), cuts), skip)), expected);
        same(joinParts(skipCounted(written(list), skip)), expected);
      }),
      { numRuns: 300 },
    );
  });

  it("keep parts as they are where nothing is dropped", () => {
    const parts = written([
      { kind: "data", call: 1, payload: new Uint8Array(2_000), header: undefined },
      { kind: "end", call: 1, status: undefined, header: [], trailer: [], payload: new Uint8Array(2_000) },
    ]);
    const kept = skipCounted(parts, 0);
    expect(kept).toHaveLength(4);
    for (const [index, part] of kept.entries()) expect(part).toBe(parts[index]);
  });

  it("stay whole when parts are joined so that no frame spans two", () => {
    fc.assert(
      fc.property(batch, fc.array(fc.nat(), { maxLength: 5 }), (list, cuts) => {
        const whole = wholeParts(cutAnywhere(reference(list), cuts));
        same(joinParts(whole), reference(list));
        expect(whole.flatMap(decode)).toStrictEqual(list);
      }),
    );
  });
});
