// What is compared with what, and at which level; with the real git and buf.
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../test-kit/schema-folder.ts";
import { SchemaHistory, changes, lines } from "../../test-kit/schema-history.ts";
import { bufCompiler } from "../compile/buf.ts";
import { findSources } from "../compile/schema-sources.ts";
import { breakingLevels, breakingRules } from "./breaking-rules.ts";
import { findBreaking } from "./find-breaking.ts";
import { withImportMarks } from "./import-mark.ts";

const before = `service S {
  rpc Say(M) returns (M) { option (raceway.v1.policy).max_concurrent = 9; }
  rpc Gone(M) returns (M);
  rpc Streamed(M) returns (M);
}
service T { rpc A(M) returns (M); rpc B(M) returns (M); }
message M { string text = 1; int32 size = 2; int32 count = 3; }
message Unused {}
`;
const after = `service S {
  rpc Say(M) returns (M) { option (raceway.v1.policy).max_concurrent = 8; }
  rpc Streamed(M) returns (stream M);
}
message M { string text = 1; string size = 2; uint32 count = 3; }
`;

test("each level includes those before it", async () => {
  const wire = await changes(before, after, { level: "wire" });
  expect(wire).toMatchInlineSnapshot(`
    "channel_removed at proto/demo/v1/demo.proto: the service demo.v1.T is gone, and with it the channels A, B
    channel_removed at 8: the channel demo.v1.S/Gone is gone
    wire_changed at 10: RPC "Streamed" on service "S" changed from server unary to server streaming (buf: RPC_SAME_SERVER_STREAMING)
    wire_changed at 12: Field "2" with name "size" on message "M" changed type from "int32" to "string" (buf: FIELD_WIRE_JSON_COMPATIBLE_TYPE)"
  `);
  const source = await changes(before, after, { level: "source" });
  expect(without(source, wire)).toMatchInlineSnapshot(`
    "source_changed at proto/demo/v1/demo.proto: Previously present message "Unused" was deleted from file (buf: MESSAGE_NO_DELETE)
    source_changed at 12: Field "3" with name "count" on message "M" changed type from "int32" to "uint32" (buf: FIELD_SAME_TYPE)"
  `);
  expect(without(await changes(before, after), source)).toMatchInlineSnapshot(
    `"limit_lowered at 9: Say: max_concurrent was 9, and is 8"`,
  );
});

function without(text: string, known: string): string {
  const said = new Set(known.split("\n"));
  return text
    .split("\n")
    .filter((line) => !said.has(line))
    .join("\n");
}

test("a finding has its place in the new schema, the lines around it, and the mend", async () => {
  using history = new SchemaHistory(demo(before));
  history.write(demo(before.replace("= 9", "= 8")));
  expect(await history.breaking()).toEqual([
    {
      rule: "limit_lowered",
      severity: "error",
      message: "Say: max_concurrent was 9, and is 8",
      mend: "write at least 9.",
      at: "demo.v1.S/Say",
      file: "proto/demo/v1/demo.proto",
      range: { line: 9, column: 28, endLine: 9, endColumn: 74 },
      frame: expect.stringContaining("^^^^") as string,
    },
  ]);
});

test("files that are gone, moved or new", async () => {
  const other = 'syntax = "proto3"; package demo.v1; service Other { rpc A(O) returns (O); } message O {}';
  using history = new SchemaHistory({ ...demo(before), "proto/demo/v1/other.proto": other });
  rmSync(join(history.path, "proto/demo/v1/other.proto"));
  expect(lines(await history.breaking({ level: "wire" }))).toBe(
    "channel_removed at demo/v1/other.proto: the service demo.v1.Other is gone, and with it the channel A",
  );
  expect(lines(await history.breaking({ level: "source" }))).toContain(
    '"demo/v1/other.proto" was deleted (buf: FILE_NO_DELETE)',
  );
  history.write({ "proto/demo/v1/moved.proto": other });
  expect(await history.breaking({ level: "wire" })).toEqual([]);
});

