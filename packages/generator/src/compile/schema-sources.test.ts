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

test("a package is found wherever it stands on its line, and not lost behind what only looks like a comment", () => {
  using schema = new SchemaFolder({
    "api/one/v1/line.proto": 'syntax = "proto3"; package one.v1; message M {}',
    "api/two/v1/after.proto": 'syntax = "proto3"; option go_package = "two/*"; // a comment\npackage two.v1; // */\n',
    "api/three/v1/inside.proto": "syntax = 'proto3'; package/* which */three.v1;",
  });
  expect(findSources(schema.path, ["api/one/v1", "api/two/v1", "api/three/v1"], []).files).toEqual([
    "one/v1/line.proto",
    "three/v1/inside.proto",
    "two/v1/after.proto",
  ]);
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

test("of proto paths within each other, a file's package says which is its own; a file with two names is refused", async () => {
  const uses = (path: string): string => `${text("a.v1")}import "${path}";\nmessage A { b.v1.B b = 1; }\n`;
  using schema = new SchemaFolder({
    "proto/a/v1/a.proto": uses("b/v1/b.proto"),
    "proto/sub/b/v1/b.proto": `${text("b.v1")}message B {}\n`,
  });
  const options = { protoPath: ["proto", "proto/sub"] };
  expect((await schema.generate(options)).diagnostics).toEqual([]);
  expect(schema.list()).toEqual([".raceway-manifest.json", "a/v1/a_pb.ts", "b/v1/b_pb.ts"]);
  schema.write({ "proto/a/v1/a.proto": uses("sub/b/v1/b.proto") });
  await expect(schema.generate(options)).rejects.toThrow(
    'proto/sub/b/v1/b.proto is imported as "b/v1/b.proto" and as "sub/b/v1/b.proto", by proto paths within each other.',
  );
});

test("skips what is hidden, node_modules and what is no file, and finds the rest in order", () => {
  using schema = new SchemaFolder({
    "b.proto": text("x"),
    "a.proto": text("x"),
    "node_modules/p/c.proto": text("x"),
    ".cache/d.proto": text("x"),
    "sub/e.proto": text("x"),
    "f.txt": "",
    "._a.proto": "\0\x05\x16\x07",
    "folder.proto/g.proto": text("x"),
  });
  // Emacs locks what is edited; and a link may lead to a folder, in circles, or to nothing.
  symlinkSync("user@host.1234", join(schema.path, ".#a.proto"));
  symlinkSync("folder.proto", join(schema.path, "linked.proto"));
  symlinkSync("circle.proto", join(schema.path, "circle.proto"));
  symlinkSync("gone.proto", join(schema.path, "dangling.proto"));
  symlinkSync("a.proto", join(schema.path, "same.proto"));
  expect(findSources(schema.path, ["."], ["."]).files).toEqual([
    "a.proto",
    "b.proto",
    "folder.proto/g.proto",
    "same.proto",
    "sub/e.proto",
  ]);
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
