// What a schema says of a message is what the message's JSON is: held against ajv, with messages made by chance.
import {
  type DescField,
  type DescMessage,
  type Registry,
  ScalarType,
  create,
  createFileRegistry,
  toJson,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SchemaFolder } from "../../../test-kit/schema-folder.ts";
import { jsonSchema } from "./target.ts";

const everything = {
  "proto/all/v1/all.proto": `syntax = "proto3"; package all.v1;
import "google/protobuf/any.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto"; import "all/v1/other.proto";
// Everything that a message can have.
message All {
  double double = 1; float float = 2; int64 int64 = 3; uint64 uint64 = 4; int32 int32 = 5; fixed64 fixed64 = 6; fixed32 fixed32 = 7;
  bool bool = 8; string string = 9; bytes bytes = 10; uint32 uint32 = 11; sfixed32 sfixed32 = 12; sfixed64 sfixed64 = 13;
  sint32 sint32 = 14; sint64 sint64 = 15; Kind kind = 16; All self = 17; optional string maybe = 18;
  string odd_Name__x = 19; string renamed = 20 [json_name = "@odd \\"name\\""];
  // Old.
  string old = 21 [deprecated = true];
  repeated float floats = 30; repeated int64 longs = 31; repeated Kind kinds = 32; repeated All selves = 33; repeated bytes blobs = 34;
  map<string, All> by_string = 40; map<int32, Kind> by_int = 41; map<bool, bytes> by_bool = 42; map<uint64, double> by_long = 43;
  oneof choice { string a = 50; int32 b = 51; All c = 52; google.protobuf.NullValue d = 53; }
  oneof one { string alone = 54; }
  google.protobuf.Duration duration = 60; google.protobuf.Timestamp timestamp = 61; google.protobuf.FieldMask mask = 62;
  google.protobuf.Struct struct = 63; google.protobuf.Value value = 64; google.protobuf.ListValue list_value = 65;
  google.protobuf.Empty empty = 66; google.protobuf.Int64Value wrapped = 67; google.protobuf.StringValue text = 68;
  google.protobuf.BytesValue wrapped_bytes = 69; repeated google.protobuf.Value values = 70; google.protobuf.Any any = 71;
  Other other = 80;
}
enum Kind { option allow_alias = true; NONE = 0; ZERO = 0; /* The first. */ ONE = 1; }`,
  "proto/all/v1/other.proto": `syntax = "proto2"; package all.v1;
message Other { required string must = 1; optional group Part = 2 { optional int32 n = 1; } enum Closed { A = 1; B = 2; } optional Closed closed = 3; extensions 100 to 200; }`,
};

/** Messages whose every field is there or not, by chance. */
function arbitrary(desc: DescMessage, depth = 2): fc.Arbitrary<unknown> {
  const fields = desc.fields.filter(
    ({ message, proto }) =>
      depth > 0 || message === undefined || proto.label === 2 || !message.typeName.startsWith("all."),
  );
  const chosen = fc.tuple(...fields.map((field) => fc.option(value(field, depth), { freq: 2, nil: undefined })));
  return chosen.map((values) => {
    const message = reflect(desc);
    for (const [at, field] of fields.entries()) {
      const given = values[at] ?? (field.name === "must" ? "must" : undefined);
      if (given === undefined) continue;
      if (field.fieldKind === "list") for (const one of given as unknown[]) message.get(field).add(one);
      else if (field.fieldKind === "map")
        for (const [key, one] of given as [never, never][]) message.get(field).set(key, one);
      else message.set(field, given);
    }
    return message;
  });
}

function value(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const one = single(field, depth);
  if (field.fieldKind === "list") return fc.array(one, { maxLength: 3 });
  if (field.fieldKind === "map") return fc.array(fc.tuple(scalar(field.mapKey), one), { maxLength: 3 });
  return one;
}

