// The canonical form of a message is the same for all who have it, whatever they know of its type.
import {
  type DescMessage,
  create,
  createFileRegistry,
  fromBinary,
  fromJson,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalBytes } from "./canonical.ts";

const { STRING, INT32, MESSAGE, DOUBLE } = FieldDescriptorProto_Type;
const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;

/** `M` with a text, a number, a map, itself within itself, and a list; without the fields that are not known yet. */
function known(numbers: readonly number[]): DescMessage {
  const all = [
    { name: "text", number: 1, type: STRING, label: OPTIONAL },
    { name: "inner", number: 2, type: MESSAGE, typeName: ".x.M", label: OPTIONAL },
    { name: "map", number: 3, type: MESSAGE, typeName: ".x.M.MapEntry", label: REPEATED },
    { name: "count", number: 4, type: INT32, label: OPTIONAL },
    { name: "list", number: 5, type: DOUBLE, label: REPEATED },
  ];
  const file = create(FileDescriptorProtoSchema, {
    name: "x.proto",
    package: "x",
    syntax: "proto3",
    messageType: [
      {
        name: "M",
        field: all
          .filter(({ number }) => numbers.includes(number))
          .map((field) => ({ ...field, jsonName: field.name })),
        nestedType: [
          {
            name: "MapEntry",
            options: { mapEntry: true },
            field: [
              { name: "key", jsonName: "key", number: 1, type: STRING, label: OPTIONAL },
              { name: "value", jsonName: "value", number: 2, type: MESSAGE, typeName: ".x.M", label: OPTIONAL },
            ],
          },
        ],
      },
    ],
  });
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getMessage("x.M")!;
}
const whole = known([1, 2, 3, 4, 5]);

const messages = fc.letrec((tie) => ({
  message: fc.record(
    {
      text: fc.string(),
      inner: fc.option(tie("message"), { nil: undefined, maxDepth: 3 }),
      map: fc.dictionary(fc.oneof(fc.string(), fc.nat().map(String)), tie("leaf"), { maxKeys: 4 }),
      count: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      list: fc.array(
        fc.double({ noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
        { maxLength: 3 },
      ),
    },
    { requiredKeys: [] },
  ),
  leaf: fc.record({ text: fc.string(), count: fc.integer({ min: 0, max: 9 }) }, { requiredKeys: [] }),
})).message;

describe("the canonical form of a message", () => {
  it("is the same for whoever knows less of its type, in whatever order fields and entries come", () => {
    const older = known([1, 3, 5]);
    fc.assert(
      fc.property(messages, (init) => {
        const sent = create(whole, init);
        const bytes = toBinary(whole, sent);
        const expected = canonicalBytes(whole, sent);
        expect(canonicalBytes(whole, fromBinary(whole, bytes))).toEqual(expected);
        const passedOn = toBinary(older, fromBinary(older, bytes)); // what it does not know comes last
        expect(canonicalBytes(whole, fromBinary(whole, passedOn))).toEqual(expected);
        expect(canonicalBytes(whole, fromJson(whole, toJson(whole, sent)))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it("of what a receiver does not know is where its sender had it", () => {
    const older = known([1, 4]);
    const sent = create(whole, { text: "a", inner: { text: "b", count: 1 }, count: 2, list: [1] });
    const received = fromBinary(older, toBinary(whole, sent));
    expect(canonicalBytes(older, received)).toEqual(canonicalBytes(whole, sent));
  });

  it("tells messages apart", () => {
    const of = (init: Record<string, unknown>): string =>
      Buffer.from(canonicalBytes(whole, create(whole, init))).toString("hex");
    const all = [
      {},
      { text: "a" },
      { inner: {} },
      { inner: { text: "a" } },
      { map: { a: {} } },
      { list: [0] },
      { list: [0, 0] },
    ];
    expect(new Set(all.map(of)).size).toBe(all.length);
    expect(of({ map: { b: {}, a: {} } })).toBe(of({ map: { a: {}, b: {} } }));
  });

  it("leaves out a field that is named, and no other", () => {
    const message = create(whole, { text: "a", count: 1, inner: { count: 1 } });
    expect(canonicalBytes(whole, message, 4)).toEqual(
      canonicalBytes(whole, create(whole, { text: "a", inner: { count: 1 } })),
    );
  });
});
