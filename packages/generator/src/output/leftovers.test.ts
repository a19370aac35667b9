// What is left of earlier runs when schemas no longer import what they did.
import { expect, test } from "vitest";
import { SchemaFolder } from "../../test-kit/schema-folder.ts";

const uses = (name: string, lib: string): string =>
  `syntax = "proto3"; package ${name}; import "lib/${lib}.proto"; message M { lib.${lib} field = 1; }`;
const without = (name: string): string => `syntax = "proto3"; package ${name}; message M {}`;
const lib = (name: string): string => `syntax = "proto3"; package lib; message ${name} {}`;
const libraries = { "third/lib/One.proto": lib("One"), "third/lib/Two.proto": lib("Two") };
const protoPath = ["proto", "third"];

test("what nobody imports any more goes, and nothing of it stays in the manifest", async () => {
  using schema = new SchemaFolder({
    ...libraries,
    "proto/a.proto": uses("a", "One"),
    "proto/b.proto": uses("b", "Two"),
  });
  await schema.generate({ protoPath });
  expect(schema.list()).toEqual([".raceway-manifest.json", "a_pb.ts", "b_pb.ts", "lib/One_pb.ts", "lib/Two_pb.ts"]);
  schema.write({ "proto/a.proto": without("a") });
  await schema.generate({ protoPath });
  expect(schema.list()).toEqual([".raceway-manifest.json", "a_pb.ts", "b_pb.ts", "lib/Two_pb.ts"]);
  await schema.generate({ protoPath, out: "fresh" });
  expect(schema.read("gen/.raceway-manifest.json")).toBe(schema.read("fresh/.raceway-manifest.json"));
});

test("what another run into the same folder imports, or was asked for, stays", async () => {
  using schema = new SchemaFolder({
    ...libraries,
    "proto/a.proto": uses("a", "One"),
    "other/b.proto": uses("b", "Two"),
  });
  const other = { protoPath: ["other", "third"], inputs: ["other", "third/lib/One.proto"] };
  await schema.generate({ protoPath });
  await schema.generate(other);
  const both = [".raceway-manifest.json", "a_pb.ts", "b_pb.ts", "lib/One_pb.ts", "lib/Two_pb.ts"];
  expect(schema.list()).toEqual(both);
  for (const options of [{ protoPath }, other, { protoPath }])
    expect((await schema.generate({ ...options, check: true })).diagnostics).toEqual([]);
  schema.write({ "proto/a.proto": without("a") });
  await schema.generate({ protoPath });
  expect(schema.list()).toEqual(both);
});
