// What rules of Protovalidate refuse that passed before, told once per field; and what they only say otherwise, or no more, not told.
import { expect, test } from "vitest";
import { changes } from "../../test-kit/schema-history.ts";

/** One field or oneof per line, with its rules. */
function message(...fields: readonly string[]): string {
  return `import "buf/validate/validate.proto";
import "google/protobuf/duration.proto";
message M {
${fields.map((field) => `  ${field}`).join("\n")}
}
`;
}

const int = (at: number, rules: string): string =>
  `int32 i${at} = ${at} ${rules === "" ? "" : `[(buf.validate.field).${rules}]`};`;
const string = (at: number, rules: string): string =>
  `string s${at} = ${at} ${rules === "" ? "" : `[(buf.validate.field).${rules}]`};`;

test("bounds, values, patterns and expressions that refuse more", async () => {
  const found = await changes(
    message(
      string(1, "string.min_len = 3"),
      int(2, "int32 = { gte: 5 lt: 10 }"),
      int(3, ""),
      int(4, "int32 = { in: [1, 2, 3] }"),
      string(5, 'string.pattern = "^a"'),
      string(6, 'cel = { id: "a" expression: "this != \'\'" }'),
      "repeated string r7 = 7 [(buf.validate.field).repeated = { max_items: 9 items: { string: { max_len: 5 } } }];",
      "google.protobuf.Duration d8 = 8 [(buf.validate.field).duration.lte = { seconds: 60 }];",
      string(9, "ignore = IGNORE_ALWAYS"),
      "oneof o { string a = 10; string b = 11; }",
      "double d12 = 12 [(buf.validate.field).double = { gte: 5 lt: 10 }];",
    ),
    message(
      string(1, "string.min_len = 5"),
      int(2, "int32 = { gt: 5 lte: 8 }"),
      int(3, "required = true"),
      int(4, "int32 = { in: [1, 2] }"),
      string(5, 'string.pattern = "^b"'),
      string(6, 'cel = { id: "a" expression: "this == \'x\'" }'),
      "repeated string r7 = 7 [(buf.validate.field).repeated = { max_items: 9 items: { string: { max_len: 4 } } }];",
      "google.protobuf.Duration d8 = 8 [(buf.validate.field).duration.lte = { seconds: 9 nanos: 500000000 }];",
      string(9, ""),
      "oneof o { option (buf.validate.oneof).required = true; string a = 10; string b = 11; }",
      "double d12 = 12 [(buf.validate.field).double = { gt: 5 lt: 10 }];",
    ),
  );
  expect(found).toMatchInlineSnapshot(`
    "validation_tightened at 10: \`o\` refuses what passed before: required was not said, and is true
    validation_tightened at 11: \`s1\` refuses what passed before: string.min_len was 3, and is 5
    validation_tightened at 12: \`i2\` refuses what passed before: int32.lte was lt 10, and is lte 8, int32.gt was gte 5, and is gt 5
    validation_tightened at 13: \`i3\` refuses what passed before: required was not said, and is true
    validation_tightened at 14: \`i4\` refuses what passed before: int32.in was [1,2,3], and is [1,2]
    validation_tightened at 15: \`s5\` refuses what passed before: string.pattern was ^a, and is ^b
    validation_tightened at 16: \`s6\` refuses what passed before: cel was [{"id":"a","expression":"this != ''"}], and is [{"id":"a","expression":"this == 'x'"}]
    validation_tightened at 17: \`r7\` refuses what passed before: repeated.items.string.max_len was 5, and is 4
    validation_tightened at 18: \`d8\` refuses what passed before: duration.lte was 60s, and is 9.500s
    validation_tightened at 19: \`s9\` refuses what passed before: ignore was IGNORE_ALWAYS, and is not
    validation_tightened at 21: \`d12\` refuses what passed before: double.gt was gte 5, and is gt 5"
  `);
});

test("what lets pass all that did", async () => {
  const found = await changes(
    message(
      string(1, "string = { min_len: 3 max_len: 8 }"),
      int(2, "int32 = { gt: 5 lt: 10 }"),
      int(3, "required = true"),
      int(4, "int32 = { in: [1, 2] not_in: [7, 8] }"),
      string(5, 'string = { pattern: "^a" example: "ab" }'),
      string(6, 'cel = { id: "a" message: "not empty" expression: "this != \'\'" }'),
      string(7, "string.email = true"),
      int(9, "int32 = { gt: 5 lt: 10 }"),
    ),
    message(
      string(1, "string = { min_len: 2 max_len: 9 }"),
      int(2, "int32 = { gte: 5 lte: 10 }"),
      int(3, ""),
      int(4, "int32 = { in: [1, 2, 3] not_in: [7] }"),
      string(5, 'string = { pattern: "^a" example: "abc" }'),
      string(6, 'cel = { id: "b" message: "is empty" expression: "this != \'\'" }'),
      string(7, "ignore = IGNORE_IF_ZERO_VALUE"),
      string(8, "required = true"),
      int(9, "int32 = { gte: 6 lte: 9 }"),
    ),
  );
  expect(found).toBe("");
});
