// The TypeScript of a page of the docs as modules that a compiler can be given, each line where it stands on the page.
import { posix } from "node:path";
import { parseSync, Visitor } from "rolldown/utils";

/** A module of a page. All its lines have the numbers that they have on the page; the first one, the page's title, is free. */
export interface DocModule {
  /** "src/options.ts" where the code's first line names its file, else by the line that it begins in. */
  readonly path: string;
  readonly text: string;
}

export interface DocCode {
  readonly modules: readonly DocModule[];
  /** Code that is not compiled, with the reason that the page's author gave. */
  readonly apart: readonly { readonly line: number; readonly reason: string }[];
  /** What is wrong with the marks themselves. */
  readonly problems: readonly string[];
}

/**
 * Each code block is a module, but where a comment of HTML before it, which readers do not see, says otherwise:
 *
 * - `<!-- ts` and lines of code: they are in front of the block, such as declarations of what it takes for granted. If the first of them names
 *   a file (`// client.ts`), they are that file, for other blocks to import.
 * - `<!-- ts: within CODE … CODE -->`: the block stands where the dots are, such as a method in its object.
 * - `<!-- ts: apart, REASON -->`: the block is not compiled. `<!-- ts: all apart, REASON -->`: no block from here on is, unless it has a mark.
 *
 * In a block that names no file, a line that begins with `// server` or `// client` begins a module of its own, and so does any comment right before an
 * `import`. What stands before the first of them, such as imports, both have.
 */
export function readDocCode(page: string): DocCode {
  const lines = page.split("\n");
  const modules: { readonly path: string; readonly lines: string[] }[] = [];
  const apart: { line: number; reason: string }[] = [];
  const problems: string[] = [];
  let hidden: Range | undefined;
  let mark: string | undefined;
  let allApart: string | undefined;

  const add = (from: number, language: string, ranges: readonly Range[]): string[] => {
    const path = fileName.exec(lines[from] ?? "")?.[1] ?? `line-${from + 1}.${language}`;
    if (modules.some((one) => one.path === path)) problems.push(`line ${from + 1}: a second ${path}`);
    const own: string[] = [];
    for (const [first, end] of ranges) for (let at = first; at < end; at += 1) own[at] = lines[at]!;
    modules.push({ path, lines: own });
    return own;
  };
  const endOf = (from: number, end: RegExp): number => {
    const at = lines.findIndex((line, index) => index >= from && end.test(line));
    return at === -1 ? lines.length : at;
  };

  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at]!;
    const said = /^\s*<!-- ts: (.*) -->$/.exec(line)?.[1];
    const fence = /^\s*```(\w*)/.exec(line);
    if (said !== undefined) {
      allApart = /^all apart, (.+)/.exec(said)?.[1] ?? allApart;
      if (/^apart, .|^within .+ … /.test(said)) mark = said;
      else if (!said.startsWith("all apart, ")) problems.push(`line ${at + 1}: "${said}" is no mark`);
    } else if (line.trim() === "<!-- ts") {
      const begin = at + 1;
      at = endOf(at, /^\s*-->$/);
      if (fileName.test(lines[begin]!)) add(begin, "ts", [[begin, at]]);
      else hidden = [begin, at];
    } else if (fence !== null) {
      const begin = at + 1;
      const language = fence[1]!;
      at = endOf(begin, /^\s*```$/);
      const marked = mark !== undefined || hidden !== undefined;
      const reason = marked ? /^apart, (.*)/.exec(mark ?? "")?.[1] : allApart;
      if (language !== "ts" && language !== "tsx") {
        if (marked) problems.push(`line ${begin}: a mark, and no TypeScript`);
      } else if (reason !== undefined) apart.push({ line: begin, reason });
      else {
        const front = hidden === undefined ? [] : [hidden];
        const added = partsOf(lines, begin, at).map((own) => add(own.at(-1)![0], language, [...front, ...own]));
        const around = /^within (.*?) … (.*)/.exec(mark ?? "");
        if (around !== null) [added[0]![begin - 1], added[0]![at]] = [around[1]!, around[2]!];
      }
      mark = undefined;
      hidden = undefined;
    }
  }
  const text = (own: readonly string[]): string => `${Array.from(own, (line) => line ?? "").join("\n")}\n`;
  return { modules: modules.map((one) => ({ path: one.path, text: text(one.lines) })), apart, problems };
}

