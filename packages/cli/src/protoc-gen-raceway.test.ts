// The executable `protoc-gen-raceway`, started by the real buf and the real protoc as their users would have it.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CodeGeneratorRequestSchema, CodeGeneratorResponseSchema } from "@bufbuild/protobuf/wkt";
import { answerProtoc, generate, openapi } from "@raceway/generator";
import { expect, test, vi } from "vitest";

// Each starts processes, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const generator = dirname(createRequire(import.meta.url).resolve("@raceway/generator/package.json"));
const buf = join(
  dirname(createRequire(join(generator, "src/index.ts")).resolve("@bufbuild/buf/package.json")),
  "bin/buf",
);
const protoc = join(dirname(createRequire(import.meta.url).resolve("protoc/package.json")), "protoc.cjs");
const schemas = join(import.meta.dirname, "../../../schemas");
const executable = [process.execPath, "-C", "@raceway/source", join(import.meta.dirname, "protoc-gen-raceway.ts")];

const note = `syntax = "proto3";
package demo.v1;
import "demo/v1/room.proto";
import "raceway/v1/options.proto";

// What somebody says.
message Note { optional string text = 1; Room room = 2; }
service ChatService {
  option (raceway.v1.service_policy) = { auth: { require: { scopes: ["secret-scope"] } } };
  rpc Say(Note) returns (Note);
  rpc Notes(Room) returns (stream Note) { option (raceway.v1.channel) = { topic: { address: "{name}" } }; }
}
`;
const room = `edition = "2023"; package demo.v1; message Room { string name = 1; }\n`;

/** A user's project, in which `npm install` has put the schemas of the options where it does. */
class Project implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "raceway-buf-"));

  constructor(note: string) {
    const modules = [{ path: "proto" }, { path: "node_modules/@raceway/generator/schemas" }];
    this.#write("buf.yaml", JSON.stringify({ version: "v2", modules }));
    this.#write("proto/demo/v1/note.proto", note);
    this.#write("proto/demo/v1/room.proto", room);
    this.#write("protoc-gen-raceway", `#!/bin/sh\nexec ${executable.map((part) => `'${part}'`).join(" ")}\n`);
    chmodSync(join(this.path, "protoc-gen-raceway"), 0o755);
    mkdirSync(join(this.path, "node_modules/@raceway/generator"), { recursive: true });
    symlinkSync(schemas, join(this.path, "node_modules/@raceway/generator/schemas"));
  }

  buf(opt: readonly string[] = []): SpawnSyncReturns<string> {
    const plugin = { local: "./protoc-gen-raceway", out: "gen", strategy: "all", opt };
    this.#write("buf.gen.yaml", JSON.stringify({ version: "v2", inputs: [{ directory: "proto" }], plugins: [plugin] }));
    const env = { ...process.env, BUF_CACHE_DIR: join(this.path, "cache") };
    return spawnSync(process.execPath, [buf, "generate"], { cwd: this.path, encoding: "utf8", env });
  }

  /** Of all schemas in `proto`. */
  protoc(opt: readonly string[]): SpawnSyncReturns<string> {
    mkdirSync(join(this.path, "gen"));
    const roots = ["proto", "node_modules/@raceway/generator/schemas"].flatMap((root) => ["-I", root]);
    const out = ["--raceway_out=gen", `--raceway_opt=${opt.join(",")}`];
    const plugin = `--plugin=protoc-gen-raceway=${join(this.path, "protoc-gen-raceway")}`;
    const files = ["demo/v1/note.proto", "demo/v1/room.proto"];
    return spawnSync(process.execPath, [protoc, plugin, ...roots, ...out, ...files], {
      cwd: this.path,
      encoding: "utf8",
    });
  }

  /** Text by path of all files in a folder, without the manifest. */
  files(folder: string): Readonly<Record<string, string>> {
    const root = join(this.path, folder);
    if (!existsSync(root)) return {};
    return Object.fromEntries(
      readdirSync(root, { recursive: true, encoding: "utf8", withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== ".raceway-manifest.json")
        .map((entry) => join(entry.parentPath, entry.name))
        .toSorted()
        .map((path) => [path.slice(root.length + 1), readFileSync(path, "utf8")]),
    );
  }

  #write(name: string, text: string): void {
    mkdirSync(dirname(join(this.path, name)), { recursive: true });
    writeFileSync(join(this.path, name), text);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

test.each(["buf", "protoc"] as const)("%s gives what raceway generate gives, byte for byte", async (tool) => {
  using project = new Project(note);
  const opt = ["target=es", "target=ts", "target=openapi", "openapi.title=Chat", "import_extension=ts"];
  const { status, stderr } = project[tool](opt);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  await generate({
    inputs: ["proto"],
    out: "own",
    cwd: project.path,
    importExtension: "ts",
    targets: ["es", "ts", openapi({ title: "Chat" })],
  });
  const files = project.files("gen");
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining(["demo/v1/note_pb.ts", "demo/v1/room_pb.ts", "demo/v1/note.client.ts"]),
  );
  expect(files).toEqual(project.files("own"));
  expect(files["demo/v1/note_pb.ts"]).not.toContain("secret-scope");
  expect(files["demo/v1/note_pb.ts"]).toContain("What somebody says.");
});

test("without options it gives descriptors, handlers and clients", () => {
  using project = new Project(note);
  expect(project.buf().status).toBe(0);
  expect(Object.keys(project.files("gen"))).toEqual([
    "demo/v1/note.client.ts",
    "demo/v1/note.contract.ts",
    "demo/v1/note.server.ts",
    "demo/v1/note_pb.ts",
    "demo/v1/room_pb.ts",
  ]);
});

test.each(["buf", "protoc"] as const)(
  "by %s, what is wrong with a schema is said with file and line, and nothing is written",
  (tool) => {
    using project = new Project(note.replace("{name}", "{nam}"));
    const { status, stderr } = project[tool](["target=ts"]);
    expect(status).not.toBe(0);
    expect(stderr).toContain("demo/v1/note.proto:11: error address_field_unknown: ");
    expect(stderr).toContain("; mend: ");
    expect(project.files("gen")).toEqual({});
  },
);

test.each([
  ["targets=ts", '"targets=ts" is no option of protoc-gen-raceway. It takes target=NAME'],
  ["import_extension=mjs", "import_extension=js|ts|none"],
  ["target=tss", 'There is no target "tss"; did you mean ts?'],
  ["openapi.title=Chat", "add target=openapi"],
  ["target=openapi,openapi.titel=Chat", "titel"],
])("%s is refused, with what there is", async (parameter, said) => {
  const request = toBinary(CodeGeneratorRequestSchema, create(CodeGeneratorRequestSchema, { parameter }));
  const warnings: string[] = [];
  const response = fromBinary(
    CodeGeneratorResponseSchema,
    await answerProtoc(request, (line) => void warnings.push(line)),
  );
  expect(response.error).toContain(said);
  expect([response.file, warnings]).toEqual([[], []]);
});

test("what is no request, and a person, are told what it is for", () => {
  const [node = "", ...args] = executable;
  const garbage = spawnSync(node, args, { input: "hello, is this on?", encoding: "utf8" });
  expect([garbage.status, garbage.stdout]).toEqual([1, ""]);
  expect(garbage.stderr).toMatch(/^protoc-gen-raceway: \S/);
  const help = spawnSync(node, [...args, "--help"], { encoding: "utf8" });
  expect([help.status, help.stdout]).toEqual([2, ""]);
  expect(help.stderr).toContain("buf generate");
});
