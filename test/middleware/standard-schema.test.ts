// `standardSchema` of @raceway/validate: input of any shape against the type and the rules of a message, with the way to what is wrong.
import { type DescMessage, createFileRegistry, fromBinary, isMessage, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { compileSchemas } from "@raceway/generator";
import { sample } from "@raceway/testing";
import { standardSchema } from "@raceway/validate/standard-schema";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { type AddRequest, AddRequestSchema, EchoRequestSchema } from "../gen/lab/v1/lab_pb.ts";

const schema = `
syntax = "proto3";
package form.v1;
import "buf/validate/validate.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
service FormService { rpc Send(Form) returns (Form); rpc Old(Strict) returns (Strict); }
enum Size { SIZE_UNSPECIFIED = 0; SIZE_BIG = 1; }
message Strict { string never = 1 [(buf.validate.field).cel = { id: "odd", expression: "1 / this.size() == 1" }]; }
message Person { string full_name = 1 [(buf.validate.field).string.min_len = 2]; Person friend = 2; }
message Form {
  option (buf.validate.message).cel = { id: "same", message: "must be the same", expression: "this.first == this.second" };
  string first = 1; string second = 2;
  Person main_person = 3;
  repeated Person people = 4 [(buf.validate.field).repeated.max_items = 2];
  map<string, Person> by_name = 5;
  map<int32, string> by_number = 6 [(buf.validate.field).map.keys.int32.gt = 0];
  map<uint64, bool> by_long = 7; map<bool, string> by_truth = 8;
  oneof contact_way { option (buf.validate.oneof).required = true; string e_mail = 9 [(buf.validate.field).string.email = true]; Person person = 10; bytes raw = 11; }
  google.protobuf.StringValue nick_name = 12 [(buf.validate.field).string.max_len = 3];
  google.protobuf.Struct extra = 13; google.protobuf.Timestamp at = 14;
  int32 small = 15; uint64 large = 16; bytes data = 17; Size size = 18; double share = 19; bool yes = 20;
  repeated string tags = 21 [(buf.validate.field).repeated.items.string.max_len = 4];
}
`;
const old = `
syntax = "proto2";
package old.v1;
service OldService { rpc Send(Old) returns (Old); }
enum Kind { KIND_A = 1; KIND_B = 2; }
message Old { required string name = 1; optional Kind kind = 2 [default = KIND_B]; }
`;

let types: ReturnType<typeof createFileRegistry>;
beforeAll(async () => {
  const { context } = await compileSchemas({ "form/v1/form.proto": schema, "old/v1/old.proto": old });
  types = createFileRegistry(context.descriptors);
}, 60_000);

const typed = (name: string): DescMessage => types.getMessage(name)!;

/** As libraries call it, with the result of a schema that answers at once. */
function judge(name: string, input: unknown): StandardSchemaV1.Result<unknown> {
  const result = standardSchema(typed(name))["~standard"].validate(input);
  if (result instanceof Promise) throw new TypeError("It answered later.");
  return result;
}

const issues = (name: string, input: unknown): readonly string[] =>
  (judge(name, input).issues ?? []).map(({ path, message }) => `${path!.map(String).join(".")}: ${message}`);

const good = { contactWay: { case: "eMail", value: "ann@example.com" } };
const form = (more: object): readonly string[] => issues("form.v1.Form", { ...good, ...more });

it("is a Standard Schema, typed by the message", () => {
  const made = standardSchema(AddRequestSchema);
  expectTypeOf(made).toExtend<StandardSchemaV1>();
  expectTypeOf<StandardSchemaV1.InferOutput<typeof made>>().toEqualTypeOf<AddRequest>();
  expectTypeOf<{ a: number }>().toExtend<StandardSchemaV1.InferInput<typeof made>>();
  expectTypeOf<{ a: string }>().not.toExtend<StandardSchemaV1.InferInput<typeof made>>();
  expect(made["~standard"]).toMatchObject({ version: 1, vendor: "raceway" });
});

it("gives the message of input that is right, complete, and of another message the same", () => {
  const result = standardSchema(AddRequestSchema)["~standard"].validate({ a: 4, more: "not known" });
  expect(result).toEqual({ value: { $typeName: "lab.v1.AddRequest", a: 4, b: 0 } });
  const given = sample(typed("form.v1.Form"), {
    first: "x",
    second: "x",
    contactWay: good.contactWay,
    nickName: "abc",
    tags: [],
  });
  const again = judge("form.v1.Form", given) as StandardSchemaV1.SuccessResult<never>;
  expect(again).toEqual({ value: given });
  expect(isMessage(again.value, typed("form.v1.Form"))).toBe(true);
  expect(toBinary(typed("form.v1.Form"), again.value)).toEqual(toBinary(typed("form.v1.Form"), given));
});

it("keeps what a newer schema added to a message that was read", () => {
  const read = fromBinary(AddRequestSchema, Uint8Array.of(8, 4, 0xf8, 6, 1));
  const { value } = standardSchema(AddRequestSchema)["~standard"].validate(
    read,
  ) as StandardSchemaV1.SuccessResult<AddRequest>;
  expect(toBinary(AddRequestSchema, value)).toEqual(Uint8Array.of(8, 4, 0xf8, 6, 1));
  const forged = { a: 1, $unknown: [{ no: "1", wireType: {}, data: "x" }, null] };
  expect(standardSchema(AddRequestSchema)["~standard"].validate(forged)).toEqual({
    value: { $typeName: "lab.v1.AddRequest", a: 1, b: 0, $unknown: [] },
  });
});

describe("what breaks a rule", () => {
  it.each<readonly [where: string, input: object, issue: string]>([
    ["a message within", { mainPerson: { fullName: "A" } }, "mainPerson.fullName: must be at least 2 characters"],
    [
      "deeper",
      { mainPerson: { fullName: "Al", friend: { fullName: "B" } } },
      "mainPerson.friend.fullName: must be at least 2 characters",
    ],
    [
      "an item of a list of messages",
      { people: [{ fullName: "Al" }, { fullName: "B" }] },
      "people.1.fullName: must be at least 2 characters",
    ],
    ["an item of a list", { tags: ["abc", "abcde"] }, "tags.1: must be at most 4 characters"],
    ["a list", { people: [1, 2, 3].map(() => ({ fullName: "Al" })) }, "people: must contain no more than 2 item(s)"],
    [
      "a value of a map",
      { byName: { "a.b": { fullName: "A" } } },
      "byName.a.b.fullName: must be at least 2 characters",
    ],
    ["a key of a map", { byNumber: { "-1": "x" } }, "byNumber.-1: must be greater than 0"],
    [
      "a member of a oneof",
      { contactWay: { case: "eMail", value: "ann" } },
      "contactWay.value: must be a valid email address",
    ],
    [
      "a message in a oneof",
      { contactWay: { case: "person", value: { fullName: "A" } } },
      "contactWay.value.fullName: must be at least 2 characters",
    ],
    ["a oneof", { contactWay: { case: undefined } }, "contactWay: exactly one field is required in oneof"],
    ["a wrapper, which stands as its value", { nickName: "four" }, "nickName: must be at most 3 characters"],
    ["several fields", { first: "a" }, ": must be the same"],
  ])("in %s", (_, input, issue) => {
    expect(form(input)).toEqual([issue]);
  });

  it("all of it is told", () => {
    expect(form({ first: "a", nickName: "four", contactWay: {} })).toHaveLength(3);
  });

  it("is told to whoever typed it, also where the schema says that it is nobody else's business", () => {
    const result = standardSchema(EchoRequestSchema)["~standard"].validate({ tags: { a: "far too long" } });
    expect(result).toEqual({ issues: [{ path: ["tags", "a"], message: "must be at most 8 characters" }] });
  });

  it("throws where a rule cannot be applied, which is nobody's input", () => {
    expect(() => judge("form.v1.Strict", { never: "" })).toThrow(
      expect.objectContaining({ code: Code.Internal }) as Error,
    );
  });
});

describe("what is not of the type", () => {
  it.each<readonly [input: object, issue: string]>([
    [{ first: 5 }, "first: must be text"],
    [{ first: "\ud800" }, "first: must be text"],
    [{ small: "5" }, "small: must be a whole number from -2147483648 to 2147483647"],
    [{ small: 2 ** 31 }, "small: must be a whole number from -2147483648 to 2147483647"],
    [{ large: -1n }, "large: must be a whole number from 0 to 18446744073709551615"],
    [{ large: "" }, "large: must be a whole number from 0 to 18446744073709551615"],
    [{ share: "0.5" }, "share: must be a number"],
    [{ yes: "on" }, "yes: must be true or false"],
    [{ data: "aGk=" }, "data: must be bytes"],
    [{ size: "SIZE_BIG" }, "size: must be a whole number from -2147483648 to 2147483647"],
    [{ mainPerson: "Ann" }, "mainPerson: must be an object"],
    [{ mainPerson: { fullName: 5 } }, "mainPerson.fullName: must be text"],
    [{ people: {} }, "people: must be a list"],
    [{ people: [{ fullName: "Al" }, null] }, "people.1: must be an object"],
    [{ tags: ["a", undefined] }, "tags.1: must be text"],
    [{ byName: [] }, "byName: must be an object"],
    [{ byName: { a: 1 } }, "byName.a: must be an object"],
    [{ byNumber: { a: "x" } }, "byNumber.a: has a key that must be a whole number from -2147483648 to 2147483647"],
    [{ byLong: { "-1": true } }, "byLong.-1: has a key that must be a whole number from 0 to 18446744073709551615"],
    [{ byTruth: { yes: "x" } }, "byTruth.yes: has a key that must be true or false"],
    [{ contactWay: "eMail" }, "contactWay: must be an object with case and value"],
    [{ contactWay: { case: "phone", value: "1" } }, "contactWay: must be one of eMail, person, raw"],
    [{ contactWay: { case: "eMail" } }, "contactWay.value: is required"],
    [{ contactWay: { case: "eMail", value: 1 } }, "contactWay.value: must be text"],
    [{ nickName: { value: "abc" } }, "nickName: must be text"],
    [{ extra: { a: 1n } }, "extra: must be an object of JSON"],
    [{ at: "2026-01-01T00:00:00Z" }, "at: must be an object"],
  ])("case %#", (input, issue) => {
    expect(form(input)).toEqual([issue]);
  });

  it.each([undefined, null, 5, "x", [], new Uint8Array()])("is not even an object: %s", (input) => {
    expect(issues("form.v1.Form", input)).toEqual([": must be an object"]);
  });

  it("is all told, and no rule is asked before it is right", () => {
    expect(form({ first: 1, second: 2, people: [{ fullName: 3 }, { fullName: 4 }] })).toEqual([
      "first: must be text",
      "second: must be text",
      "people.0.fullName: must be text",
      "people.1.fullName: must be text",
    ]);
  });

  it("contains itself, is nested too deep, or is wrong in more places than anybody reads", () => {
    const circle: { fullName: string; friend?: object } = { fullName: "Al" };
    circle.friend = { fullName: "Bo", friend: circle };
    expect(form({ mainPerson: circle })).toEqual(["mainPerson.friend.friend: contains itself"]);
    let deep: object = { fullName: "Al" };
    expect(form({ people: [deep, deep] })).toEqual([]); // twice, but not in itself
    for (let depth = 0; depth < 200; depth++) deep = { fullName: "Al", friend: deep };
    expect(form({ mainPerson: deep })).toEqual([
      expect.stringMatching(/^mainPerson(\.friend){99}: is nested too deep$/),
    ]);
    expect(form({ tags: Array.from({ length: 5_000 }, () => 5) })).toHaveLength(1_000);
  });

  it("is taken in each form that `create` takes", () => {
    const input = {
      ...good,
      data: [104, 105],
      large: "18446744073709551615",
      byLong: { "7": true },
      byTruth: { true: "x" },
      byName: JSON.parse('{"__proto__": {"fullName": "Al"}}') as object,
      extra: { a: [1, null] },
      at: { seconds: 5n },
      mainPerson: null,
    };
    expect(judge("form.v1.Form", input)).toMatchObject({
      value: {
        data: Uint8Array.of(104, 105),
        large: 18446744073709551615n,
        byLong: { "7": true },
        byTruth: { true: "x" },
        extra: { a: [1, null] },
        at: { seconds: 5n, nanos: 0 },
      },
    });
    const { value } = judge("form.v1.Form", input) as StandardSchemaV1.SuccessResult<{
      byName: object;
      mainPerson?: object;
    }>;
    expect(Object.keys(value.byName)).toEqual(["__proto__"]);
    expect(value.mainPerson).toBeUndefined();
  });

  it("lacks what proto2 requires, or has a number that its enum does not name", () => {
    expect(issues("old.v1.Old", {})).toEqual(["name: is required"]);
    expect(issues("old.v1.Old", { name: "x", kind: 3 })).toEqual(["kind: must be one of 1, 2"]);
    expect(issues("old.v1.Old", { name: "x", kind: 1 })).toEqual([]);
  });
});
