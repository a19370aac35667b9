// What the model says of messages, fields and enums.
import { expect, test } from "vitest";
import { SchemaFolder } from "../../test-kit/schema-folder.ts";

test("messages and enums, with all that a field can be", async () => {
  using schema = new SchemaFolder({
    "proto/m.proto": `edition = "2023"; package m.v1;
import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto"; import "raceway/v1/options.proto";
// A message.
message M {
  // A name.
  string plain_name = 1 [features.field_presence = IMPLICIT];
  string maybe = 2 [json_name = "perhaps", deprecated = true];
  string must = 3 [features.field_presence = LEGACY_REQUIRED];
  repeated sint64 list = 4;
  map<string, Inner> map = 5;
  // One of two.
  oneof choice_of { bytes a = 6; google.protobuf.Timestamp b = 7; }
  Kind kind = 8;
  string secret = 9 [(raceway.v1.field).sensitive = true];
  message Inner {}
  enum Kind { option allow_alias = true; NONE = 0; ZERO = 0;
    // Two.
    TWO = 2 [deprecated = true]; }
  extensions 100 to 200;
}`,
  });
  const { model } = await schema.seen();
  expect(model.messages.map(({ typeName, name, module }) => [typeName, name, module])).toEqual([
    ["google.protobuf.Timestamp", "Timestamp", "@bufbuild/protobuf/wkt"],
    ["m.v1.M", "M", undefined],
    ["m.v1.M.Inner", "M.Inner", undefined],
  ]);
  const message = model.messages[1]!;
  expect({ ...message, fields: [] }).toEqual({
    typeName: "m.v1.M",
    name: "M",
    file: "m.proto",
    type: "M",
    schema: "MSchema",
    comment: ["A message."],
    deprecated: false,
    extensible: true,
    fields: [],
    oneofs: [{ name: "choice_of", property: "choiceOf", comment: ["One of two."] }],
  });
  const string = { kind: "scalar", scalar: "string" } as const;
  const usual = { cardinality: "single", presence: "explicit", comment: [], deprecated: false, sensitive: false };
  expect(message.fields).toEqual([
    {
      ...usual,
      name: "plain_name",
      property: "plainName",
      jsonName: "plainName",
      number: 1,
      type: string,
      presence: "implicit",
      comment: ["A name."],
    },
    { ...usual, name: "maybe", property: "maybe", jsonName: "perhaps", number: 2, type: string, deprecated: true },
    { ...usual, name: "must", property: "must", jsonName: "must", number: 3, type: string, presence: "required" },
    {
      ...usual,
      name: "list",
      property: "list",
      jsonName: "list",
      number: 4,
      type: { kind: "scalar", scalar: "sint64" },
      cardinality: "list",
      presence: "implicit",
    },
    {
      ...usual,
      name: "map",
      property: "map",
      jsonName: "map",
      number: 5,
      type: { kind: "message", typeName: "m.v1.M.Inner" },
      cardinality: "map",
      key: "string",
      presence: "implicit",
    },
    {
      ...usual,
      name: "a",
      property: "a",
      jsonName: "a",
      number: 6,
      type: { kind: "scalar", scalar: "bytes" },
      oneof: "choice_of",
    },
    {
      ...usual,
      name: "b",
      property: "b",
      jsonName: "b",
      number: 7,
      type: { kind: "message", typeName: "google.protobuf.Timestamp" },
      oneof: "choice_of",
    },
    {
      ...usual,
      name: "kind",
      property: "kind",
      jsonName: "kind",
      number: 8,
      type: { kind: "enum", typeName: "m.v1.M.Kind" },
    },
    { ...usual, name: "secret", property: "secret", jsonName: "secret", number: 9, type: string, sensitive: true },
  ]);
  expect(model.enums).toEqual([
    {
      typeName: "m.v1.M.Kind",
      name: "M.Kind",
      file: "m.proto",
      type: "M_Kind",
      schema: "M_KindSchema",
      open: true,
      comment: [],
      deprecated: false,
      values: [
        { name: "NONE", number: 0, comment: [], deprecated: false },
        { name: "ZERO", number: 0, comment: [], deprecated: false },
        { name: "TWO", number: 2, comment: ["Two."], deprecated: true },
      ],
    },
  ]);
});