test("branches and tags; the repository, its index and its working tree stay as they are", async () => {
  using history = new SchemaHistory(demo(before));
  history.git("tag", "v1");
  history.git("checkout", "-q", "-b", "work");
  history.write(demo(before.replace("= 9", "= 7")));
  history.git("add", "-A");
  history.write(demo(before.replace("= 9", "= 8")));
  const status = history.git("status", "--porcelain=v2");
  for (const against of ["main", "v1", "HEAD"])
    expect(lines(await history.breaking({ against }))).toBe("limit_lowered at 9: Say: max_concurrent was 9, and is 8");
  expect(history.git("status", "--porcelain=v2")).toBe(status);
  expect(history.git("stash", "list")).toBe("");
  history.commit();
  expect(await history.breaking()).toEqual([]);
});

test("from a folder of the repository, through a link, and with imports that git does not keep", async () => {
  const uses = before.replace(
    "service S {",
    'import "lib/part.proto";\nmessage Uses { lib.Part part = 1; }\nservice S {',
  );
  const part = 'syntax = "proto3"; package lib; message Part {}';
  const moved = Object.fromEntries(Object.entries(demo(uses)).map(([path, text]) => [`api/${path}`, text]));
  using history = new SchemaHistory({ ...moved, ".gitignore": "deps\n" });
  history.write({ "api/deps/lib/part.proto": part });
  symlinkSync(join(history.path, "api"), join(history.path, "link"), "junction");
  const options = { protoPath: ["proto", "deps"] };
  for (const folder of ["api", "link"]) {
    history.write({ "api/proto/demo/v1/demo.proto": moved["api/proto/demo/v1/demo.proto"]! });
    expect(await history.breaking({ ...options, cwd: join(history.path, folder) })).toEqual([]);
    history.write({ "api/proto/demo/v1/demo.proto": moved["api/proto/demo/v1/demo.proto"]!.replace("= 9", "= 8") });
    expect(await history.breaking({ ...options, cwd: join(history.path, folder) })).toHaveLength(1);
  }
});

test("in a hook of git, whose variables mean another index", async () => {
  using history = new SchemaHistory(demo(before));
  using elsewhere = new SchemaHistory(demo(after));
  history.write(demo(before.replace("= 9", "= 8")));
  process.env["GIT_DIR"] = join(elsewhere.path, ".git");
  process.env["GIT_INDEX_FILE"] = join(elsewhere.path, ".git/index");
  try {
    expect(await history.breaking()).toHaveLength(1);
  } finally {
    delete process.env["GIT_DIR"];
    delete process.env["GIT_INDEX_FILE"];
  }
});

test("against a compiled set, of buf or of protoc", async () => {
  using folder = new SchemaFolder(demo(before));
  const sources = findSources(folder.path, ["proto"], []);
  const compiled = await bufCompiler().compile(sources, sources.files);
  if (!compiled.ok) throw new Error("it compiles");
  const image = withImportMarks(compiled.set, new Set(sources.files));
  writeFileSync(join(folder.path, "image.binpb"), toBinary(FileDescriptorSetSchema, image));
  writeFileSync(join(folder.path, "set.binpb"), toBinary(FileDescriptorSetSchema, compiled.set));
  folder.write(demo(after));
  using history = new SchemaHistory(demo(before));
  history.write(demo(after));
  const expected = lines(await history.breaking());
  for (const against of ["image.binpb", "set.binpb"])
    expect(lines((await findBreaking({ inputs: ["proto"], cwd: folder.path, against })) ?? [])).toBe(expected);
});

