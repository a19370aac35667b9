// The order of fields: the same bytes for whoever knows more or less of a message.
import { type DescMessage, create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { inFieldOrder } from "./field-order.ts";

const { STRING, MESSAGE } = FieldDescriptorProto_Type;
const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;

/** `M`, as somebody has it who knows fields of these numbers alone: a text, itself, a list of itself, a map to itself, another text. */
function known(...numbers: readonly number[]): DescMessage {
  const all = [
    { name: "a", number: 1, type: STRING, label: OPTIONAL },
    { name: "m", number: 2, type: MESSAGE, typeName: ".x.M", label: OPTIONAL },
    { name: "list", number: 3, type: MESSAGE, typeName: ".x.M", label: REPEATED },
    { name: "map", number: 4, type: MESSAGE, typeName: ".x.M.MapEntry", label: REPEATED },
    { name: "z", number: 5, type: STRING, label: OPTIONAL },
  ];
  const entry = {
    name: "MapEntry",
    options: { mapEntry: true },
    field: [
      { name: "key", jsonName: "key", number: 1, type: STRING, label: OPTIONAL },
      { name: "value", jsonName: "value", number: 2, type: MESSAGE, typeName: ".x.M", label: OPTIONAL },
    ],
  };
  const file = create(FileDescriptorProtoSchema, {
    name: "x.proto",
    package: "x",
    syntax: "proto3",
    messageType: [
      {
        name: "M",
        field: all.filter(({ number }) => numbers.includes(number)).map((one) => ({ ...one, jsonName: one.name })),
        nestedType: [entry],
      },
    ],
  });
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getMessage("x.M")!;
}

const whole = known(1, 2, 3, 4, 5);
const leaf = { a: "first", z: "last" };
const bytes = toBinary(
  whole,
  create(whole, {
    ...leaf,
    m: leaf,
    list: [leaf, { m: leaf, ...leaf }],
    map: { two: leaf, one: leaf, three: { m: leaf } },
  }),
);
/** Read and written by somebody who knows less. */
const through = (desc: DescMessage): Uint8Array => toBinary(desc, fromBinary(desc, bytes));

describe("fields in order", () => {
  it("are the same array if they are in order", () => {
    expect(inFieldOrder(whole, bytes)).toBe(bytes);
    expect(inFieldOrder(whole, new Uint8Array(0))).toHaveLength(0);
  });

  it.each([
    ["a field of the top", [2, 3, 4, 5]],
    ["one in the middle", [1, 3, 4, 5]],
    ["all but the last", [5]],
    ["none", []],
    ["a map", [1, 2, 3, 5]],
  ])("are where they were, though somebody on the way did not know of %s", (_, numbers) => {
    const desc = known(...numbers);
    const written = through(desc);
    expect(inFieldOrder(desc, written)).toEqual(bytes);
    expect(inFieldOrder(whole, written)).toEqual(bytes);
  });

  it("leave lists and the bytes they came in alone, and maps unless they are asked for", () => {
    const copy = bytes.slice();
    const sorted = inFieldOrder(whole, bytes, { sortMaps: true });
    expect(bytes).toEqual(copy);
    expect(sorted).not.toEqual(bytes);
    const [read, before] = [sorted, bytes].map((one) => fromBinary(whole, one) as unknown as Record<string, object>);
    expect(read).toEqual(before);
    expect(Object.keys(read!["map"]!)).toEqual(["one", "two", "three"]);
  });

  it("leave out what is asked for, at the top alone", () => {
    const rest = fromBinary(whole, inFieldOrder(whole, bytes, { without: 5 })) as unknown as Record<string, object>;
    expect(rest).toMatchObject({ a: "first", z: "", m: { a: "first", z: "last" } });
  });

  it("throw at bytes that are no message", () => {
    expect(() => inFieldOrder(whole, Uint8Array.of(0x0a, 5, 1))).toThrow(RangeError);
  });
});