function single(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.enum !== undefined)
    return field.enum.open
      ? fc.constantFrom(
          ...field.enum.values.map(({ number }) => number),
          ...(field.enum.typeName.startsWith("all") ? [77, -5] : []),
        )
      : fc.constantFrom(...field.enum.values.map(({ number }) => number));
  if (field.message !== undefined) return wellKnown(field.message) ?? arbitrary(field.message, depth - 1);
  return scalar(field.scalar);
}

function wellKnown(desc: DescMessage): fc.Arbitrary<unknown> | undefined {
  const made = (fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<unknown> =>
    fc.record(fields).map((init) => reflect(desc, create(desc, init as never)));
  const leaf = fc.oneof(
    fc.constant({ kind: { case: "nullValue", value: 0 } }),
    fc.string().map((text) => ({ kind: { case: "stringValue", value: text } })),
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((number) => ({ kind: { case: "numberValue", value: number } })),
  );
  switch (desc.typeName) {
    case "google.protobuf.Duration":
      return fc
        .tuple(fc.integer({ min: -315_576_000_000, max: 315_576_000_000 }), fc.integer({ min: 0, max: 999_999_999 }))
        .map(([seconds, nanos]) =>
          reflect(desc, create(desc, { seconds: BigInt(seconds), nanos: seconds < 0 ? -nanos : nanos })),
        );
    case "google.protobuf.Timestamp":
      return made({
        seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
        nanos: fc.integer({ min: 0, max: 999_999_999 }),
      });
    case "google.protobuf.FieldMask":
      return made({ paths: fc.array(fc.constantFrom("a", "b_c", "d.e_f")) });
    case "google.protobuf.Any":
      return made({});
    case "google.protobuf.Value":
      return leaf.map((init) => reflect(desc, create(desc, init as never)));
    case "google.protobuf.ListValue":
      return made({ values: fc.array(leaf, { maxLength: 3 }) });
    case "google.protobuf.Struct":
      return fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }).map((fields) =>
        reflect(
          desc,
          create(desc, {
            fields: Object.fromEntries(
              Object.entries(fields).map(([key, text]) => [key, { kind: { case: "stringValue", value: text } }]),
            ),
          }),
        ),
      );
    default:
      return undefined;
  }
}

function scalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.FLOAT:
      return fc.float();
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.STRING:
      return fc.string({ unit: "grapheme" });
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 9 });
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.integer({ min: 0, max: 0xffff_ffff });
    default:
      return fc.integer();
  }
}

interface Compiled extends Disposable {
  readonly registry: Registry;
  validator(typeName: string): ValidateFunction;
}

async function compiled(options: Parameters<typeof jsonSchema>[0] = {}): Promise<Compiled> {
  const schema = new SchemaFolder(everything);
  await schema.generate({ targets: [jsonSchema(options)] });
  const document = JSON.parse(schema.read("gen/all/v1/all.schema.json")) as object;
  const { context } = await schema.seen(); // writes nothing, and so deletes what was there
  const ajv = new Ajv2020({ strict: true, strictRequired: false, validateFormats: false });
  ajv.addSchema(document, "all");
  return {
    registry: createFileRegistry(context.descriptors),
    validator: (typeName) => ajv.compile({ $ref: `all#/$defs/${typeName}` }),
    [Symbol.dispose]: () => schema[Symbol.dispose](),
  };
}

test.each([{ closed: false }, { closed: true }])(
  "the JSON of every message validates, closed: $closed",
  async (options) => {
    using all = await compiled(options);
    const desc = all.registry.getMessage("all.v1.All")!;
    const validate = all.validator("all.v1.All");
    fc.assert(
      fc.property(arbitrary(desc), (message) => {
        const json = toJson(desc, (message as ReturnType<typeof reflect>).message, { registry: all.registry });
        expect(validate(json), JSON.stringify(validate.errors)).toBe(true);
      }),
      { numRuns: 150 },
    );
  },
);

