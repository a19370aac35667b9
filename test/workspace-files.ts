// The workspace as data for test/architecture.test.ts: every source file with its imports and every package.json.
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { parseSync, Visitor } from "rolldown/utils";

export interface SourceFile {
  /** From the root of the workspace, with "/". */
  readonly path: string;
  readonly text: string;
}

export interface Manifest {
  readonly name: string;
  /** Where its package.json is; "." for the root. */
  readonly folder: string;
  /** Entry ("." or "./client") → the source files that it may stand for; one per condition such as "browser". */
  readonly entries: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** What a user of the package gets along with it: dependencies and peerDependencies. */
  readonly shipped: readonly string[];
  readonly dev: readonly string[];
}

export interface Workspace {
  readonly files: readonly SourceFile[];
  readonly manifests: readonly Manifest[];
}

/** Templates are not part of it: each is a workspace of its own, installed and tested by itself. */
const sources = [
  "*.ts",
  "tools/**/*.{ts,mjs}",
  "test/**/*.{ts,tsx}",
  "bench/**/*.ts",
  "examples/**/*.ts",
  "packages/*/{src,test,test-kit}/**/*.ts",
  "packages/*/tools/**/*.{ts,mjs}",
];
const leftOut = (name: string): boolean =>
  ["node_modules", "dist", "gen", "_expected", "coverage"].includes(name) || name.startsWith("tmp-"); // what other tests write while this is read

export function readWorkspace(root: string): Workspace {
  const find = (pattern: string | readonly string[]): string[] =>
    globSync(pattern, { cwd: root, exclude: leftOut })
      .map((path) => path.replaceAll("\\", "/"))
      .toSorted();
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  return {
    files: find(sources).map((path) => ({ path, text: read(path) })),
    manifests: find(["package.json", "{packages,examples}/*/package.json", "{test,bench}/package.json"]).map((path) =>
      manifestOf(posix.dirname(path), JSON.parse(read(path)) as PackageJson),
    ),
  };
}

export interface PackageJson {
  readonly name: string;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export function manifestOf(folder: string, json: PackageJson): Manifest {
  const entries = Object.entries(json.exports ?? {}).map(
    ([entry, target]) => [entry, new Map(sourcesOf(folder, target, "any"))] as const,
  );
  return {
    name: json.name,
    folder,
    entries: new Map(entries),
    shipped: Object.keys({ ...json.dependencies, ...json.peerDependencies }),
    dev: Object.keys(json.devDependencies ?? {}),
  };
}

/** Walks the conditions down to "@raceway/source"; under "browser" and "default" they are kept apart. */
function* sourcesOf(folder: string, target: unknown, condition: string): Generator<[condition: string, file: string]> {
  if (typeof target !== "object" || target === null) return;
  for (const [key, value] of Object.entries(target)) {
    if (key === "@raceway/source" && typeof value === "string") yield [condition, posix.join(folder, value)];
    else yield* sourcesOf(folder, value, key);
  }
}

/** What a file imports, re-exports, imports at run time or names in a type, in the order of the text. Text inside of strings does not count. */
export function importsOf({ path, text }: SourceFile): string[] {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const found: string[] = [];
  const take = (node: { readonly source: { readonly type: string; readonly value?: unknown } | null }): void => {
    if (node.source?.type === "Literal" && typeof node.source.value === "string") found.push(node.source.value);
  };
  new Visitor({
    ImportDeclaration: take,
    ExportNamedDeclaration: take,
    ExportAllDeclaration: take,
    ImportExpression: take,
    TSImportType: take,
  }).visit(program);
  return found;
}

/** The comment that a file begins with, as one line of text; "" if it begins with code. A `#!` line may come before. */
export function headOf({ text }: SourceFile): string {
  const lines = text.split("\n");
  if (lines[0]?.startsWith("#!")) lines.shift();
  const end = lines.findIndex((line) => !line.startsWith("//"));
  const comment = lines.slice(0, end === -1 ? lines.length : end);
  return comment.map((line) => line.slice(2).trim()).join(" ");
}
