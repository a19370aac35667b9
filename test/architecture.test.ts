// The drawing of who may import whom, held against the sources; then against planted mistakes, to show that it sees them.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { findings } from "./import-rules.ts";
import { importsOf, manifestOf, type PackageJson, readWorkspace } from "./workspace-files.ts";

const workspace = readWorkspace(fileURLToPath(new URL("..", import.meta.url)));

test("every file and package of the workspace keeps to the drawing", { timeout: 60_000 }, () => {
  expect(workspace.files.length).toBeGreaterThan(20);
  expect(workspace.manifests.map(({ name }) => name)).toContain("@raceway/core");
  expect(findings(workspace)).toEqual([]);
});

/** A small workspace of the same shape, with the files given. */
function planted(
  files: Readonly<Record<string, string>>,
  changed: Readonly<Record<string, Partial<PackageJson>>> = {},
): string[] {
  const entry = (file: string): object => ({ "@raceway/source": `./src/${file}`, default: "./dist/x.js" });
  const transport: PackageJson = {
    name: "",
    exports: {
      "./client": { browser: entry("client.ts"), default: entry("client-node.ts") },
      "./server": entry("server.ts"),
    },
    dependencies: { "@raceway/core": "workspace:*", ws: "1" },
    devDependencies: { "@raceway/server": "workspace:*" },
  };
  const packages: Record<string, PackageJson> = {
    ".": { name: "root", devDependencies: { vitest: "1" } },
    test: { name: "raceway-test", dependencies: { "@raceway/client": "workspace:*" } },
    "packages/core": {
      name: "@raceway/core",
      exports: { ".": entry("index.ts"), "./internal": entry("internal.ts"), "./node": entry("node.ts") },
      dependencies: { "@connectrpc/connect": "1", ws: "1" },
    },
    "packages/client": {
      name: "@raceway/client",
      exports: { ".": entry("index.ts") },
      dependencies: { "@raceway/core": "1" },
    },
    "packages/server": {
      name: "@raceway/server",
      exports: { ".": entry("index.ts") },
      dependencies: { "@raceway/core": "1" },
    },
    "packages/transport-sse": { ...transport, name: "@raceway/transport-sse" },
  };
  return findings({
    files: Object.entries(files).map(([path, code]) => ({ path, text: `// A file.\n${code}\n` })),
    manifests: Object.entries(packages).map(([folder, json]) => manifestOf(folder, { ...json, ...changed[folder] })),
  });
}

test.each<[name: string, path: string, code: string, finding: string]>([
  [
    "core importing a library",
    "packages/core/src/a.ts",
    `import "ws";`,
    "core may import @bufbuild/protobuf and @connectrpc/connect only",
  ],
  ["core importing a sibling", "packages/core/src/a.ts", `import "@raceway/client";`, "core may import no sibling"],
  ["client importing server", "packages/client/src/a.ts", `import "@raceway/server";`, "client may import core only"],
  [
    "client importing a transport",
    "packages/client/src/a.ts",
    `export * from "@raceway/transport-sse/client";`,
    "client may import core only",
  ],
  [
    "server importing client",
    "packages/server/src/a.ts",
    `import type { A } from "@raceway/client";`,
    "server may import core only",
  ],
  [
    "server importing a transport",
    "packages/server/src/a.ts",
    `await import("@raceway/transport-sse/server");`,
    "server may import core only",
  ],
  [
    "a transport importing server",
    "packages/transport-sse/src/server.ts",
    `import "@raceway/server";`,
    "transport-* may import core only",
  ],
  [
    "a transport using core/internal",
    "packages/transport-sse/src/server.ts",
    `import "@raceway/core/internal";`,
    "for core, client, server, testkit only",
  ],
  [
    "a transport's client importing its server",
    "packages/transport-sse/src/client-a.ts",
    `import "./server-a.ts";`,
    "the client side of a transport imports its server side",
  ],
  [
    "a transport's server importing its client",
    "packages/transport-sse/src/server.ts",
    `import "./client.ts";`,
    "the server side of a transport imports its client side",
  ],
  [
    "a relative path into another package",
    "packages/client/src/a.ts",
    `import "../../core/src/a.ts";`,
    "a relative path from packages/client into packages/core",
  ],
  [
    "a relative path into bench, from a test",
    "packages/client/src/a.test.ts",
    `import "../../../bench/a.ts";`,
    "a relative path from packages/client into bench",
  ],
  [
    "a source importing from test",
    "packages/client/src/a.ts",
    `import "../../../test/gen/a.ts";`,
    "a relative path from packages/client into test",
  ],
  [
    "something importing the test package",
    "packages/client/src/a.ts",
    `import "raceway-test";`,
    "nothing imports test, bench, examples or the root",
  ],
  ["a source importing a test", "packages/client/src/a.ts", `import "./b.test.ts";`, "a source imports a test"],
  [
    "a source importing what is not shipped",
    "packages/client/src/a.ts",
    `import "../test-kit/b.ts";`,
    "a source imports a test",
  ],
  [
    "an entry that does not exist",
    "test/a.test.ts",
    `import "@raceway/client/secret";`,
    "@raceway/client has no such entry",
  ],
  [
    "an undeclared library",
    "packages/client/src/a.ts",
    `type A = import("ws").Data;`,
    "not declared in packages/client/package.json",
  ],
  [
    "a library declared for development only",
    "packages/transport-sse/src/a.ts",
    `import "yaml";`,
    "not declared in packages/transport-sse/package.json",
  ],
  [
    "an undeclared library in a test",
    "packages/client/src/a.test.ts",
    `import "ws";`,
    "not declared in packages/client/package.json",
  ],
  ["an undeclared package in tools", "tools/a.ts", `import "@raceway/client";`, "not declared in ./package.json"],
  [
    "Vitest in a source",
    "packages/server/src/a.ts",
    `import "vitest";`,
    "Vitest belongs into tests and the testkit's ./vitest",
  ],
  ["a Node module by its old name", "packages/server/src/a.ts", `import "fs";`, `say "node:fs"`],
])("sees %s", (_, path, code, finding) => {
  const specifier = /"(.+)"/.exec(code)?.[1] ?? "";
  const name = finding.replace("transport-* may", "transport-sse may");
  expect(planted({ [path]: code })).toEqual([`${path} → ${specifier}: ${name}`]);
});

