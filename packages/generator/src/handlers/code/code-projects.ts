// The user's code as the compiler is told to see it: tsconfig.json and what it refers to, and of its files those that can have
// to do with handlers.
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Project, type SourceFile, ts } from "ts-morph";
import { GenerateFailure } from "../../failure.ts";
import { isOurs } from "../../output/header.ts";
import type { CodeRequest } from "./code-facts.ts";

export interface CodeProject {
  readonly project: Project;
  /** Files that mention handlers, by any name. */
  readonly files: readonly SourceFile[];
}

/** `projects` are opened one after the other; each file is in one of them. */
export function openProjects(request: CodeRequest): {
  readonly unusedParameters: boolean;
  readonly projects: Iterable<CodeProject>;
} {
  const units = unitsOf(request);
  const unusedParameters = units.some(({ options }) => options.noUnusedParameters === true);
  return { unusedParameters, projects: projectsOf(request, units) };
}

function* projectsOf(request: CodeRequest, parsed: readonly ts.ParsedCommandLine[]): Generator<CodeProject> {
  const known = new Set<string>();
  const units = parsed.map((unit) => ({
    unit,
    sources: unit.fileNames.filter((path) => isSource(path) && !known.has(path) && known.add(path)),
  }));
  const mentioning = filesThatMention(
    request.services.map(({ handlers, definition, serverFile }) => ({
      names: [handlers, definition],
      ...(request.anyImport !== true && { from: serverFile }),
    })),
    units.flatMap(({ sources }) => sources).filter((path) => !request.generated.has(path)),
    new Map(parsed.flatMap((unit) => [...aliasesOf(unit)])),
  );
  for (const [at, { unit, sources }] of units.entries()) {
    const paths = sources.filter((path) => mentioning.has(path));
    if (at === 0) paths.push(...request.also.filter((path) => !known.has(path) && existsSync(path)));
    if (paths.length === 0) continue;
    const scripts = paths.some((path) => /\.[cm]?jsx?$/.test(path)); // somebody has named one
    const project = new Project({
      compilerOptions: { ...unit.options, noEmit: true, ...(scripts && { allowJs: true }) },
      skipAddingFilesFromTsConfig: true,
    });
    const ambient = unit.fileNames.filter((path) => /\.d\.[cm]?ts$/.test(path) && !request.generated.has(path));
    for (const path of ambient) project.addSourceFileAtPath(path);
    // The schemas decide what handlers have to be, also where nobody has generated since they changed.
    for (const [path, text] of request.generated)
      if (!existsSync(path) || readFileSync(path, "utf8") !== text)
        project.createSourceFile(path, text, { overwrite: true });
    yield { project, files: paths.map((path) => project.addSourceFileAtPath(path)) };
  }
}

function isSource(path: string): boolean {
  return /\.[cm]?[jt]sx?$/.test(path) && !/\.d\.[cm]?ts$/.test(path) && !path.includes("/node_modules/");
}

