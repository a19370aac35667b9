// Every TypeScript block of README, docs, packages and templates compiles as it stands there, under the strict settings.
import { cpSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "@raceway/generator";
import { parseSync } from "rolldown/utils";
import { expect, it } from "vitest";
import { type Exports, generatedBeside, readDocCode, withImports } from "./docs-code.ts";
import { CodeFolder } from "./generator/type-check.ts";
import { readWorkspace } from "./workspace-files.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const pages = globSync(["README.md", "docs/**/*.md", "packages/*/README.md", "templates/*/README.md"], { cwd: root })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => !path.includes("node_modules"))
  .toSorted();

/** What the entries of Raceway's packages export, by name. */
function exportsOf(): Exports {
  const exports = new Map<string, { from: string; type: boolean }[]>();
  for (const { name, entries } of readWorkspace(root).manifests.filter(({ folder }) => folder.startsWith("packages/")))
    for (const [entry, files] of entries) {
      const from = name + entry.slice(1);
      if (from === "@raceway/core/internal") continue; // nobody's but Raceway's own
      const file = files.get("default") ?? files.get("any");
      if (file === undefined) continue;
      for (const [exported, type] of namesOf(file)) {
        const places = exports.get(exported) ?? [];
        exports.set(exported, [...places, { from, type }]);
      }
    }
  return exports;
}

/** The names that a file exports, and whether each is a type. */
function namesOf(file: string): [name: string, type: boolean][] {
  const { module } = parseSync(file, readFileSync(join(root, file), "utf8"));
  return module.staticExports
    .flatMap(({ entries }) => entries)
    .flatMap(({ exportName, isType, importName, moduleRequest }) => {
      if (exportName.name !== null) return [[exportName.name, isType] as [string, boolean]];
      const from = moduleRequest?.value ?? "";
      return importName.kind === "AllButDefault" && from.startsWith(".") ? namesOf(join(dirname(file), from)) : [];
    });
}

/** Schemas that a page shows as whole files, by their path below the folder of schemas. */
function schemasOf(page: string): [path: string, text: string][] {
  const blocks = page.matchAll(/^```proto\n\/\/ (?:schemas\/)?(\S+\.proto)\n([^]*?)^```$/gm);
  return Array.from(blocks, ([, path, text]) => [path!, text!]);
}

async function generateInto(folder: CodeFolder, out: string, schemas: string): Promise<void> {
  const { diagnostics } = await generate({
    inputs: [schemas],
    out: join(folder.path, out),
    importExtension: "ts",
    targets: ["es", "ts", "query", "mock"],
  });
  expect(diagnostics, out).toEqual([]);
}

/** The package that a template is, with its sources in the place of what is built of them. */
function installTemplate(folder: CodeFolder, template: string): void {
  const manifest = readFileSync(join(root, template, "package.json"), "utf8");
  const { name } = JSON.parse(manifest) as { name: string };
  const sources = manifest.replaceAll(/\.\/dist\/([\w-]+)(?:\.d\.ts|\.js)/g, "./src/$1.ts");
  folder.write(join("node_modules", name, "package.json"), sources);
  cpSync(join(root, template, "src"), join(folder.path, "node_modules", name, "src"), { recursive: true });
}

/** A page with a mistake, to show that one is seen, and where. */
const planted = `# Planted

\`\`\`ts
const app = raceway({ transports: [websocket()], codec: [] });
\`\`\`
`;

it("compiles, each block of each page, and what does not is told by page and line", { timeout: 120_000 }, async () => {
  using folder = new CodeFolder();
  const exports = exportsOf();
  await generateInto(folder, "chat-gen", join(root, "examples/chat/schemas"));
  for (const template of globSync("templates/plugin-*", { cwd: root })) installTemplate(folder, template);
  const problems: string[] = [];
  let compiled = 0;
  const texts = pages.map((page) => [page, readFileSync(join(root, page), "utf8")] as const);
  for (const [page, text] of [...texts, ["planted.md", planted] as const]) {
    const code = readDocCode(text);
    problems.push(...code.problems.map((problem) => `${page}: ${problem}`));
    const schemas = schemasOf(text);
    for (const [path, schema] of schemas) folder.write(join(page, "schemas", path), schema);
    for (const module of code.modules) {
      const { path, text: source } = withImports(module, exports);
      folder.write(join(page, path), source);
      const gen = generatedBeside(module);
      if (gen !== undefined && schemas.length > 0)
        await generateInto(folder, join(page, gen), join(folder.path, page, "schemas"));
      else if (gen !== undefined)
        cpSync(join(folder.path, "chat-gen"), join(folder.path, page, gen), { recursive: true });
      compiled += 1;
    }
  }
  const settings = { jsx: "react-jsx", declaration: false, isolatedDeclarations: false };
  const fragments = { noUnusedLocals: false, noUnusedParameters: false, noPropertyAccessFromIndexSignature: false };
  const errors = folder
    .typeErrors({ ...settings, ...fragments })
    .map((line) => line.replace(/^tmp\/(.*?\.md)\/[^(]*\((\d+),\d+\)/, "$1:$2"));
  expect([...problems, ...errors]).toEqual([expect.stringMatching(/^planted\.md:4: error TS\d+: .*codec/)]);
  expect(compiled).toBeGreaterThan(100);
});

it("takes hidden lines, files, halves and surroundings, each line where it stands", () => {
  const page = [
    "# A page", // line 1
    "<!-- ts",
    "declare const url: string;",
    "-->",
    "```ts",
    'import { x } from "x";',
    "// server",
    "serve(x);",
    "// client, in a page",
    "connect(url);",
    "```",
    "<!-- ts: within const it = { … }; -->",
    "```ts",
    "run() {}",
    "```",
    "```ts",
    "// src/a.ts",
    "// A file.",
    'import "b";',
    "```",
    "```sh",
    "npm test",
    "```",
  ].join("\n");
  const { modules, problems } = readDocCode(page);
  expect(problems).toEqual([]);
  const numbered = modules.map(({ path, text }) => [
    path,
    text.split("\n").flatMap((line, at) => (line === "" ? [] : [`${at + 1} ${line}`])),
  ]);
  expect(numbered).toEqual([
    ["line-7.ts", ["3 declare const url: string;", '6 import { x } from "x";', "7 // server", "8 serve(x);"]],
    [
      "line-9.ts",
      ["3 declare const url: string;", '6 import { x } from "x";', "9 // client, in a page", "10 connect(url);"],
    ],
    ["line-14.ts", ["13 const it = {", "14 run() {}", "15 };"]],
    ["src/a.ts", ["17 // src/a.ts", "18 // A file.", '19 import "b";']],
  ]);
});

it("leaves out only what says why, and refuses marks that it does not know", () => {
  const block = (mark: string): string => `# A page\n${mark}\n\`\`\`ts\n}\n\`\`\`\n`;
  expect(readDocCode(block("<!-- ts: apart, it is half a line -->"))).toEqual({
    modules: [],
    apart: [{ line: 3, reason: "it is half a line" }],
    problems: [],
  });
  expect(readDocCode(block("<!-- ts: apart -->"))).toMatchObject({
    modules: [{ path: "line-4.ts" }],
    problems: ['line 2: "apart" is no mark'],
  });
  expect(readDocCode("# A page\n<!-- ts: apart, why -->\n```sh\n```\n").problems).toEqual([
    "line 3: a mark, and no TypeScript",
  ]);
});

it("imports what a fragment takes for granted, of the half that it is", () => {
  const exports: Exports = new Map([
    ["raceway", [{ from: "@raceway/server", type: false }]],
    ["Plugin", [{ from: "@raceway/core", type: true }]],
    ["sse", ["client", "server"].map((half) => ({ from: `@raceway/transport-sse/${half}`, type: false }))],
  ]);
  const first = (text: string): string => withImports({ path: "a.ts", text }, exports).text.split("\n")[0]!;
  expect(first("\nraceway({ transports: [sse()] });")).toBe(
    'import { raceway } from "@raceway/server"; import { sse } from "@raceway/transport-sse/server"; ',
  );
  expect(first("\nconst sse = 1, plugin: Plugin = sse;")).toBe('import type { Plugin } from "@raceway/core"; ');
  expect(first("\nuse(sse());")).toBe('import { sse } from "@raceway/transport-sse/client"; ');
});