test("what cannot be compared with is told", async () => {
  using history = new SchemaHistory(demo(before));
  history.write({ "new/a.proto": 'syntax = "proto3"; package a;', "text.binpb": "no set", "empty.binpb": "" });
  await expect(history.breaking({ against: "nowhere" })).rejects.toThrow("nowhere is neither a file nor a revision");
  await expect(history.breaking({ against: "--help" })).rejects.toThrow("--help is neither a file nor a revision");
  expect(await findBreaking({ inputs: ["new"], cwd: history.path, against: "HEAD" })).toBeUndefined();
  await expect(history.breaking({ against: "text.binpb" })).rejects.toThrow("text.binpb is no compiled schema");
  await expect(history.breaking({ against: "empty.binpb" })).rejects.toThrow("empty.binpb has no schema");
  using bare = new SchemaFolder(demo(before));
  mkdirSync(join(bare.path, "sub"));
  await expect(findBreaking({ inputs: ["proto"], cwd: bare.path, against: "main" })).rejects.toThrow(
    /in no git repository, and main is no file/,
  );
  await expect(history.breaking({ inputs: [join(bare.path, "proto")] })).rejects.toThrow("outside of the repository");
});

test("an old schema that does not compile is told with its place; errors of the new one are findings", async () => {
  using history = new SchemaHistory(demo(before.replace("string text", "Strin text")));
  history.write(demo(before));
  await expect(history.breaking()).rejects.toThrow(/The schemas of HEAD do not compile: demo\/v1\/demo\.proto:14: /);
  history.commit();
  history.write(demo(before.replace("string text", "Strin text")));
  expect(lines(await history.breaking())).toContain("name_unknown at 14");
});

test("docs/breaking.md has each rule with its level and its sentence, and no others", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../../docs/breaking.md"), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)`\s*\| (\w+)\s*\| (.*?)\s*\|$/gm)];
  expect(Object.fromEntries(rows.map(([, rule, level, sentence]) => [rule, { level, sentence }]))).toEqual(
    breakingRules,
  );
  const levels = [...page.matchAll(/^\| (wire|source|behaviour)\s*\| /gm)].map(([, level]) => level);
  expect(levels).toEqual(breakingLevels);
});

test("each finding has the name of what it is about, which is the same when lines move", async () => {
  const old = `syntax = "proto3"; package names.v1;
    service S { rpc Gone(M) returns (M); rpc Stays(M) returns (M); }
    service Left { rpc A(M) returns (M); }
    message M { string text = 1; string by = 2; Kind kind = 3; message Inner { int32 count = 1; oneof one { int32 a = 2; } } Inner inner = 4; }
    message Unused { string text = 1; }
    enum Kind { KIND_UNSPECIFIED = 0; KIND_ONE = 1; KIND_TWO = 2; }`;
  using history = new SchemaHistory({ "proto/names/v1/names.proto": old });
  const edit = (...edits: readonly (readonly [string, string])[]): string =>
    edits.reduce((text, [from, to]) => {
      expect(text).toContain(from);
      return text.replace(from, to);
    }, old);
  const text = edit(
    ["rpc Gone(M) returns (M); ", ""],
    ["service Left { rpc A(M) returns (M); }", ""],
    ["string by = 2; ", ""],
    ["int32 count = 1", "string count = 1"],
    [" KIND_TWO = 2;", ""],
    ["message Unused { string text = 1; }", ""],
  );
  const names = async (written: string): Promise<readonly string[]> => {
    history.write({ "proto/names/v1/names.proto": written });
    const found = (await history.breaking()).map(({ rule, at }) => `${rule} ${at}`);
    return found.toSorted();
  };
  const expected = [
    "channel_removed names.v1.Left",
    "channel_removed names.v1.S/Gone",
    "source_changed names.v1.Unused",
    "wire_changed names.v1.Kind.KIND_TWO",
    "wire_changed names.v1.M.Inner.count",
    "wire_changed names.v1.M.by",
  ];
  expect(await names(text)).toEqual(expected);
  expect(await names(`\n\n// moved\n${text}`)).toEqual(expected);
});

