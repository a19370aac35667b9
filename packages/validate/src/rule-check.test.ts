// Rules that cannot be applied are found before a message meets them, and named.
import { type DescMessage, type MessageInitShape, create, createFileRegistry, setExtension } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MessageOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import {
  FieldRulesSchema,
  MessageRulesSchema,
  field,
  message,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { hasRules } from "./has-rules.ts";
import { wrongRule } from "./rule-check.ts";
import { broken } from "./rules.ts";

type Rules = MessageInitShape<typeof FieldRulesSchema>;

/** `Outer` has a list of `Inner`, whose fields `text` and `count` are a oneof; `Inner` has an `Outer`, too. */
function schema(rules: {
  readonly text?: Rules;
  readonly count?: Rules;
  readonly inner?: MessageInitShape<typeof MessageRulesSchema>;
}): DescMessage {
  const options = (given: Rules | undefined) => {
    const made = create(FieldOptionsSchema);
    if (given !== undefined) setExtension(made, field, create(FieldRulesSchema, given));
    return made;
  };
  const ofInner = create(MessageOptionsSchema);
  if (rules.inner !== undefined) setExtension(ofInner, message, create(MessageRulesSchema, rules.inner));
  const { STRING, INT32, MESSAGE } = FieldDescriptorProto_Type;
  const label = FieldDescriptorProto_Label.OPTIONAL;
  const file = create(FileDescriptorProtoSchema, {
    name: "x.proto",
    package: "x",
    syntax: "proto3",
    messageType: [
      {
        name: "Outer",
        field: [
          { name: "inner", number: 1, type: MESSAGE, typeName: ".x.Inner", label: FieldDescriptorProto_Label.REPEATED },
        ],
      },
      {
        name: "Inner",
        options: ofInner,
        oneofDecl: [{ name: "one" }],
        field: [
          { name: "text", number: 1, type: STRING, label, oneofIndex: 0, options: options(rules.text) },
          { name: "count", number: 2, type: INT32, label, oneofIndex: 0, options: options(rules.count) },
          { name: "outer", number: 3, type: MESSAGE, typeName: ".x.Outer", label },
        ],
      },
    ],
  });
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getMessage("x.Outer")!;
}
const cel = (expression: string): Rules => ({ cel: [{ id: "own", message: "m", expression }] });
const good: Rules = { type: { case: "string", value: { minLen: 1n } }, ...cel("this != 'b'") };

describe("a rule that cannot be applied is named, where", () => {
  it.each<readonly [string, Parameters<typeof schema>[0], string, string]>([
    ["its expression is none", { text: cel("this.foo( > 3") }, "x.Inner.text, rule own", "failed to compile own"],
    ["it calls what is not there", { text: cel("nope(this)") }, "x.Inner.text, rule own", "unbound function: nope"],
    [
      "it compares what cannot be compared",
      { count: cel("this > 'a'") },
      "x.Inner.count, rule own",
      "no matching overload",
    ],
    [
      "it is of another type than its field",
      { text: { type: { case: "int32", value: {} } } },
      "x.Inner.text, rule int32",
      'expected rule "string"',
    ],
    [
      "its pattern is none",
      { text: { type: { case: "string", value: { pattern: "(a" } } } },
      "x.Inner.text, rule string",
      "missing closing )",
    ],
    [
      "others of the message are good",
      { text: good, count: { celExpression: ["this.size() > 1"] } },
      "x.Inner.count, rule this.size() > 1",
      "no matching overload",
    ],
    [
      "it is about a field that is not there",
      { inner: { cel: [{ id: "own", expression: "this.nothing > 3" }] } },
      "x.Inner, rule own",
      "field not found: nothing",
    ],
    [
      "it joins fields that are not there",
      { inner: { oneof: [{ fields: ["text", "nothing"] }] } },
      "x.Inner, rule oneof",
      "not found",
    ],
  ])("%s", (_, rules, where, why) => {
    const wrong = wrongRule(schema(rules));
    expect(wrong?.where).toBe(where);
    expect(wrong?.why).toContain(why);
  });

  it("and rules that can be applied are fine, also where they fail on some messages only", () => {
    expect(wrongRule(schema({}))).toBeUndefined();
    expect(
      wrongRule(schema({ text: good, inner: { oneof: [{ fields: ["text", "count"], required: true }] } })),
    ).toBeUndefined();
    expect(wrongRule(schema({ count: cel("10 / this > 3") }))).toBeUndefined();
    expect(wrongRule(schema({ text: cel("int(this) > 3") }))).toBeUndefined();
  });
});

describe("a pattern", () => {
  it.each(["^(a+)+$", "(a|a)*b", "(a+a+)+b", "^(([a-z])+.)+[A-Z]([a-z])+$"])(
    "that would take for ever elsewhere is matched in linear time: %s",
    (pattern) => {
      const desc = schema({ text: { type: { case: "string", value: { pattern } } } });
      const message = create(desc, { inner: [{ one: { case: "text", value: `${"a".repeat(30_000)}!` } }] });
      expect(reasonOf(broken(desc, message, "message_invalid"))).toBe("message_invalid");
    },
  );
});

describe("a type", () => {
  it("has rules if one of the types within it has", () => {
    expect(hasRules(schema({}))).toBe(false);
    expect(hasRules(schema({ count: { required: true } }))).toBe(true);
    expect(hasRules(schema({ inner: { celExpression: ["true"] } }))).toBe(true);
  });
});
