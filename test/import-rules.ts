// Who may import whom, and what else every file of the workspace has to keep to; each broken rule is a line that names the edge.
import { builtinModules } from "node:module";
import { matchesGlob, posix } from "node:path";
import { headOf, importsOf, type Manifest, type SourceFile, type Workspace } from "./workspace-files.ts";

/** Folder in packages/ → the siblings that its sources and its dependencies may name. The drawing is in docs/architecture.md. */
const siblings: Readonly<Record<string, readonly string[]>> = {
  core: [],
  client: ["core"],
  server: ["core"],
  testkit: ["core"],
  testing: ["core", "client", "server", "testkit"],
  "transport-*": ["core"],
  "auth-oauth": ["core", "auth-token"], // adds discovery to its checks, and no second way to check tokens
  "auth-*": ["core"],
  "backplane-*": ["core"],
  middleware: ["core"],
  telemetry: ["core"],
  validate: ["core"],
  query: ["core", "client"],
  generator: ["core"],
  "create-raceway": [],
  cli: ["core", "generator", "client", "testkit", "transport-*", "create-raceway"],
};
/** Packages that may use @raceway/core/internal. A plugin that needs it shows that a contract lacks something. */
const insiders = new Set(["core", "client", "server", "testkit"]);
/** Packages that may import these libraries and no others. */
const libraries: Readonly<Record<string, readonly string[]>> = { core: ["@bufbuild/protobuf", "@connectrpc/connect"] };
/** Entries that run in a browser. All that can be reached from them keeps off Node and off libraries that need it. */
const browserEntries: Readonly<Record<string, readonly string[]>> = {
  core: [".", "./internal"],
  client: [".", "./outbox", "./indexeddb"],
  testkit: [".", "./page"],
  testing: ["./mock"],
  "transport-*": ["./client"],
  "auth-*": ["./client"],
  telemetry: ["./client"],
  validate: ["./client", "./standard-schema"],
  query: ["."],
  middleware: ["./circuit-breaker", "./encryption", "./hedging", "./logging", "./retry", "./signing", "./timeout"],
};
const browserLibraries = new Set([
  "@bufbuild/protobuf",
  "@bufbuild/protovalidate",
  "@connectrpc/connect",
  "@connectrpc/connect-web",
  "@opentelemetry/api",
  "@opentelemetry/core",
  "@raceway/client",
  "@raceway/core",
  "@standard-schema/spec",
  "@tanstack/query-core",
  "idb-keyval",
  "oauth4webapi",
]);
/** Areas whose files may reach into another area by a relative path, and where to. Between packages nobody may. */
const reaches: Readonly<Record<string, readonly string[]>> = {
  ".": ["tools"],
  tools: ["test", "packages/*"], // generated clients, for their size; the servers that pages talk to
  test: ["tools"],
  bench: ["test", "tools", "packages/core", "examples/ticker"], // real servers; single files of core against each other; the demo's data
};
const maxLines = 400;

/** All broken rules; empty if the workspace is as it should be. */
export function findings(workspace: Workspace): string[] {
  const parsed = workspace.files.map((file) => new Source(file, workspace));
  return [
    ...workspace.manifests.flatMap(manifestFindings),
    ...parsed.flatMap((source) => [...source.findings()]),
    ...browserFindings(parsed, workspace),
  ];
}

/** One file with its place in the workspace. */
class Source {
  readonly path: string;
  readonly imports: readonly string[];
  readonly #file: SourceFile;
  readonly #workspace: Workspace;
  readonly #area: string;
  readonly #isTest: boolean;

  constructor(file: SourceFile, workspace: Workspace) {
    this.path = file.path;
    this.imports = importsOf(file);
    this.#file = file;
    this.#workspace = workspace;
    this.#area = areaOf(file.path);
    this.#isTest = isTest(file.path);
  }

