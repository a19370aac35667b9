// Facts about one file that decide how code is added to it: its imports, its names, how its author writes.
import { type ImportDeclaration, Node, type SourceFile, SyntaxKind, ts } from "ts-morph";
import type { FileFacts, ImportFacts, Slot, Style } from "./code-facts.ts";

/** How a file is written that does not say: as most TypeScript is. */
const DEFAULT: Style = {
  quote: '"',
  semicolons: true,
  eol: "\n",
  unit: "  ",
  trailingCommas: true,
  unusedParameters: false,
};

export function fileFacts(file: SourceFile): FileFacts {
  const text = file.getFullText();
  const imports = file.getImportDeclarations();
  const at = imports.length > 0 ? behind(text, imports.at(-1)!.getEnd()) : beforeCode(file, text);
  return {
    path: file.getFilePath(),
    text,
    script: /\.[cm]?jsx?$/.test(file.getFilePath()),
    module: ts.isExternalModule(file.compilerNode),
    imports: imports.map((one) => importFacts(one, text)),
    importsAt: at,
    crowded: /^[ \t]*[^\s]/.test(text.slice(at)),
    declared: declaredNames(file),
    style: styleOf(file, text),
  };
}

/** The end of what stands behind a statement on its line: comments. */
function behind(text: string, end: number): number {
  return ts.getTrailingCommentRanges(text, end)?.at(-1)?.end ?? end;
}

/** Where a first import goes: behind the comments at the top, but before one that documents what follows it. */
function beforeCode(file: SourceFile, text: string): number {
  const first = file.getStatements().find((one) => !isDirective(one));
  if (first === undefined) return text.trimEnd().length;
  const comments = ts.getLeadingCommentRanges(text, first.getFullStart()) ?? [];
  const last = comments.at(-1);
  const documents =
    last !== undefined &&
    text.startsWith("/**", last.pos) &&
    !/\n[ \t]*\r?\n/.test(text.slice(last.end, first.getStart()));
  return documents ? last.pos : first.getStart();
}

function isDirective(node: Node): boolean {
  return Node.isExpressionStatement(node) && Node.isStringLiteral(node.getExpression());
}

function importFacts(declaration: ImportDeclaration, text: string): ImportFacts {
  const named = declaration.getImportClause()?.getNamedBindings();
  const braces = Node.isNamedImports(named) && declaration.getAttributes() === undefined ? named : undefined;
  const elements = declaration.getNamedImports();
  const resolved = declaration.getModuleSpecifierSourceFile()?.getFilePath();
  return {
    module: declaration.getModuleSpecifierValue(),
    ...(resolved !== undefined && { resolved }),
    typeOnly: declaration.isTypeOnly(),
    names: elements.map((one) => ({
      name: one.getName(),
      local: one.getAliasNode()?.getText() ?? one.getName(),
      typeOnly: one.isTypeOnly() || declaration.isTypeOnly(),
    })),
    ...(braces !== undefined && { braces: bracesOf(braces, elements, text) }),
  };
}

/** Of a list in braces. */
export function bracesOf(
  list: Node,
  elements: readonly Node[],
  text: string,
  open: number = list.getStart() + 1,
): Pick<Slot, "open" | "close" | "last" | "indent"> {
  const close = list.getEnd() - 1;
  const last = elements.at(-1);
  const own = elements.filter((one) => /^[ \t]*$/.test(lineBefore(text, one.getStart(true))));
  const comma = last && commaBehind(text, last.getEnd(), close);
  return {
    open,
    close,
    ...(last !== undefined && {
      last: { end: last.getEnd(), ...(comma !== undefined && { comma }) },
    }),
    ...(own.length > 0 && { indent: lineBefore(text, own.at(-1)!.getStart(true)) }),
  };
}

/** Where a comma ends that follows, whatever comments are between. */
function commaBehind(text: string, from: number, to: number): number | undefined {
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, true, ts.LanguageVariant.Standard, text, undefined, from);
  return scanner.scan() === ts.SyntaxKind.CommaToken && scanner.getTokenEnd() <= to ? scanner.getTokenEnd() : undefined;
}

/** What stands on its line before a place. */
export function lineBefore(text: string, at: number): string {
  return text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
}

/** White space that its line begins with. */
export function indentAt(text: string, at: number): string {
  return /^[ \t]*/.exec(lineBefore(text, at))![0];
}

function declaredNames(file: SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    const { name } = node as { readonly name?: ts.Node };
    if (name !== undefined && ts.isIdentifier(name) && !isMember(node)) names.add(name.text);
    ts.forEachChild(node, visit);
  };
  visit(file.compilerNode);
  return names;
}

/** What is only ever named behind a dot, or within an object. */
function isMember(node: ts.Node): boolean {
  return (
    ts.isPropertyAccessExpression(node) ||
    ts.isObjectLiteralElement(node) ||
    ts.isClassElement(node) ||
    ts.isTypeElement(node)
  );
}

function styleOf(file: SourceFile, text: string): Style {
  const options = file.getProject().getCompilerOptions();
  const strings = file.getDescendantsOfKind(SyntaxKind.StringLiteral).map((one) => text[one.getStart()]);
  const ended = [...file.getStatements(), ...file.getDescendantsOfKind(SyntaxKind.ReturnStatement)].filter(
    (one) =>
      Node.isImportDeclaration(one) ||
      Node.isExpressionStatement(one) ||
      Node.isVariableStatement(one) ||
      Node.isReturnStatement(one),
  );
  const lists = [
    ...file.getDescendantsOfKind(SyntaxKind.ObjectLiteralExpression),
    ...file.getDescendantsOfKind(SyntaxKind.ArrayLiteralExpression),
  ].filter((one) => /\n\s*[\]}]$/.test(one.getText()) && !/^[[{]\s*[\]}]$/.test(one.getText()));
  return {
    quote: most(strings, (one) => one === '"', DEFAULT.quote === '"') ? '"' : "'",
    semicolons: most(ended, (one) => text[one.getEnd() - 1] === ";", DEFAULT.semicolons),
    eol: most(text.match(/\r?\n/g) ?? [], (one) => one === "\n", true) ? "\n" : "\r\n",
    unit: unitOf(text),
    trailingCommas: most(lists, (one) => /,\s*[\]}]$/.test(one.getText()), DEFAULT.trailingCommas),
    unusedParameters: options.noUnusedParameters === true,
  };
}

/** Whether something holds for at least half; `fallback` for none at all. */
function most<T>(all: readonly T[], holds: (one: T) => boolean, fallback: boolean): boolean {
  return all.length === 0 ? fallback : all.filter(holds).length * 2 >= all.length;
}

/** The step between lines that is seen most often. */
function unitOf(text: string): string {
  const counts = new Map<string, number>();
  let before = "";
  for (const line of text.split(/\r?\n/)) {
    const [, indent, sign] = /^([ \t]*)(\S)/.exec(line) ?? [];
    if (indent === undefined || sign === "*") continue;
    const step = indent.startsWith(before) ? indent.slice(before.length) : "";
    if (step === "\t" || /^ {2,8}$/.test(step)) counts.set(step, (counts.get(step) ?? 0) + 1);
    before = indent;
  }
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? DEFAULT.unit;
}
