// `mockService` and `sample` of @raceway/testing: stand-ins made from the schema alone.
import { type DescMessage, createFileRegistry, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { compileSchemas } from "@raceway/generator";
import { collect, mockService, sample, testApp } from "@raceway/testing";
import { expect, expectTypeOf, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { EchoResponseSchema, TickSchema, type AddRequest, type ChatRequest } from "../gen/lab/v1/lab_pb.ts";

it("answers each channel with samples, and keeps what it was asked", async () => {
  const lab = mockService(labService);
  await using app = await testApp((server) => server.serve(labService, lab.handlers));
  const client = labClient(app.connect());
  expect((await client.add({ a: 4, b: 5 })).sum).toBe(1);
  expect((await client.echo({ text: "x" })).text).toBe("text-1");
  const counted = collect(client.count({ from: 7 }));
  const talk = collect(client.chat(listOf([{ text: "a" }, { text: "b" }])));
  expect((await client.sum(listOf([{ value: 1 }, { value: 2 }]))).count).toBe(1);
  await app.clock.settle();
  expect(counted).toMatchObject({ ended: true, error: undefined });
  expect(counted.items.map(({ value }) => value)).toEqual([1, 2, 3]);
  expect(talk.items.map(({ text }) => text)).toEqual(["text-1", "text-2"]);
  expect(lab.requests.add.map(({ a, b }) => a + b)).toEqual([9]);
  expect(lab.requests.count.map(({ from }) => from)).toEqual([7]);
  expect(lab.requests.chat.map(({ text }) => text)).toEqual(["a", "b"]);
  expect(lab.requests.sum.map(({ value }) => value)).toEqual([1, 2]);
  expect(app.problems).toEqual([]);
});

it("answers as the test says, with `this`, types and publishers as of a real handler", async () => {
  const lab = mockService(labService, {
    async add({ a, b }) {
      return { sum: a * b };
    },
  });
  expectTypeOf(lab.requests.add).toEqualTypeOf<readonly AddRequest[]>();
  expectTypeOf(lab.requests.chat).toEqualTypeOf<readonly ChatRequest[]>();
  await using app = await testApp((server) => server.serve(labService, lab.handlers));
  const client = labClient(app.connect());
  expect((await client.add({ a: 4, b: 5 })).sum).toBe(20);
  const ticks = collect(client.ticks({ board: "x" }, { from: "start" }));
  await app.served.ticks.publish({ board: "x" }, sample(TickSchema, { symbol: "ACME" }));
  await app.clock.settle();
  expect(ticks.items).toMatchObject([{ symbol: "ACME", price: 1.5, sequence: 1 }]);
});

it("gives the same sample each time, another for another number, and takes the test's own fields", () => {
  expect(sample(EchoResponseSchema)).toEqual(sample(EchoResponseSchema));
  expect(sample(EchoResponseSchema, {}, 2).text).toBe("text-2");
  expect(sample(EchoResponseSchema, { text: "mine" }).text).toBe("mine");
  expect(new TextDecoder().decode(sample(EchoResponseSchema).data)).toBe("data-1");
});

/** Every kind of field there is, types that contain themselves, and types that mean something. */
const everything = `
syntax = "proto3";
package all.v1;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
service AllService { rpc Get(All) returns (All); }
enum Shade { SHADE_UNSPECIFIED = 0; SHADE_DARK = 3; SHADE_LIGHT = 7; }
message Tree { string name = 1; repeated Tree children = 2; Tree left = 3; oneof next { Tree deep = 4; string flat = 5; } map<string, Tree> by_name = 6; }
message All {
  double a = 1; float b = 2; int32 c = 3; int64 d = 4; uint32 e = 5; uint64 f = 6; sint32 g = 7; sint64 h = 8;
  fixed32 i = 9; fixed64 j = 10; sfixed32 k = 11; sfixed64 l = 12; bool m = 13; string n = 14; bytes o = 15;
  int64 big = 16 [jstype = JS_STRING]; repeated uint64 bigs = 17 [jstype = JS_STRING];
  Shade shade = 18; repeated Shade shades = 19; Tree tree = 20; repeated Tree trees = 21;
  map<int64, string> by_number = 22; map<bool, bytes> by_truth = 23; map<string, Shade> by_shade = 24; map<uint32, Tree> by_tree = 25;
  optional string maybe = 26; oneof choice { google.protobuf.StringValue wrapped = 27; int32 plain = 28; }
  google.protobuf.Timestamp at = 30; google.protobuf.Duration took = 31; google.protobuf.FieldMask mask = 32; google.protobuf.Any any = 33;
  google.protobuf.Struct structure = 34; google.protobuf.Value value = 35; google.protobuf.ListValue list = 36; google.protobuf.Empty empty = 37;
  google.protobuf.StringValue text_value = 38; google.protobuf.Int64Value long_value = 39; google.protobuf.BytesValue bytes_value = 40;
  repeated google.protobuf.StringValue texts = 41; map<string, google.protobuf.Struct> structures = 42;
}
`;

it("makes messages of any type that survive both encodings", async () => {
  const { context } = await compileSchemas({ "all/v1/all.proto": everything });
  const registry = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, toBinary(FileDescriptorSetSchema, context.descriptors)),
  );
  const messages = [...registry].filter((desc) => desc.kind === "message");
  expect(messages.length).toBeGreaterThan(10);
  for (const desc of messages) {
    for (const number of [1, 2]) {
      const made = sample(desc, {}, number);
      const again = fromBinary(desc, toBinary(desc, made));
      expect(again).toEqual(made);
      expect(fromJson(desc, toJson(desc, made, { registry }) ?? null, { registry })).toEqual(made);
    }
  }
  const all = sample(registry.getMessage("all.v1.All") as DescMessage) as unknown as Record<string, unknown>;
  expect(all).toMatchObject({ shade: 3, shades: [3, 7], d: 1n, big: "1", bigs: ["1", "2"], m: true, maybe: "maybe-1" });
  expect(all["choice"]).toMatchObject({ case: "wrapped", value: { value: "value-1" } });
  expect(all["tree"]).toMatchObject({ name: "name-1", children: [{ name: "name-1" }, { name: "name-2" }] });
});

it("makes what a message cannot be without, however deep", async () => {
  const deep = Array.from({ length: 8 }, (_, at) => `message M${at} { required M${at + 1} next = 1; }`).join("\n");
  const text = `syntax = "proto2"; package deep.v1; ${deep} message M8 { required string name = 1; }`;
  const { context } = await compileSchemas({ "deep/v1/deep.proto": text });
  const desc = createFileRegistry(context.descriptors).getMessage("deep.v1.M0")!;
  const made = sample(desc);
  expect(fromBinary(desc, toBinary(desc, made))).toEqual(made);
});

async function* listOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
