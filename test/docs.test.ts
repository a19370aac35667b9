// What the docs say of errors, limits and options, held against the tables in the code, both ways.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Code } from "@connectrpc/connect";
import { type Option, type OptionTable, catalogue, limitTable } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { readWorkspace } from "./workspace-files.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** The text of a file of the workspace; "" if there is none. */
const readText = (path: string): string => (existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : "");
const workspace = readWorkspace(root);
/** Tables that packages do not export to their users, from the file itself. */
const load = async (file: string): Promise<Readonly<Record<string, OptionTable>>> =>
  (await import(pathToFileURL(join(root, file)).href)) as Readonly<Record<string, OptionTable>>;
const limitsOptions = (await load("packages/middleware/src/limits.ts"))["limitsOptions"]!;
const httpLimitTable = (await load("packages/server/src/http-limits.ts"))["httpLimitTable"]!;

interface Row {
  readonly name: string;
  readonly cells: readonly string[];
}

/** Rows of the tables under a heading (of the whole page, if none is given) whose first cell is a name in backquotes. */
function rows(page: string, heading?: string): Row[] {
  const part =
    heading === undefined ? page : (page.split(/^## /m).find((section) => section.startsWith(`${heading}\n`)) ?? "");
  return part.split("\n").flatMap((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    const name = /^`([\w.]+)`$/.exec(cells[1] ?? "")?.[1];
    return line.startsWith("|") && name !== undefined ? [{ name, cells: cells.slice(2, -1) }] : [];
  });
}

const number = (value: number): string => value.toLocaleString("en");
const codeName = (code: Code): string => Code[code].replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();

describe("docs/errors.md", () => {
  const page = rows(readText("docs/errors.md"));
  const reasons = Object.keys(catalogue) as (keyof typeof catalogue)[];

  it("has each reason of the catalogue once, and none else", () => {
    const names = page.map(({ name }) => name);
    expect(
      reasons.filter((reason) => !names.includes(reason)),
      "reasons in errors.ts without a row in docs/errors.md",
    ).toEqual([]);
    expect(
      names.filter((name) => !(reasons as string[]).includes(name)),
      "rows in docs/errors.md without a reason in errors.ts",
    ).toEqual([]);
    expect(
      names.filter((name, index) => names.indexOf(name) !== index),
      "reasons with two rows",
    ).toEqual([]);
  });

  it.each(reasons)("says of %s what the code says, and what to do", (reason) => {
    const { code, message } = catalogue[reason] as {
      readonly code: Code;
      readonly message: (values: object) => string;
    };
    const values = new Proxy({}, { get: (_, name) => `{${String(name)}}` });
    const [documentedCode, documentedMessage, whatToDo] = page.find(({ name }) => name === reason)?.cells ?? [];
    expect(documentedCode).toBe(`\`${codeName(code)}\``);
    expect(documentedMessage).toBe(message(values));
    expect(whatToDo, `docs/errors.md does not say what to do about ${reason}`).toMatch(/\w.*\.$/);
  });

  it("and the messages name only limits that exist", () => {
    const limits = new Set([...Object.keys(limitTable), ...Object.keys(httpLimitTable)]);
    const named = [...readText("docs/errors.md").matchAll(/limits\.(\w+)/g)].map(([, name]) => name!);
    expect(named.filter((name) => !limits.has(name) && name !== "ts")).toEqual([]);
  });
});

/** Where an option is no number, its README has it. */
function ofNumbers(table: OptionTable): OptionTable {
  return Object.fromEntries(Object.entries(table).filter(([, { kind }]) => kind === "number"));
}

describe.each([
  ["Sessions, calls and topics", limitTable],
  ["Principals and addresses", ofNumbers(limitsOptions)],
  ["HTTP", httpLimitTable],
] as const)("docs/limits.md, %s,", (heading, table) => {
  const page = rows(readText("docs/limits.md"), heading);

  it("has a row for each limit, with default, range and unit, in the order of the table, and what happens", () => {
    expect(page.map(({ name, cells }) => [name, ...cells.slice(0, 3)])).toEqual(
      Object.entries(table as OptionTable).map(([name, option]) => {
        const limit = option as Option & { readonly kind: "number" };
        return [name, number(limit.default), `${number(limit.min)} to ${number(limit.max)}`, limit.unit];
      }),
    );
    for (const { name, cells } of page)
      expect(cells[3], `docs/limits.md does not say what happens at ${name}`).toMatch(/\w.*\.$/);
  });

  it("names only reasons that exist", () => {
    const named = page.flatMap(({ cells }) => [...cells[3]!.matchAll(/\(`(\w+)`\)/g)].map(([, reason]) => reason!));
    expect(named.filter((reason) => !Object.hasOwn(catalogue, reason))).toEqual([]);
  });
});

/** An option table of a package, wherever it is: found by `OptionsOf<typeof …>`, the type that goes with each. */
interface FoundTable {
  readonly folder: string;
  readonly name: string;
  readonly file: string;
}
const elsewhere = new Set(["limitTable", "httpLimitTable"]); // in docs/limits.md
const tables: FoundTable[] = workspace.files
  .filter(({ path }) => /^packages\/[^/]+\/src\//.test(path) && !path.endsWith(".test.ts"))
  .flatMap(({ path, text }) =>
    [...text.matchAll(/OptionsOf<typeof (\w+)>/g)].map(([, name]) => ({
      folder: path.split("/").slice(0, 2).join("/"),
      name: name!,
      file: path,
    })),
  )
  .filter(({ name }) => !elsewhere.has(name));

/** What is missing of an option in a README, as a sentence; undefined if nothing is. */
function missing(readme: readonly Row[], name: string, option: Option): string | undefined {
  const wanted = wantedOf(option);
  const candidates = readme.filter((row) => row.name === name);
  if (candidates.length === 0) return `no row for option \`${name}\` (${wanted.join(", ")})`;
  const gaps = candidates.map(({ cells }) => {
    const text = cells.join(" ");
    const words = new Set([
      ...text.replace(/(?<=\d)[,_](?=\d{3})/g, "").split(/[^\w.-]+/), // 1,024 is 1024
      ...Array.from(text.matchAll(/`([^`]+)`/g), ([, code]) => code!), // a path, say
    ]);
    return wanted.filter((word) => !words.has(word));
  });
  if (gaps.some((gap) => gap.length === 0)) return undefined;
  return `the row of option \`${name}\` lacks ${gaps[0]!.join(", ")} (wanted: ${wanted.join(", ")})`;
}

/** What a row must tell: the default, and the range or the choices. */
function wantedOf(option: Option): string[] {
  switch (option.kind) {
    case "number":
      return [option.default, option.min, option.max].map(String);
    case "boolean":
      return [String(option.default)];
    case "text":
      return [option.default, ...(option.values ?? [])].filter(
        (word, index, all) => word !== "" && all.indexOf(word) === index,
      );
    case "list":
      return [...option.default];
  }
}

describe("the README of a package", () => {
  it.each(tables.map((table) => [`${table.folder}: ${table.name}`, table] as const))(
    "has all options: %s",
    async (_, { folder, name, file }) => {
      const module = await load(file);
      expect(Object.keys(module), `${file} must export ${name}: the README is held against it`).toContain(name);
      const readme = rows(readText(`${folder}/README.md`));
      const complaints = Object.entries(module[name]!).flatMap(
        ([option, value]) => missing(readme, option, value) ?? [],
      );
      expect(complaints, `${folder}/README.md, held against ${name} of ${file}`).toEqual([]);
    },
  );

  it("is there for each package, and begins with the package's name", () => {
    const packages = workspace.manifests.filter(({ folder }) => folder.startsWith("packages/"));
    const wrong = packages.filter(({ name, folder }) => !readText(`${folder}/README.md`).startsWith(`# ${name}\n`));
    expect(
      wrong.map(({ folder }) => `${folder}/README.md`),
      "missing, or with another title",
    ).toEqual([]);
  });
});

describe("the check of READMEs", () => {
  const table = "| `holdMs` | 25,000 | 100 to 300,000 | How long. |";

  it("takes a row with default and range, however the numbers are written", () => {
    const option = { kind: "number", default: 25_000, min: 100, max: 300_000, unit: "ms" } as const;
    expect(missing(rows(table), "holdMs", option)).toBeUndefined();
    expect(missing(rows("| `holdMs` | 25_000 (100–300000) |"), "holdMs", option)).toBeUndefined();
    expect(missing(rows(table), "holdMs", { ...option, max: 400_000 })).toBe(
      "the row of option `holdMs` lacks 400000 (wanted: 25000, 100, 400000)",
    );
    expect(missing(rows(table), "pollMs", option)).toBe("no row for option `pollMs` (25000, 100, 300000)");
  });

  it("wants the choices of a text, and the default of a flag", () => {
    const mode = { kind: "text", default: "long", values: ["long", "short"] } as const;
    expect(missing(rows('| `mode` | `"long"` | or `"short"` |'), "mode", mode)).toBeUndefined();
    expect(missing(rows("| `mode` | `long` | |"), "mode", mode)).toContain("lacks short");
    expect(missing(rows("| `on` | true | |"), "on", { kind: "boolean", default: false })).toContain("lacks false");
  });

  it("finds the tables of transports", () => {
    expect(tables.map(({ file }) => file)).toContain("packages/transport-websocket/src/options.ts");
  });
});