test("sees what a browser entry reaches, however far away, and names the way", () => {
  const reached = "a browser entry reaches what runs in Node only";
  expect(
    planted({
      "packages/transport-sse/src/client.ts": `import "./a.ts";`,
      "packages/transport-sse/src/a.ts": `import "./b.ts";`,
      "packages/transport-sse/src/b.ts": `import type { Socket } from "node:net"; import "ws"; import "@raceway/core/node";`,
      "packages/transport-sse/src/client-node.ts": `import "node:net";`,
      "packages/transport-sse/src/server.ts": `import "node:http"; import "ws";`,
      "packages/core/src/index.ts": `import "node:fs";`,
      "packages/core/src/node.ts": `import "node:fs";`,
    }),
  ).toEqual([
    `packages/core/src/index.ts → node:fs: ${reached}`,
    `packages/transport-sse/src/client.ts → a.ts → b.ts → node:net: ${reached}`,
    `packages/transport-sse/src/client.ts → a.ts → b.ts → ws: ${reached}`,
    `packages/transport-sse/src/client.ts → a.ts → b.ts → @raceway/core/node: ${reached}`,
  ]);
});

test("sees a dependency that leads users into the wrong package, a wrong name and a package without a rule", () => {
  const client = { dependencies: { "@raceway/core": "1", "@raceway/server": "1" } };
  expect(planted({}, { "packages/client": client })).toEqual([
    "packages/client/package.json → @raceway/server: client may import core only",
  ]);
  expect(planted({}, { "packages/client": { name: "@raceway/kunde" } })).toEqual([
    "packages/client/package.json: the name is @raceway/kunde, the folder client",
  ]);
  expect(findings({ files: [], manifests: [manifestOf("packages/odd", { name: "@raceway/odd" })] })).toEqual([
    "packages/odd/package.json: test/import-rules.ts does not say what odd may import",
  ]);
});

test("sees a file without a first sentence and a long one without a reason", () => {
  const head = (text: string): string[] => findings({ files: [{ path: "tools/a.ts", text }], manifests: [] });
  const lines = "\n".repeat(400) + "export {};\n";
  expect(head("export {};\n")).toEqual(["tools/a.ts: begins with no comment that says in a sentence what the file is"]);
  expect(head("// Utilities\nexport {};\n")).toHaveLength(1);
  expect(head(`// A file.${lines}`)).toEqual([
    `tools/a.ts: 401 lines; above 400 the first comment gives the reason ("… because …")`,
  ]);
  expect(head(`// A file, in one piece because its\n// parts share a table.${lines}`)).toEqual([]);
});

test("lets tests import more, and does not take text in strings for imports", () => {
  const good = planted({
    "packages/transport-sse/src/a.test.ts": `import "vitest"; import "@raceway/server"; import "@raceway/core/internal"; import "../../../test/gen/a.ts";`,
    "packages/client/src/a.ts": `import "@raceway/core/internal"; export const code = 'import "ws";';`,
    "test/a.ts": `import "@raceway/client"; import "../tools/services.mjs";`,
  });
  expect(good).toEqual([]);
  const text = `import a, { type B } from "a"; export * from "b"; export { c } from "c"; type D = import("d").D; await import("e"); import("f" + a); export const g = 'from "g"';`;
  expect(importsOf({ path: "a.ts", text })).toEqual(["a", "b", "c", "d", "e"]);
});