/** Lines from the first to before the second, counted from 0. */
type Range = readonly [begin: number, end: number];
const fileName = /^\/\/ ([\w./-]+\.tsx?)$/;

/** The lines of each module of a block. */
function partsOf(lines: readonly string[], begin: number, end: number): Range[][] {
  const begins: number[] = [];
  for (let at = begin; at < end && !fileName.test(lines[begin]!); at += 1) {
    const half = /^\/\/ (?:server|client)\b/.test(lines[at]!);
    if (half || (at > begin && lines[at]!.startsWith("// ") && lines[at + 1]!.startsWith("import "))) begins.push(at);
  }
  const [first] = begins;
  if (first === undefined) return [[[begin, end]]];
  const head: Range = [begin, first];
  return begins.map((from, index) => [head, [from, begins[index + 1] ?? end]]);
}

/** Where a name can be imported from; several places if packages have it in common, as the halves of a transport do. */
export type Exports = ReadonlyMap<string, readonly { readonly from: string; readonly type: boolean }[]>;

/**
 * What an editor would import for a fragment: the names of Raceway's packages that it uses and does not declare. Of what both a `/server` and a `/client` have,
 * it is the half that goes with `raceway(` or `connect(`. On the first line, before all else.
 */
export function withImports({ path, text }: DocModule, exports: Exports): DocModule {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) return { path, text }; // the compiler says where
  const declared = new Set<string>();
  for (const statement of program.body) for (const name of declaredBy(statement)) declared.add(name);
  const used = new Set<string>();
  new Visitor({ Identifier: ({ name }) => void used.add(name) }).visit(program);
  const half = used.has("raceway") && !used.has("connect") ? "server" : "client";
  const imports = [...used]
    .filter((name) => !declared.has(name))
    .flatMap((name) => {
      const places = exports.get(name) ?? [];
      const place =
        places.length === 1
          ? places[0]
          : (places.find(({ from }) => from === "@raceway/core") ??
            places.find(({ from }) => from.endsWith(`/${half}`)));
      return place === undefined ? [] : `import ${place.type ? "type " : ""}{ ${name} } from "${place.from}";`;
    });
  const [first = "", ...rest] = text.split("\n");
  return { path, text: [[...imports, first].join(" "), ...rest].join("\n") };
}

type Statement = ReturnType<typeof parseSync>["program"]["body"][number];
type Pattern = Extract<Statement, { type: "VariableDeclaration" }>["declarations"][number]["id"];

function declaredBy(statement: Statement): string[] {
  switch (statement.type) {
    case "ImportDeclaration":
      return statement.specifiers.map(({ local }) => local.name);
    case "ExportNamedDeclaration":
      return statement.declaration === null ? [] : declaredBy(statement.declaration);
    case "VariableDeclaration":
      return statement.declarations.flatMap(({ id }) => namesIn(id));
    case "FunctionDeclaration":
    case "TSDeclareFunction":
    case "ClassDeclaration":
    case "TSInterfaceDeclaration":
    case "TSTypeAliasDeclaration":
      return statement.id === null ? [] : [statement.id.name];
    default:
      return [];
  }
}

/** The names that a pattern binds: `a`, `{ a, b: c }`, `[a, ...b]`. */
function namesIn(pattern: Pattern | null): string[] {
  switch (pattern?.type) {
    case "Identifier":
      return [pattern.name];
    case "ObjectPattern":
      return pattern.properties.flatMap((part) => namesIn(part.type === "RestElement" ? part.argument : part.value));
    case "ArrayPattern":
      return pattern.elements.flatMap((part) => namesIn(part?.type === "RestElement" ? part.argument : part));
    case "AssignmentPattern":
      return namesIn(pattern.left);
    default:
      return [];
  }
}

/** The folder of generated code that a module imports from, beside its page; undefined if it imports none. */
export function generatedBeside({ path, text }: DocModule): string | undefined {
  const found = /from "(\.{1,2}\/(?:[\w.-]+\/)*?gen)\//.exec(text)?.[1];
  return found === undefined ? undefined : posix.join(posix.dirname(path), found);
}
