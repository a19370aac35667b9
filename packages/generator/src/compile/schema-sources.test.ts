// Which files are meant by inputs and proto paths, and where their import paths begin.
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SchemaFolder } from "../../test-kit/schema-folder.ts";
import { findSources } from "./schema-sources.ts";

const text = (scope: string): string => `syntax = "proto3";\npackage ${scope};\n`;

test("a file's package says where its import path begins", () => {
  using schema = new SchemaFolder({
    "api/chat/v1/room.proto": `/* package not.this; */\n// package nor.this;\n${text("chat.v1")}`,
    "api/other.proto": 'syntax = "proto3";\n',
    "flat/x.proto": text("deep.down.v1"),
  });
  const sources = findSources(schema.path, ["api/chat", "api/other.proto", "flat"], []);
  expect(sources.files).toEqual(["chat/v1/room.proto", "other.proto", "x.proto"]);
  expect(sources.roots.slice(0, 2)).toEqual([join(schema.path, "api"), join(schema.path, "flat")]);
  expect(sources.shown("chat/v1/room.proto")).toBe("api/chat/v1/room.proto");
});

test("proto paths decide, when they are given", () => {
  using schema = new SchemaFolder({ "api/chat/v1/room.proto": text("chat.v1") });
  expect(findSources(schema.path, ["api"], ["."]).files).toEqual(["api/chat/v1/room.proto"]);
  expect(() => findSources(schema.path, ["api"], ["api/chat/v1", "nowhere"])).toThrow(
    "The proto path nowhere is not a folder.",
  );
  mkdirSync(join(schema.path, "empty"));
  expect(() => findSources(schema.path, ["api"], ["empty"])).toThrow(
    "api is in none of the proto paths empty. Add the folder that its imports are relative to.",
  );
});

test("skips hidden folders and node_modules, and finds the rest in order", () => {
  using schema = new SchemaFolder({
    "b.proto": text("x"),
    "a.proto": text("x"),
    "node_modules/p/c.proto": text("x"),
    ".cache/d.proto": text("x"),
    "sub/e.proto": text("x"),
    "f.txt": "",
  });
  expect(findSources(schema.path, ["."], ["."]).files).toEqual(["a.proto", "b.proto", "sub/e.proto"]);
});

test("says what is wrong with inputs", () => {
  using schema = new SchemaFolder({ "docs/readme.md": "" });
  expect(() => findSources(schema.path, ["nope.proto"], [])).toThrow(
    "There is no nope.proto. Name .proto files, or folders that have some.",
  );
  expect(() => findSources(schema.path, ["docs"], [])).toThrow("There is no .proto file in docs.");
});

test("brings its own options along, unless the proto paths have them", () => {
  using schema = new SchemaFolder({ "proto/a.proto": text("a"), "own/raceway/v1/options.proto": text("raceway.v1") });
  const bundled = findSources(schema.path, ["proto"], ["proto"]);
  expect(bundled.text("raceway/v1/options.proto")).toContain("extend google.protobuf.MethodOptions");
  const own = findSources(schema.path, ["proto"], ["proto", "own"]);
  expect(own.roots).toEqual([...bundled.roots.slice(0, 1), join(schema.path, "own"), ...bundled.roots.slice(2)]);
  expect(own.text("raceway/v1/options.proto")).toBe(text("raceway.v1"));
});

test("follows a link to a folder of schemas, as package managers make them", async () => {
  using schema = new SchemaFolder({ "store/pkg/chat/v1/room.proto": `${text("chat.v1")}message M {}\n` });
  symlinkSync(join(schema.path, "store/pkg"), join(schema.path, "linked"));
  const result = await schema.generate({ inputs: ["linked/chat"], protoPath: ["linked"] });
  expect(result.diagnostics).toEqual([]);
  expect(schema.list()).toContain("chat/v1/room_pb.ts");
});
