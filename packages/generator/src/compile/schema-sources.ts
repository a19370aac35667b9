// The schema files of a run: proto paths, what is to be generated, and the text behind each import path.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { compareText } from "../diagnostic.ts";
import { GenerateFailure } from "../failure.ts";
import { pathProblem } from "../path-problem.ts";
import { SourceText } from "../source-text.ts";
import { visibleText } from "../visible-text.ts";
import { bundledSchemas } from "./bundled-schemas.ts";

export interface SchemaSources {
  /** Absolute folders that import paths are relative to; the last ones may be the generator's own. */
  readonly roots: readonly string[];
  /** Import paths of what is to be generated, sorted. */
  readonly files: readonly string[];
  /** Absolute path of an import path; undefined for what is not in the roots (the compiler has `google/protobuf`). */
  locate(file: string): string | undefined;
  /** As people are shown it: relative to the working folder. */
  shown(file: string): string;
  /** A root as people are shown it. */
  shownRoot(root: string): string;
  /** "" if it cannot be read. */
  text(file: string): string;
  /** The same, with its lines. */
  source(file: string): SourceText;
  /** The same files, whose text is read again. */
  anew(): SchemaSources;
}

/**
 * Finds the files that inputs (files or folders) mean. Without proto paths, each file's own package says where its import
 * path begins: `proto/chat/v1/room.proto` of package `chat.v1` belongs to `proto`.
 */
export function findSources(cwd: string, inputs: readonly string[], protoPaths: readonly string[]): SchemaSources {
  const given = protoPaths.map((path) => folder(cwd, path));
  const roots = new Set(given);
  const files = new Set<string>();
  for (const input of inputs) {
    const path = resolve(cwd, input);
    if (!existsSync(path))
      throw new GenerateFailure("usage", `There is no ${input}. Name .proto files, or folders that have some.`);
    const isFolder = statSync(path).isDirectory();
    // A pipe or a device would be waited for, or read without an end.
    if (!isFolder && !(path.endsWith(".proto") && isFile(path)))
      throw new GenerateFailure(
        "usage",
        `${input} is no .proto file that can be read. Name .proto files, or folders that have some.`,
      );
    const found = isFolder ? protosIn(path) : [path];
    if (found.length === 0) throw new GenerateFailure("usage", `There is no .proto file in ${input}.`);
    for (const file of found) {
      const root = given.length > 0 ? rootAmong(given, file) : rootOf(file, isFolder ? path : resolve(path, ".."));
      if (root === undefined) {
        throw new GenerateFailure(
          "usage",
          `${input} is in none of the proto paths ${protoPaths.join(", ")}. Add the folder that its imports are relative to.`,
        );
      }
      const name = posix(relative(root, file));
      const problem = pathProblem(name);
      if (problem !== undefined) {
        throw new GenerateFailure(
          "usage",
          `The schema file ${visibleText(name)} cannot be generated from: ${problem}. Rename it.`,
        );
      }
      roots.add(root);
      files.add(name);
    }
  }
  const theirs = [...roots];
  for (const { root, file } of bundledSchemas())
    if (!theirs.some((one) => existsSync(join(one, file)))) roots.add(root);
  return sourcesOf(cwd, [...roots], [...files].toSorted(compareText));
}

function sourcesOf(cwd: string, roots: readonly string[], files: readonly string[]): SchemaSources {
  const texts = new Map<string, SourceText>();
  const locate = (file: string): string | undefined => {
    for (const root of roots) if (existsSync(join(root, file))) return join(root, file);
    return undefined;
  };
  const source = (file: string): SourceText => {
    let text = texts.get(file);
    if (text === undefined) {
      const path = locate(file);
      texts.set(file, (text = new SourceText(path === undefined ? "" : readFileSync(path, "utf8"))));
    }
    return text;
  };
  return {
    roots,
    files,
    locate,
    shown(file) {
      const path = locate(file);
      return path === undefined ? file : posix(relative(cwd, path));
    },
    shownRoot: (root) =>
      bundledSchemas().some((bundled) => bundled.root === root)
        ? "the generator's own schemas"
        : posix(relative(cwd, root)) || ".",
    text: (file) => source(file).text,
    source,
    anew: () => sourcesOf(cwd, roots, files),
  };
}

function folder(cwd: string, path: string): string {
  const absolute = resolve(cwd, path);
  if (!existsSync(absolute) || !statSync(absolute).isDirectory())
    throw new GenerateFailure("usage", `The proto path ${path} is not a folder.`);
  return absolute;
}

/**
 * Sorted; without `node_modules` and folders behind links, whose files are other people's, and without what is hidden: editors and systems keep
 * locks and shadows of files there, such as `.#room.proto`, a link that leads nowhere.
 */
function protosIn(path: string): readonly string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith(".") && name !== "node_modules")
    .toSorted((a, b) => compareText(a.name, b.name))
    .flatMap((entry) => {
      const at = join(path, entry.name);
      if (entry.isDirectory()) return protosIn(at);
      return entry.name.endsWith(".proto") && isFile(at) ? [at] : [];
    });
}

/** Also behind a link. A link may lead nowhere, or round in circles. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Of proto paths within each other, the one that the file's package says, as those say who import it; else the first. */
function rootAmong(given: readonly string[], file: string): string | undefined {
  const [first, ...others] = given.filter((one) => inside(one, file));
  if (first === undefined || others.length === 0) return first;
  const own = rootOf(file, first);
  return others.includes(own) ? own : first;
}

function rootOf(file: string, otherwise: string): string {
  const declared = packageIn(withoutComments(readFileSync(file, "utf8")));
  const parent = resolve(file, "..");
  if (declared === undefined) return otherwise;
  const tail = sep + declared.replaceAll(".", sep);
  return parent.endsWith(tail) ? parent.slice(0, -tail.length) || sep : otherwise;
}

/** The package that a schema without comments declares. */
export function packageIn(code: string): string | undefined {
  return /(?:^|;)\s*package\s+([\w.]+)\s*;/m.exec(code)?.[1];
}

/** The import paths in a schema without comments, as far as they are written without escapes. */
export function importsIn(code: string): readonly string[] {
  return [...code.matchAll(/\bimport\s+(?:public\s+|weak\s+|option\s+)?(?:"([^"\\\n]+)"|'([^'\\\n]+)')/g)].map(
    ([, double, single]) => double ?? single!,
  );
}

/** What looks like a comment within a text, such as `"projects/*"`, is none. */
export function withoutComments(text: string): string {
  return text.replaceAll(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\/\*[^]*?\*\/|\/\/[^\n]*/g, (found) =>
    found.startsWith("/") ? " " : found,
  );
}

function inside(root: string, file: string): boolean {
  const path = relative(root, file);
  return path !== "" && !path.startsWith(`..${sep}`) && path !== ".." && !isAbsolute(path);
}

function posix(path: string): string {
  return path.split(sep).join("/");
}
