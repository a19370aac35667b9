// The compiler that waits: it gives what the one that is started for each run gives, and leaves nothing behind.
import { spawnSync } from "node:child_process";
import { readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, test, vi } from "vitest";
import { SchemaFolder } from "../../test-kit/schema-folder.ts";
import { bufCompiler } from "./buf.ts";
import type { CompileResult } from "./schema-compiler.ts";
import { findSources, type SchemaSources } from "./schema-sources.ts";
import { StandbyBuf } from "./standby-buf.ts";

const deep = "a-name-of-many-letters/".repeat(8);
const files = {
  "proto/shop/v1/item.proto": 'syntax = "proto3"; package shop.v1; message Item { string name = 1; }',
  "proto/shop/v1/service.proto": `edition = "2023"; package shop.v1;
// What is sold.
import public "shop/v1/item.proto"; /* import "nowhere.proto"; */
import 'raceway/v1/options.proto'; import "google/protobuf/empty.proto";
service Items { rpc Get(Item) returns (google.protobuf.Empty) { option (raceway.v1.channel).call = { timeout: { seconds: 1 } }; } }`,
  "proto/unrelated.proto": 'syntax = "proto3"; broken',
  [`other/${deep}far.proto`]: 'syntax = "proto3"; import "shop/v1/item.proto"; message Far { shop.v1.Item like = 1; }',
};

const sourcesIn = (folder: SchemaFolder): SchemaSources =>
  findSources(folder.path, ["proto", "other"], ["proto", "other"]);

/** Files by name, and after which each comes. */
function shown(result: CompileResult): unknown {
  if (!result.ok) return result.findings;
  const names = result.set.file.map(({ name }) => name);
  for (const [at, { dependency }] of result.set.file.entries())
    for (const one of dependency) expect(names.indexOf(one)).toBeLessThan(at);
  const file = result.set.file.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return toJson(FileDescriptorSetSchema, { ...result.set, file });
}

test.each([
  ["options, comments, imports of all kinds", {}, ["shop/v1/service.proto"]],
  ["a path of more than a hundred letters", {}, [`${deep}far.proto`]],
  ["several files", {}, ["shop/v1/item.proto", "shop/v1/service.proto", `${deep}far.proto`]],
  [
    "an import that is written in escapes",
    {
      "proto/e.proto": String.raw`syntax = "proto3"; import "\x73hop/v1/item.proto"; message E { shop.v1.Item i = 1; }`,
    },
    ["e.proto"],
  ],
  ["what is wrong", { "proto/e.proto": 'syntax = "proto3";\nmessage E {\n  Nothing x = 1;\n}' }, ["e.proto"]],
  ["an import of nothing", { "proto/e.proto": 'syntax = "proto3"; import "gone.proto";' }, ["e.proto"]],
  ["an import of what is outside", { "proto/e.proto": 'syntax = "proto3"; import "../other/x.proto";' }, ["e.proto"]],
])("%s: as by a compiler that is started for it, also when nothing waits", async (_, more, wanted) => {
  using folder = new SchemaFolder({ ...files, ...more });
  const sources = sourcesIn(folder);
  await using standby = new StandbyBuf();
  const expected = shown(await bufCompiler().compile(sources, wanted));
  expect(shown(await standby.compile(sources, wanted))).toEqual(expected);
  standby.standBy();
  standby.standBy();
  expect(shown(await standby.compile(sources, wanted))).toEqual(expected);
});

test("it compiles what is there when it is asked, not when it was started", async () => {
  using folder = new SchemaFolder(files);
  await using standby = new StandbyBuf();
  standby.standBy();
  folder.write({ "proto/shop/v1/item.proto": 'syntax = "proto3"; package shop.v1; message Item { bytes late = 7; }' });
  const result = await standby.compile(sourcesIn(folder), ["shop/v1/item.proto"]);
  expect(result.ok && result.set.file.at(-1)!.messageType[0]!.field.map(({ name }) => name)).toEqual(["late"]);
});

test("a file in two roots is refused, though one of them would do", async () => {
  using folder = new SchemaFolder({ ...files, "other/shop/v1/item.proto": files["proto/shop/v1/item.proto"] });
  await using standby = new StandbyBuf();
  standby.standBy();
  const sources = sourcesIn(folder);
  const result = await standby.compile(sources, ["shop/v1/service.proto"]);
  expect(!result.ok && result.findings[0]!.message).toContain("is contained in multiple modules");
  expect(result).toEqual(await bufCompiler().compile(sources, ["shop/v1/service.proto"]));
});

test("an abort ends it with the signal's reason; the next is as if nothing had been", async () => {
  using folder = new SchemaFolder(files);
  await using standby = new StandbyBuf();
  standby.standBy();
  const stopping = new AbortController();
  const compiled = standby.compile(sourcesIn(folder), ["shop/v1/service.proto"], stopping.signal);
  stopping.abort(new Error("enough"));
  await expect(compiled).rejects.toThrow("enough");
  expect((await standby.compile(sourcesIn(folder), ["shop/v1/service.proto"])).ok).toBe(true);
});

test("closed, it leaves no file behind, and what is asked of it then is compiled all the same", async () => {
  using folder = new SchemaFolder(files);
  using temporary = new SchemaFolder({});
  vi.stubEnv("TMPDIR", temporary.path);
  try {
    const standby = new StandbyBuf();
    await standby.compile(sourcesIn(folder), ["shop/v1/item.proto"]);
    standby.standBy();
    expect(readdirSync(temporary.path)).toHaveLength(1);
    await standby[Symbol.asyncDispose]();
    expect(readdirSync(temporary.path)).toEqual([]);
    standby.standBy();
    expect((await standby.compile(sourcesIn(folder), ["shop/v1/item.proto"])).ok).toBe(true);
    expect(readdirSync(temporary.path)).toEqual([]);
  } finally {
    vi.unstubAllEnvs();
  }
});

test("a process ends though a compiler waits in it", () => {
  using temporary = new SchemaFolder({
    "main.mts": `import { StandbyBuf } from ${JSON.stringify(join(realpathSync(import.meta.dirname), "standby-buf.ts"))};
new StandbyBuf().standBy();`,
  });
  const args = ["--disable-warning=ExperimentalWarning", "-C", "@raceway/source", join(temporary.path, "main.mts")];
  const env = { ...process.env, TMPDIR: temporary.path };
  const ran = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 50_000,
  });
  expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, "", ""]);
});