  *findings(): Generator<string> {
    for (const specifier of this.imports) {
      const why = specifier.startsWith(".") ? this.#relative(specifier) : this.#external(specifier);
      if (why) yield `${this.path} → ${specifier}: ${why}`;
    }
    const head = headOf(this.#file);
    if (!/[.!?](\s|$)/.test(head))
      yield `${this.path}: begins with no comment that says in a sentence what the file is`;
    const lines = this.#file.text.trimEnd().split("\n").length;
    if (lines > maxLines && !/\bbecause\b/.test(head)) {
      yield `${this.path}: ${lines} lines; above ${maxLines} the first comment gives the reason ("… because …")`;
    }
  }

  #relative(specifier: string): string | undefined {
    const target = posix.join(posix.dirname(this.path), specifier);
    const area = areaOf(target);
    if (area !== this.#area) {
      if (reaches[this.#area]?.some((pattern) => matchesGlob(area, pattern)) || (this.#isTest && area === "test"))
        return undefined;
      return `a relative path from ${this.#area} into ${area}`;
    }
    if (this.#isTest) return undefined;
    if (isTest(target)) return "a source imports a test";
    const side = (path: string): string | undefined =>
      /^packages\/transport-[^/]+\/src\/(client|server)\b/.exec(path)?.[1];
    if (side(this.path) === "client" && side(target) === "server")
      return "the client side of a transport imports its server side";
    if (side(this.path) === "server" && side(target) === "client")
      return "the server side of a transport imports its client side";
    return undefined;
  }

  #external(specifier: string): string | undefined {
    if (specifier.startsWith("node:")) return undefined; // browserFindings knows from where it can be reached
    if (builtinModules.includes(specifier)) return `say "node:${specifier}"`;
    const name = packageName(specifier);
    const { manifests } = this.#workspace;
    const own = manifests.find(({ folder }) => folder === this.#area) ?? manifests.find(({ folder }) => folder === ".");
    const target = manifests.find((manifest) => manifest.name === name);
    if (target && !target.folder.startsWith("packages/")) return "nothing imports test, bench, examples or the root";
    if (target && !target.entries.has(`.${specifier.slice(name.length)}`)) return `${name} has no such entry`;
    const folder = packageFolder(this.#area);
    if (folder && !this.#isTest) {
      const why = target && target !== own ? siblingFinding(folder, packageFolder(target.folder) ?? "") : undefined;
      if (why) return why;
      if (specifier === "@raceway/core/internal" && !insiders.has(folder))
        return `for ${[...insiders].join(", ")} only`;
      const allowed = pick(libraries, folder);
      if (allowed && !target && !allowed.includes(name)) return `${folder} may import ${allowed.join(" and ")} only`;
      if (name === "vitest" && !/\/src\/vitest\b/.test(this.path))
        return "Vitest belongs into tests and the testkit's ./vitest";
    }
    return target === own || this.#declares(own, name)
      ? undefined
      : `not declared in ${own?.folder ?? "."}/package.json`;
  }

  /** A source may use what is shipped with its package; a test and all outside of packages also what is there for development, its own or the root's. */
  #declares(own: Manifest | undefined, name: string): boolean {
    if (own?.shipped.includes(name)) return true;
    if (packageFolder(this.#area) && !this.#isTest) return false;
    const root = this.#workspace.manifests.find(({ folder }) => folder === ".");
    return [...(own?.dev ?? []), ...(root?.dev ?? [])].includes(name);
  }
}

/** Where users end up by installing: package.json keeps to the same drawing as the imports. */
function manifestFindings(manifest: Manifest): string[] {
  const folder = packageFolder(manifest.folder);
  if (folder === undefined) return [];
  const found: string[] = [];
  // `npm create x` runs the package create-x.
  if (manifest.name !== (folder.startsWith("create-") ? folder : `@raceway/${folder}`))
    found.push(`${manifest.folder}/package.json: the name is ${manifest.name}, the folder ${folder}`);
  if (!pick(siblings, folder))
    found.push(`${manifest.folder}/package.json: test/import-rules.ts does not say what ${folder} may import`);
  for (const dependency of manifest.shipped) {
    if (!dependency.startsWith("@raceway/")) continue;
    const why = siblingFinding(folder, dependency.slice("@raceway/".length));
    if (why) found.push(`${manifest.folder}/package.json → ${dependency}: ${why}`);
  }
  return found;
}

/** Follows relative imports from each browser entry, and names the way to what a browser lacks. */
function browserFindings(sources: readonly Source[], { manifests }: Workspace): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const found = new Set<string>();
  for (const { folder, entries } of manifests) {
    for (const entry of pick(browserEntries, packageFolder(folder) ?? "") ?? []) {
      const files = entries.get(entry);
      const start = files?.get("browser") ?? files?.get("any");
      if (start === undefined) continue;
      const cameFrom = new Map<string, string | undefined>([[start, undefined]]);
      for (const [path] of cameFrom) {
        for (const specifier of byPath.get(path)?.imports ?? []) {
          if (specifier.startsWith(".")) {
            const target = posix.join(posix.dirname(path), specifier);
            if (!cameFrom.has(target)) cameFrom.set(target, path);
          } else if (!isForBrowsers(specifier)) {
            found.add(`${wayTo(path, cameFrom)} → ${specifier}: a browser entry reaches what runs in Node only`);
          }
        }
      }
    }
  }
  return [...found];
}

const isForBrowsers = (specifier: string): boolean =>
  !/^@raceway\/.+\/(node|server)$/.test(specifier) && browserLibraries.has(packageName(specifier));

function wayTo(path: string, cameFrom: ReadonlyMap<string, string | undefined>): string {
  const from = cameFrom.get(path);
  return from === undefined ? path : `${wayTo(from, cameFrom)} → ${posix.basename(path)}`;
}

function siblingFinding(from: string, to: string): string | undefined {
  if (pick(siblings, from)?.some((pattern) => matchesGlob(to, pattern))) return undefined;
  const allowed = pick(siblings, from) ?? [];
  return `${from} may import ${allowed.length === 0 ? "no sibling" : `${allowed.join(", ")} only`}`;
}

/** The entry of a table whose key, a name or a glob, fits. */
function pick<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.entries(table).find(([pattern]) => matchesGlob(name, pattern))?.[1];
}

/** Tests, and in packages all that stands beside src: it is not shipped. */
const isTest = (path: string): boolean => path.endsWith(".test.ts") || /^packages\/[^/]+\/(?!src\/)/.test(path);

/** "packages/core/src/frame.ts" → "packages/core", "test/gen/a.ts" → "test", "vitest.config.ts" → ".". */
function areaOf(path: string): string {
  const [first = ".", second] = path.split("/");
  if ((first === "packages" || first === "examples") && second !== undefined) return `${first}/${second}`;
  return path.includes("/") ? first : ".";
}

/** "packages/core" → "core"; undefined for what is no package. */
const packageFolder = (area: string): string | undefined =>
  area.startsWith("packages/") ? area.slice("packages/".length) : undefined;

/** "@connectrpc/connect/protocol" → "@connectrpc/connect". */
const packageName = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
