// Compiled decoders agree with protobuf-es on every input, also on those that are wrong.
import { type DescMessage, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { AnySchema, FileDescriptorProtoSchema, TimestampSchema, TypeSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { everyDesc, messageArbitrary, mildDesc, oldDesc } from "../test/every-type.ts";
import { BatchSchema, DataSchema, FrameSchema, OpenSchema } from "./gen/wire_pb.ts";
import { decodeFast } from "./proto-decoder.ts";

const written = (desc: DescMessage): fc.Arbitrary<Uint8Array> =>
  messageArbitrary(desc).map((init) => toBinary(desc, create(desc, init as Record<string, unknown>)));
const types = [
  everyDesc,
  BatchSchema,
  AnySchema,
  TimestampSchema,
  TypeSchema,
  ValueSchema,
  oldDesc,
  mildDesc,
  FileDescriptorProtoSchema,
];
/** If the decoder takes the bytes, it takes them as protobuf does. */
const agrees = (desc: DescMessage, bytes: Uint8Array): boolean => {
  const message = decodeFast(desc, bytes, 100);
  if (message !== undefined) expect(message).toStrictEqual(fromBinary(desc, bytes));
  return message !== undefined;
};

describe.each(types.map((desc) => [desc.typeName, desc] as const))("the decoder of %s", (_, desc) => {
  it("makes the message that fromBinary makes, from whatever protobuf wrote", () => {
    fc.assert(fc.property(written(desc), (bytes) => void agrees(desc, bytes)));
  });

  it("makes it, or gives up, from bytes that were cut, changed or joined", () => {
    const change = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
    fc.assert(
      fc.property(written(desc), written(desc), change, fc.nat(), fc.boolean(), (one, other, changes, cut, join) => {
        const bytes = new Uint8Array(join ? [...one, ...other] : one.subarray(0, cut % (one.length + 1)));
        for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
        agrees(desc, bytes);
      }),
      { numRuns: 300 },
    );
  });
});

describe("the decoder", () => {
  it("reads types of proto3 by itself", () => {
    for (const desc of [BatchSchema, TypeSchema, ValueSchema, TimestampSchema]) {
      fc.assert(
        fc.property(written(desc), (bytes) => {
          expect(agrees(desc, bytes)).toBe(true);
        }),
        { numRuns: 50 },
      );
    }
  });

  it("leaves to protobuf what needs more than reading straight on", () => {
    const open = (write: (writer: BinaryWriter) => BinaryWriter): object | undefined =>
      decodeFast(OpenSchema, write(new BinaryWriter()).finish(), 100);
    const after = (writer: BinaryWriter): BinaryWriter =>
      writer.tag(6, WireType.LengthDelimited).fork().tag(2, WireType.Varint).uint64(5).join();
    expect(open((writer) => after(writer))).toMatchObject({ after: { offset: 5n } });
    expect(
      open((writer) => after(after(writer))),
      "merged",
    ).toBeUndefined();
    expect(
      open((writer) => writer.tag(100, WireType.Varint).uint32(1)),
      "unknown",
    ).toBeUndefined();
    expect(
      open((writer) => writer.tag(1, WireType.Bit32).fixed32(1)),
      "wrong wire type",
    ).toBeUndefined();
    expect(
      open((writer) => writer.tag(2, WireType.LengthDelimited).bytes(new Uint8Array([0xff]))),
      "not UTF-8",
    ).toBeUndefined();
    expect(decodeFast(oldDesc, new Uint8Array(0), 100), "proto2").toBeUndefined();
    expect(
      decodeFast(everyDesc, toBinary(everyDesc, create(everyDesc, { sOfStruct: { a: 1 } })), 100),
      "held as JSON",
    ).toBeUndefined();
  });

  it("chooses the last of a oneof, and merges none", () => {
    const frame = (kind: object): Uint8Array => toBinary(FrameSchema, create(FrameSchema, { kind } as object));
    const ping = frame({ case: "ping", value: { id: 1 } });
    const pong = frame({ case: "pong", value: { id: 2 } });
    expect(decodeFast(FrameSchema, new Uint8Array([...ping, ...pong]), 100)).toMatchObject({
      kind: { case: "pong", value: { id: 2 } },
    });
    expect(decodeFast(FrameSchema, new Uint8Array([...ping, ...ping]), 100)).toBeUndefined();
  });

  it("counts the depth as protobuf does", () => {
    let init: object = { kind: { case: "numberValue", value: 1 } };
    for (let level = 0; level < 5; level++) init = { kind: { case: "listValue", value: { values: [init] } } };
    const bytes = toBinary(ValueSchema, create(ValueSchema, init));
    expect(decodeFast(ValueSchema, bytes, 11)).toStrictEqual(fromBinary(ValueSchema, bytes, { recursionLimit: 11 }));
    expect(decodeFast(ValueSchema, bytes, 10)).toBeUndefined();
    expect(() => fromBinary(ValueSchema, bytes, { recursionLimit: 10 })).toThrow("recursion");
  });

  it("gives messages that share nothing that can change", () => {
    const one = decodeFast(OpenSchema, new Uint8Array(0), 100) as { header: unknown[] };
    const other = decodeFast(OpenSchema, new Uint8Array(0), 100) as { header: unknown[] };
    expect(one.header).not.toBe(other.header);
    const [frame, next] = [
      decodeFast(FrameSchema, new Uint8Array(0), 100),
      decodeFast(FrameSchema, new Uint8Array(0), 100),
    ] as { kind: object }[];
    expect(frame!.kind).not.toBe(next!.kind);
  });

  it("gives bytes that lie in what it was given", () => {
    const bytes = toBinary(DataSchema, create(DataSchema, { payload: new Uint8Array(100).fill(1) }));
    const { payload } = decodeFast(DataSchema, bytes, 100) as { payload: Uint8Array };
    expect(payload.buffer).toBe(bytes.buffer);
    expect(payload).toHaveLength(100);
  });
});
