// What only this codec does: its bytes, as RFC 8949 has them, its bounds, and a server and clients that talk by it.
import type { DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import { AnySchema, ListValueSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { connect, type Connection } from "@raceway/client";
import { jsonCodec, memoryTransport, protoCodec, reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { describe, expect, test } from "vitest";
import { cbor } from "./codec.ts";
import { readCbor } from "./read.ts";
import { type Note, noteService, service } from "./sample-service.ts";
import { writeCbor } from "./write.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test.each([
  [0, "00"],
  [23, "17"],
  [24, "1818"],
  [255, "18ff"],
  [1_000, "1903e8"],
  [1_000_000, "1a000f4240"],
  [1_000_000_000_000, "1b000000e8d4a51000"],
  [Number.MAX_SAFE_INTEGER, "1b001fffffffffffff"],
  [-1, "20"],
  [-1_000, "3903e7"],
  [1.1, "fb3ff199999999999a"],
  [-4.1, "fbc010666666666666"],
  [1e300, "fb7e37e43c8800759c"],
  [false, "f4"],
  [true, "f5"],
  [null, "f6"],
  ["", "60"],
  ["IETF", "6449455446"],
  ["ü", "62c3bc"],
  ["水", "63e6b0b4"],
  [[], "80"],
  [[1, [2, 3]], "8201820203"],
  [{}, "a0"],
  [{ a: "A", b: ["c"] }, "a2616161416162816163"],
])("writes %j as RFC 8949 has it, and reads it", (value, expected) => {
  expect(hex(writeCbor(value, 10))).toBe(expected);
  expect(readCbor(Buffer.from(expected, "hex"), 10)).toEqual(value);
});

test("reads single precision, and heads that are longer than they need be, as other programs write them", () => {
  expect(readCbor(Buffer.from("fa47c35000", "hex"), 1)).toBe(100_000);
  expect(readCbor(Buffer.from("1b0000000000000001", "hex"), 1)).toBe(1);
});

test("maxDepth bounds both directions, and is checked where it is set", () => {
  const shallow = cbor({ maxDepth: 2 }).of(ListValueSchema);
  const item = { kind: { case: "listValue" as const, value: {} } };
  const deep = cbor()
    .of(ListValueSchema)
    .encode({ values: [{ kind: { case: "listValue", value: { values: [item] } } }] });
  expect(shallow.decode(shallow.encode({ values: [item] })).values).toHaveLength(1);
  expect(() => shallow.encode({ values: [{ kind: { case: "listValue", value: { values: [item] } } }] })).toThrow(
    "too deep",
  );
  expect(() => shallow.decode(deep)).toThrow("too deep");
  expect(() => cbor({ maxDepth: 0 })).toThrow("maxDepth");
});

test("says what it cannot write: an Any of a type that it does not know", () => {
  expect(() => cbor().of(AnySchema).encode({ typeUrl: "type.googleapis.com/a.B" })).toThrow("does not fit");
  expect(
    hex(
      cbor()
        .of(ValueSchema)
        .encode({ kind: { case: "stringValue", value: "a" } }),
    ),
  ).toBe("6161");
});

describe("a server and its clients", () => {
  const say = service.method["say"] as DescMethodUnary;
  const notes = service.method["notes"] as DescMethodStreaming;
  const open = async (connection: Connection): Promise<AsyncIterator<Note>> => {
    const request = (async function* () {
      yield { room: "tea" };
    })();
    const { message } = await connection.stream(notes, undefined, undefined, undefined, request);
    return (message as AsyncIterable<Note>)[Symbol.asyncIterator]();
  };

  test("talk by it, beside others that talk by protobuf and JSON", async () => {
    const memory = memoryTransport();
    await using app = raceway({ transports: [memory.server], codecs: [cbor()] });
    const publishers = app.serve(noteService, {
      say: ({ text, number = 0n }) => ({ text: `${text}!`, number: number + 1n }),
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const codecs = [[cbor(), protoCodec()], [protoCodec()], [jsonCodec()]];
    const connections = codecs.map((each) => connect("http://sample", { transports: [memory.client], codecs: each }));
    const readers = await Promise.all(connections.map(open));
    await publishers.notes.publish({ room: "tea" }, { text: "to all", number: 2n ** 60n });
    for (const [at, reader] of readers.entries()) {
      expect((await reader.next()).value).toMatchObject({ text: "to all", number: 2n ** 60n });
      const request = { text: "hello", number: 2n ** 53n } as never;
      const { message } = await connections[at]!.unary(say, undefined, undefined, undefined, request);
      expect(message).toMatchObject({ text: "hello!", number: 2n ** 53n + 1n });
    }
    await Promise.all(connections.map((each) => each.close()));
  });

  test("fall back to what both have, and say so where there is nothing", async () => {
    const memory = memoryTransport();
    await using app = raceway({ transports: [memory.server] }); // it does not have the codec
    app.serve(noteService, { say: (note) => note });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const asked = async (connection: Connection): Promise<unknown> =>
      connection.unary(say, undefined, undefined, undefined, { text: "hello" } as never).then(
        ({ message }) => (message as Note).text,
        (error: unknown) => reasonOf(error),
      );
    await using both = connect("http://sample", { transports: [memory.client], codecs: [cbor(), protoCodec()] });
    await using alone = connect("http://sample", { transports: [memory.client], codecs: [cbor()] });
    expect(await asked(both)).toBe("hello");
    expect(await asked(alone)).toBe("codec_unsupported");
  });
});
