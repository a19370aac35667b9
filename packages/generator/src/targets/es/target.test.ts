// The target `es` with files as large as public APIs have them.
import { expect, test } from "vitest";
import { SchemaFolder } from "../../../test-kit/schema-folder.ts";

test("a file of thousands of messages takes the time of a test: its names are found once, not once a name", async () => {
  const count = 4_000;
  const messages = Array.from({ length: count }, (_, at) => `message M${at} { M${(at + 1) % count} next = 1; }`);
  using schema = new SchemaFolder({ "proto/a.proto": ['syntax = "proto3";', ...messages].join("\n") });
  expect((await schema.generate({ targets: ["es"] })).ok).toBe(true);
  expect(schema.read("gen/a_pb.ts")).toContain("  next?: M0 | undefined;\n");
});