/** A tsconfig.json may have no files of its own, and name others that do. */
function unitsOf({ cwd, project }: CodeRequest): readonly ts.ParsedCommandLine[] {
  const path = project ?? ts.findConfigFile(cwd, (file) => ts.sys.fileExists(file));
  if (path === undefined) {
    const options = { module: "nodenext", target: "esnext", strict: true, allowJs: true, skipLibCheck: true };
    return [ts.parseJsonConfigFileContent({ compilerOptions: options }, ts.sys, cwd)];
  }
  const there = statSync(path, { throwIfNoEntry: false });
  if (there === undefined) throw new GenerateFailure("usage", `There is no ${path}.`);
  if (!there.isFile()) throw new GenerateFailure("usage", `${path} is no file. Name a tsconfig.json.`);
  const units = new Map<string, ts.ParsedCommandLine>();
  visit(path);
  return [...units.values()];

  function visit(config: string): void {
    if (units.has(config)) return;
    const host: ts.ParseConfigFileHost = {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
        throw new GenerateFailure("usage", `${config}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
      },
    };
    const unit = ts.getParsedCommandLineOfConfigFile(config, {}, host);
    if (unit === undefined) return;
    units.set(config, unit);
    for (const reference of unit.projectReferences ?? []) visit(ts.resolveProjectReferencePath(reference));
  }
}

/** What a file declares for others. */
interface Declared {
  readonly names: readonly string[];
  /** The file; absent: whoever has one of the names is meant, whatever it imports. */
  readonly from?: string;
}

/**
 * Files in whose text one of the names stands, and which import it. What they declare by such a name may be used under its own:
 * a re-export with another name, a class that implements handlers, a function that takes them. So such names count, too.
 */
function filesThatMention(
  declared: readonly Declared[],
  paths: readonly string[],
  aliases: ReadonlyMap<string, string>,
): ReadonlySet<string> {
  const texts = new Map<string, { readonly text: string; readonly imports: ReadonlySet<string> }>();
  for (const path of paths) {
    const text = readFileSync(path, "utf8");
    if (!isOurs(path, text, false)) texts.set(path, { text, imports: importsOf(path, text, aliases) });
  }
  const found = new Set<string>();
  const known = new Set<string>();
  const open = [...declared];
  for (const { names, from } of open) {
    const mentions = new RegExp(`(?<![\\w$])(?:${names.map(escaped).join("|")})(?![\\w$])`);
    const sources = from === undefined ? [] : [bare(from), basename(bare(from))];
    for (const [path, { text, imports }] of texts) {
      if (from !== undefined && !sources.some((one) => imports.has(one))) continue;
      const passes = /export\s*\*\s*from\b/.test(text) ? names : [];
      if (mentions.test(text)) found.add(path);
      const own = mentions.test(text) ? [...namesAfter(path, text, mentions)] : [];
      const fresh = [...own, ...passes].filter((name) => !known.has(`${path} ${name}`));
      for (const name of fresh) known.add(`${path} ${name}`);
      if (fresh.length > 0) open.push({ names: fresh, from: path });
    }
  }
  return found;
}

/** What a file imports: absolute, or by the last part of a specifier that may mean anything. */
function importsOf(path: string, text: string, aliases: ReadonlyMap<string, string>): ReadonlySet<string> {
  const found = [...text.matchAll(/\b(?:from|import|require)\s*\(?\s*["']([^"'\n]+)["']/g)];
  return new Set(
    found.map(([, one = ""]) => {
      if (one.startsWith(".")) return bare(join(dirname(path), one));
      return aliases.get(one) ?? basename(bare(one));
    }),
  );
}

/** `paths` that stand for a file each, by the file. */
function* aliasesOf({ options }: ts.ParsedCommandLine): Generator<readonly [string, string]> {
  const base = ["baseUrl", "pathsBasePath"].map((name) => options[name]).find((one) => typeof one === "string");
  for (const [name, [first]] of Object.entries(options.paths ?? {}))
    if (!name.includes("*") && first !== undefined) yield [name, bare(resolve(base ?? ".", first))];
}

/** A file by whatever name it is imported: without its ending, and a folder for its index. */
function bare(path: string): string {
  return path
    .replaceAll("\\", "/")
    .replace(/\.[cm]?[jt]sx?$/, "")
    .replace(/\/index$/, "");
}

/** Names of what is declared at the top of a file with a pattern in its head: all but bodies. */
function* namesAfter(path: string, text: string, pattern: RegExp): Generator<string> {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  for (const statement of file.statements) {
    if (ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)) {
      for (const { name, propertyName } of statement.exportClause.elements)
        if (pattern.test((propertyName ?? name).text)) yield name.text;
    } else if (ts.isVariableStatement(statement)) {
      for (const { name, type, initializer } of statement.declarationList.declarations)
        if (ts.isIdentifier(name) && pattern.test(`${type?.getText() ?? ""} ${headOf(initializer)}`)) yield name.text;
    } else if (ts.isTypeAliasDeclaration(statement) || ts.isInterfaceDeclaration(statement)) {
      if (pattern.test(statement.getText())) yield statement.name.text;
    } else if (ts.isClassDeclaration(statement) || ts.isFunctionDeclaration(statement)) {
      if (statement.name !== undefined && pattern.test(headOf(statement))) yield statement.name.text;
    }
  }
}

function headOf(node: ts.Node | undefined): string {
  if (node === undefined || ts.isObjectLiteralExpression(node)) return "";
  if (ts.isSatisfiesExpression(node) || ts.isAsExpression(node)) return node.type.getText();
  if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined)
    return node.getText().slice(0, (node.body as ts.Node).getStart() - node.getStart());
  if (ts.isClassLike(node)) return node.getText().slice(0, node.members.pos - node.getStart());
  return ts.isIdentifier(node) || ts.isPropertyAccessExpression(node) || ts.isCallExpression(node)
    ? node.getText()
    : "";
}

function escaped(name: string): string {
  return name.replaceAll("$", "\\$");
}
