// What git does to generated files: merges of branches, and checkouts with other line ends.
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "@raceway/core/target";
import { expect, test } from "vitest";
import { SchemaFolder } from "../../test-kit/schema-folder.ts";

test("where two branches meet that both generated, what either of them made is known, and generated anew", async () => {
  const meet = (mine: string, theirs: string): string => {
    const [first, second] = [mine, theirs].map((text) => text.split("\n"));
    const same = first!.findIndex((line, at) => line !== second![at]);
    const end = first!.toReversed().findIndex((line, at) => line !== second![second!.length - 1 - at]);
    const part = (lines: readonly string[]): readonly string[] => lines.slice(same, lines.length - end);
    const between = ["<<<<<<< HEAD", ...part(first!), "=======", ...part(second!), ">>>>>>> theirs"];
    return [...first!.slice(0, same), ...between, ...first!.slice(first!.length - end)].join("\n");
  };
  const schemaOf = (name: string): string => `syntax = "proto3"; message ${name} {}`;
  const options = { targets: ["json-schema", "es"] } as const;
  using schema = new SchemaFolder({ "proto/a.proto": schemaOf("A"), "proto/b.proto": schemaOf("Mine") });
  await schema.generate(options);
  const files = [".raceway-manifest.json", "b.schema.json", "b_pb.ts"];
  const mine = files.map((file) => schema.read(`gen/${file}`));
  schema.write({ "proto/b.proto": schemaOf("Theirs"), "proto/c.proto": schemaOf("C") });
  await schema.generate(options);
  const theirs = files.map((file) => schema.read(`gen/${file}`));
  rmSync(join(schema.path, "proto/c.proto"));
  schema.write(Object.fromEntries(files.map((file, at) => [`gen/${file}`, meet(mine[at]!, theirs[at]!)])));
  expect(schema.read("gen/.raceway-manifest.json")).toContain("<<<<<<< HEAD");
  const { diagnostics, changes } = await schema.generate(options);
  expect(diagnostics).toEqual([]);
  expect(changes.map(({ path, change }) => `${path} ${change}`)).toEqual([
    "a.schema.json unchanged",
    "a_pb.ts unchanged",
    "b.schema.json changed",
    "b_pb.ts changed",
    "c.schema.json deleted",
    "c_pb.ts deleted",
  ]);
  expect((await schema.generate({ ...options, check: true })).ok).toBe(true);
});

test("what git on Windows has written with its own line ends is unchanged, and deleted if it is no longer made", async () => {
  using schema = new SchemaFolder({
    "proto/new.proto": 'syntax = "proto3"; message New {}',
    "proto/old.proto": 'syntax = "proto3"; message Old {}',
  });
  await schema.generate();
  const asWindows = (): void => {
    for (const file of schema.list())
      schema.write({ [`gen/${file}`]: schema.read(`gen/${file}`).replaceAll(/\r?\n/g, "\r\n") });
  };
  asWindows();
  expect(await schema.generate({ check: true })).toMatchObject({ ok: true, diagnostics: [] });
  rmSync(join(schema.path, "proto/old.proto"));
  const { diagnostics, changes } = await schema.generate();
  expect(diagnostics).toEqual([]);
  expect(changes.filter(({ change }) => change !== "unchanged").map(({ path }) => path)).toEqual(["old_pb.ts"]);
  // Also what a target writes so is the same the next time.
  const lister: Target = {
    name: "lister",
    contract: 1,
    generate: (model) => model.files.map(({ path }) => ({ path: `${path}.txt`, source: path, text: "a\r\nb\r\n" })),
  };
  const own = { targets: [lister] };
  await schema.generate(own);
  expect((await schema.generate(own)).changes.map(({ change }) => change)).toEqual(["unchanged"]);
});