test("what is one change to people is one finding, with the name of what changed, and none hides another", async () => {
  const old = `syntax = "proto3";
package one.v1;
message M {
  string gone = 1;
  string named = 2;
  map<string, string> map = 3;
  oneof old { string a = 4; string b = 5; }
  string free = 6;
  Kind kind = 7;
  enum Kind { KIND_UNSPECIFIED = 0; }
}
message Whole { message Part { message Smaller {} } enum Kind { WHOLE = 0; } }
`;
  const edited = `syntax = "proto3";
package one.v1;
message M {
  string called = 2;
  repeated string map = 3;
  oneof new { string a = 4; string b = 5; string free = 6; }
}
`;
  using history = new SchemaHistory({ "proto/one/v1/one.proto": old });
  history.write({ "proto/one/v1/one.proto": edited });
  const found = await history.breaking();
  expect(found.map(({ rule, at, message }) => `${rule} ${at}: ${message}`).join("\n")).toMatchInlineSnapshot(`
    "source_changed one.v1.Whole: Previously present message "Whole" was deleted from file (buf: MESSAGE_NO_DELETE)
    source_changed one.v1.M.Kind: Previously present enum "M.Kind" was deleted from file (buf: ENUM_NO_DELETE)
    wire_changed one.v1.M.gone: Previously present field "1" with name "gone" on message "M" was deleted without reserving the name "gone" and number "1" (buf: FIELD_NO_DELETE_UNLESS_NAME_RESERVED, FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED)
    wire_changed one.v1.M.kind: Previously present field "7" with name "kind" on message "M" was deleted without reserving the name "kind" and number "7" (buf: FIELD_NO_DELETE_UNLESS_NAME_RESERVED, FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED)
    wire_changed one.v1.M.called: Field "2" with name "called" on message "M" changed option "json_name" from "named" to "called" and on message "M" changed name from "named" to "called" (buf: FIELD_SAME_JSON_NAME, FIELD_SAME_NAME)
    wire_changed one.v1.M.map: Field "3" with name "map" on message "M" changed cardinality from "map" to "repeated" and type from "message" to "string" (buf: FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY, FIELD_WIRE_JSON_COMPATIBLE_TYPE)
    wire_changed one.v1.M.a: Field "4" with name "a" on message "M"q moved from oneof "old" to oneof "new" (buf: FIELD_SAME_ONEOF)
    wire_changed one.v1.M.b: Field "5" with name "b" on message "M"q moved from oneof "old" to oneof "new" (buf: FIELD_SAME_ONEOF)
    wire_changed one.v1.M.free: Field "6" with name "free" on message "M" moved from outside to inside a oneof (buf: FIELD_SAME_ONEOF)"
  `);
});

test("what other languages are told, and the same in an edition, break nothing; presence that changes does, once", async () => {
  const old = `syntax = "proto3";
package other.v1;
message M { string plain = 1; optional string maybe = 2; Kind kind = 3; }
enum Kind { KIND_UNSPECIFIED = 0; }
`;
  const edition = (more = ""): string => `edition = "2023";
package other.v1;
option features.field_presence = IMPLICIT;
option go_package = "example.com/other";
option java_package = "com.example.other";
option java_multiple_files = true;
message M { string plain = 1${more}; string maybe = 2 [features.field_presence = EXPLICIT]; Kind kind = 3; }
enum Kind { KIND_UNSPECIFIED = 0; }
`;
  using history = new SchemaHistory({ "proto/other/v1/other.proto": old });
  history.write({ "proto/other/v1/other.proto": edition() });
  expect(await history.breaking()).toEqual([]);
  history.write({ "proto/other/v1/other.proto": edition(" [features.field_presence = LEGACY_REQUIRED]") });
  history.commit();
  history.write({ "proto/other/v1/other.proto": edition(" [features.field_presence = EXPLICIT]") });
  const found = await history.breaking();
  expect(found.map(({ rule, at }) => `${rule} ${at}`)).toEqual(["wire_changed other.v1.M.plain"]);
});
