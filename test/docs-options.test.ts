// What can be set is in the README of its package, each option in a table with its default; and what a README says can be set is in the code.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "rolldown/utils";
import { describe, expect, it } from "vitest";
import { readWorkspace } from "./workspace-files.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const workspace = readWorkspace(root);
/** Contracts and kits for authors: what they take is told by the types, and in the guides. */
const forAuthors = new Set(["packages/core", "packages/testkit"]);
/** Parts of `raceway()`, by themselves for who builds another host. */
const parts = new Set(["packages/server ./node", "packages/server ./fetch"]);
/** Tables of limits, which docs.test.ts holds against docs/limits.md. */
const limits = new Set(["limitTable", "httpLimitTable"]);

interface Property {
  /** "ConnectOptions.staggerMs". */
  readonly owner: string;
  readonly name: string;
  readonly optional: boolean;
}

type Program = ReturnType<typeof parseSync>["program"];
type Statement = Program["body"][number];
type Declaration = NonNullable<Extract<Statement, { type: "ExportNamedDeclaration" }>["declaration"]>;
type Member = Extract<Declaration, { type: "TSInterfaceDeclaration" }>["body"]["body"][number];
type Type = Extract<Declaration, { type: "TSTypeAliasDeclaration" }>["typeAnnotation"];

const parse = (path: string): ReturnType<typeof parseSync> => parseSync(path, readFileSync(join(root, path), "utf8"));

/** Names that a package's users can import. */
function exportedBy(folder: string, entries: ReadonlyMap<string, ReadonlyMap<string, string>>): ReadonlySet<string> {
  const names = new Set<string>();
  const take = (file: string): void => {
    for (const { exportName, moduleRequest } of parse(file).module.staticExports.flatMap((each) => each.entries)) {
      if (exportName.name !== null) names.add(exportName.name);
      else if (moduleRequest?.value.startsWith(".") === true) take(join(dirname(file), moduleRequest.value));
    }
  };
  for (const [entry, files] of entries)
    if (!parts.has(`${folder} ${entry}`)) for (const file of files.values()) take(file);
  return names;
}

function membersOf(type: Type): readonly Member[] {
  if (type.type === "TSTypeLiteral") return type.members;
  return type.type === "TSIntersectionType" ? type.types.flatMap(membersOf) : [];
}

/** Properties of the exported types that are called "…Options", and of tables of options. */
function propertiesOf(folder: string, exported: ReadonlySet<string>): readonly Property[] {
  return workspace.files
    .filter(({ path }) => path.startsWith(`${folder}/src/`) && !path.endsWith(".test.ts"))
    .flatMap(({ path, text }) => {
      const named = Array.from(text.matchAll(/OptionsOf<typeof (\w+)>/g), ([, name]) => name!);
      const tables = new Set(named.filter((name) => !limits.has(name)));
      return parse(path).program.body.flatMap((statement): readonly Property[] => {
        const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
        switch (declaration?.type) {
          case "TSInterfaceDeclaration":
          case "TSTypeAliasDeclaration": {
            const owner = declaration.id.name;
            if (!owner.endsWith("Options") || !exported.has(owner)) return [];
            const members =
              declaration.type === "TSInterfaceDeclaration"
                ? declaration.body.body
                : membersOf(declaration.typeAnnotation);
            return members.flatMap((member) =>
              (member.type === "TSPropertySignature" || member.type === "TSMethodSignature") &&
              member.key.type === "Identifier"
                ? [{ owner, name: member.key.name, optional: member.optional }]
                : [],
            );
          }
          case "VariableDeclaration":
            return declaration.declarations.flatMap(({ id, init }) => {
              const object = init?.type === "TSAsExpression" ? init.expression : init;
              if (id.type !== "Identifier" || !tables.has(id.name) || object?.type !== "ObjectExpression") return [];
              return object.properties.flatMap((property) =>
                property.type === "Property" && property.key.type === "Identifier"
                  ? [{ owner: id.name, name: property.key.name, optional: false }] // its default is compared by docs.test.ts
                  : [],
              );
            });
          default:
            return [];
        }
      });
    });
}

interface Row {
  readonly name: string;
  readonly default: string;
}

/** Rows of the tables with a column "option", or "option of …". */
function rowsOf(page: string): readonly Row[] {
  const rows: Row[] = [];
  let columns: readonly string[] = [];
  for (const line of page.split("\n")) {
    const cells = line.startsWith("|")
      ? line
          .split(/(?<!\\)\|/)
          .slice(1, -1)
          .map((cell) => cell.trim())
      : [];
    const isHead = columns.length === 0;
    if (isHead || cells.length === 0) columns = cells;
    const at = columns.findIndex((name) => /^option\b/.test(name));
    if (isHead) continue;
    for (const [, name] of (cells[at] ?? "").matchAll(/`(\w+)`/g))
      rows.push({ name: name!, default: cells[columns.indexOf("default")] ?? "" });
  }
  return rows;
}

/** `known`: names of options of all packages, for a README may tell of what its package takes along from another. */
function complaints(properties: readonly Property[], rows: readonly Row[], known: ReadonlySet<string>): string[] {
  return [
    ...properties.flatMap(({ owner, name, optional }) => {
      const own = rows.filter((row) => row.name === name);
      if (own.length === 0) return [`${owner}.${name} has no row`];
      return optional && own.every((row) => row.default === "") ? [`${owner}.${name} has no default`] : [];
    }),
    ...rows.filter(({ name }) => !known.has(name)).map(({ name }) => `there is no option ${name}`),
  ];
}

describe("options", () => {
  const folders = workspace.manifests.filter(
    ({ folder, entries }) => folder.startsWith("packages/") && !forAuthors.has(folder) && entries.size > 0,
  );

  const found = new Map(
    folders.map(({ folder, entries }) => [folder, propertiesOf(folder, exportedBy(folder, entries))] as const),
  );
  const all = [...found.values()].flat();
  const known = new Set(all.map(({ name }) => name));

  it.each([...found])("of %s are in its README, and none that are not there", (folder, properties) => {
    const readme = readFileSync(join(root, folder, "README.md"), "utf8");
    expect(complaints(properties, rowsOf(readme), known), `${folder}/README.md`).toEqual([]);
  });

  it("are found: those of connect() and of raceway() among them", () => {
    const names = all.map(({ owner, name }) => `${owner}.${name}`);
    for (const name of ["ConnectOptions.staggerMs", "RacewayOptions.backplane", "websocketOptions.maxBatchBytes"])
      expect(names).toContain(name);
    expect(all.length).toBeGreaterThan(200);
  });

  it("without a row, without a default, or of the README alone are told", () => {
    const rows = rowsOf(
      "| option | default |\n| - | - |\n| `one` | 1 |\n| `two` | |\n| `three` | 3 |\n\n| `four` | 4 |\n",
    );
    const property = (name: string, optional = true): Property => ({ owner: "Options", name, optional });
    expect(
      complaints([property("one"), property("two"), property("five")], rows, new Set(["one", "two", "four"])),
    ).toEqual(["Options.two has no default", "Options.five has no row", "there is no option three"]);
    expect(complaints([property("two", false)], rows, new Set())).not.toContain("Options.two has no default");
  });
});
