// Requests that cannot be, tools that do not work, and targets and compilers of one's own.
import type { Target } from "@raceway/core/target";
import { expect, test } from "vitest";
import { SchemaFolder } from "../test-kit/schema-folder.ts";
import type { SchemaCompiler } from "./compile/schema-compiler.ts";
import { generate } from "./generate.ts";

const a = { "proto/a.proto": 'syntax = "proto3"; service A { rpc X(M) returns (M); } message M {}' };

test("nothing to generate from", async () => {
  await expect(generate({ inputs: [], out: "gen" })).rejects.toMatchObject({
    kind: "usage",
    message: "There is nothing to generate from. Name .proto files, or folders that have some.",
  });
});

test("a file that is in two proto paths", async () => {
  using schema = new SchemaFolder({ ...a, "copy/a.proto": a["proto/a.proto"] });
  await expect(schema.generate({ protoPath: ["proto", "copy"] })).rejects.toMatchObject({ kind: "usage" });
  await expect(schema.generate({ protoPath: ["proto", "copy"] })).rejects.toThrow(
    /a\.proto is in more than one proto path: .*proto and .*copy\. Leave one of them out\./,
  );
});

test("a target that is not there, or speaks another contract", async () => {
  using schema = new SchemaFolder(a);
  await expect(schema.generate({ targets: ["nope" as "es"] })).rejects.toThrow(
    'There is no target "nope". Built in are es, ts, query, mock, json-schema, openapi, asyncapi, markdown and protoc.',
  );
  const future = { name: "future", contract: 2, generate: () => [] } as unknown as Target;
  await expect(schema.generate({ targets: [future] })).rejects.toThrow(
    "Target future speaks contract 2, this generator speaks 1.",
  );
});

test("a target of one's own, beside a built-in one", async () => {
  using schema = new SchemaFolder(a);
  const list: Target = {
    name: "list",
    contract: 1,
    generate: (model) =>
      model.files.map((file) => ({
        path: `${file.path}.txt`,
        source: file.path,
        text: `${file.services.map((one) => one.name).join("\n")}\n`,
      })),
  };
  await schema.generate({ targets: ["ts", list] });
  expect(schema.read("gen/a.proto.txt").split("\n").slice(1)).toEqual(["A", ""]);
  expect(schema.list()).toContain("a.client.ts");
  expect(schema.list()).not.toContain("a_pb.ts");
});

test("a compiler of one's own", async () => {
  using schema = new SchemaFolder(a);
  const compiler: SchemaCompiler = {
    name: "refusing",
    compile: (_, files) =>
      Promise.resolve({
        ok: false,
        findings: [{ file: files[0]!, line: 1, column: 1, endLine: 1, endColumn: 7, message: "no" }],
      }),
  };
  expect(await schema.findings({ compiler })).toBe(
    "schema_invalid at «syntax»: no; see the language's reference at https://protobuf.com/docs/language-spec.",
  );
});

test("imports between generated files end as they are wanted", async () => {
  for (const [importExtension, ending] of [
    ["js", ".js"],
    ["ts", ".ts"],
    ["none", ""],
  ] as const) {
    using schema = new SchemaFolder(a);
    await schema.generate({ importExtension });
    expect(schema.read("gen/a.contract.ts")).toContain(`from "./a_pb${ending}";`);
  }
});

test("schemas without services give messages only, and a service without methods compiles to nothing much", async () => {
  using schema = new SchemaFolder({
    "proto/m.proto": 'syntax = "proto3"; message M {}',
    "proto/e.proto": 'syntax = "proto3"; service Empty {}',
  });
  await schema.generate();
  expect(schema.list()).toEqual([
    ".raceway-manifest.json",
    "e.client.ts",
    "e.contract.ts",
    "e.server.ts",
    "e_pb.ts",
    "m_pb.ts",
  ]);
});

test("what others need is generated too, without their services", async () => {
  using schema = new SchemaFolder({
    ...a,
    "proto/b.proto": 'syntax = "proto3"; import "a.proto"; service B { rpc X(M) returns (M); }',
  });
  await schema.generate({ inputs: ["proto/b.proto"] });
  expect(schema.list()).toEqual([
    ".raceway-manifest.json",
    "a_pb.ts",
    "b.client.ts",
    "b.contract.ts",
    "b.server.ts",
    "b_pb.ts",
  ]);
});

test("a target that throws ends the run with its name, and nothing is written", async () => {
  using schema = new SchemaFolder(a);
  const broken: Target = {
    name: "broken",
    contract: 1,
    *generate() {
      yield { path: "a.txt", source: "a.proto", text: "" };
      throw new Error("no idea");
    },
  };
  await expect(schema.generate({ targets: ["ts", broken] })).rejects.toThrow("Target broken failed: no idea");
  expect(schema.list()).toEqual([]);
});

test("a target that gives no files, or whose file another one made, is told with its name or the file's", async () => {
  using schema = new SchemaFolder(a);
  const giving = (file: object): Target => ({ name: "giving", contract: 1, generate: () => [file as never] });
  await expect(schema.generate({ targets: [giving({ path: "a.txt", source: "a.proto" })] })).rejects.toThrow(
    "Target giving failed: it gave { path: 'a.txt', source: 'a.proto' }, and a file is { path, source, text }, all texts",
  );
  expect((await schema.generate({ targets: ["es", "es"] })).diagnostics).toMatchObject([
    {
      rule: "name_collision",
      message: "a_pb.ts is made twice",
      mend: "name each target once, and have no two of them write the same file.",
    },
  ]);
});

test("more files than one request of the compiler or of protoc-gen-es takes, in folders and beside them", async () => {
  const names = Array.from({ length: 60 }, (_, at) => `M${at}`);
  const file = (name: string): string =>
    `syntax = "proto3"; package demo.v1; import "common.proto"; message ${name} { Common common = 1; }`;
  using schema = new SchemaFolder({
    "proto/common.proto": 'syntax = "proto3"; package demo.v1; message Common {}',
    ...Object.fromEntries(names.map((name) => [`proto/all/${name.toLowerCase()}.proto`, file(name)])),
    // Not wanted, so it may be broken; its folder cannot stand for what is wanted in it.
    "proto/some/also.proto": file("Also"),
    "proto/some/wanted.proto": file("Wanted"),
    "proto/some/.hidden/broken.proto": "not protobuf",
  });
  const { ok, changes } = await schema.generate();
  expect(ok).toBe(true);
  expect(changes).toHaveLength(names.length + 3);
  const text = schema.read("gen/all/m7_pb.ts");
  expect(text).toContain('from "../common_pb.js"');
  // The same bytes as alone.
  using alone = new SchemaFolder({
    "proto/common.proto": schema.read("proto/common.proto"),
    "proto/all/m7.proto": schema.read("proto/all/m7.proto"),
  });
  await alone.generate();
  expect(alone.read("gen/all/m7_pb.ts")).toBe(text);
});