test("what a message's JSON cannot be is refused", async () => {
  using all = await compiled();
  using strict = await compiled({ closed: true });
  const validate = all.validator("all.v1.All");
  const closed = strict.validator("all.v1.All");
  expect(validate({})).toBe(true);
  for (const right of [
    { duration: "-315576000000s", timestamp: "0001-01-01T00:00:00Z", mask: "a,bC.d", any: {}, double: 3.5e38 },
    { float: -3.4028234663852886e38, uint64: "18446744073709551615", int64: "-9223372036854775808" },
    { bytes: "AA", blobs: ["AA==", "AAA", "AAA=", "AAAA", ""], any: { "@type": "x/all.v1.All" } },
    { duration: "315575999999.999999999s", timestamp: "9999-12-31T23:59:59.999999999+23:59" },
  ])
    expect(validate(right), JSON.stringify(validate.errors)).toBe(true);
  expect(validate({ oddNameX: "", '@odd "name"': "" })).toBe(true);
  for (const wrong of [
    null,
    [],
    { string: 1 },
    { int32: 1.5 },
    { int32: 2 ** 31 },
    { uint32: -1 },
    { int64: 1 },
    { int64: "x" },
    { float: "1" },
    { bytes: "*" },
    { kind: "TWO" },
    { other: { must: "", closed: "C" } },
    { other: { must: "", closed: 1 } },
    { floats: 1 },
    { byInt: { x: "ONE" } },
    { byBool: { yes: "" } },
    { byString: { x: 1 } },
    { a: "", b: 1 },
    { c: {}, d: null },
    { duration: 1 },
    { duration: "315576000001s" },
    { duration: "999999999999s" },
    { timestamp: "yesterday" },
    { timestamp: "2030-13-01T00:00:00Z" },
    { timestamp: "2030-01-32T00:00:00Z" },
    { timestamp: "2030-01-01T24:00:00Z" },
    { timestamp: "0000-01-01T00:00:00Z" },
    { mask: "snake_case" },
    { any: { value: 1 } },
    { any: { "@type": "" } },
    { float: 3.5e38 },
    { uint64: "20000000000000000000" },
    { bytes: "A" },
    { bytes: "AAA==" },
    { self: { self: { bool: "true" } } },
    { other: {} },
  ])
    expect(validate(wrong), JSON.stringify(wrong)).toBe(false);
  expect([validate({ unknown: 1 }), closed({ unknown: 1 })]).toEqual([true, false]);
  expect(closed({ other: { must: "", "[all.v1.extra]": 1 } })).toBe(true);
});

test("comments and deprecation come along", async () => {
  using schema = new SchemaFolder(everything);
  await schema.generate({ targets: [jsonSchema()] });
  const { $defs } = JSON.parse(schema.read("gen/all/v1/all.schema.json")) as {
    $defs: Record<string, { readonly properties: Record<string, object> }>;
  };
  expect($defs["all.v1.All"]).toMatchObject({ title: "All", description: "Everything that a message can have." });
  expect($defs["all.v1.All"]!.properties["old"]).toEqual({ type: "string", description: "Old.", deprecated: true });
  expect(Object.keys($defs)).toContain("all.v1.Other.Closed");
});

test("names that objects have anyway are names like any other", async () => {
  using schema = new SchemaFolder({
    "proto/odd.proto": `syntax = "proto3"; message constructor { toString x = 1 [json_name = "__proto__"]; string hasOwnProperty = 2; }
message toString { enum valueOf { NONE = 0; } valueOf y = 1; }`,
  });
  await schema.generate({ targets: ["json-schema"] });
  const ajv = new Ajv2020({ validateFormats: false });
  ajv.addSchema(JSON.parse(schema.read("gen/odd.schema.json")) as object, "odd");
  const validate = ajv.compile({ $ref: "odd#/$defs/constructor" });
  expect(validate(JSON.parse('{"__proto__": {"y": "NONE"}, "hasOwnProperty": ""}'))).toBe(true);
  expect(validate({ hasOwnProperty: 1 })).toBe(false);
  expect(schema.read("gen/odd.schema.json")).toContain('"__proto__": {\n          "$ref": "#/$defs/toString"');
});
