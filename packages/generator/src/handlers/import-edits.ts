// The imports that added code needs: those that are there already, more names in their braces, or new ones behind them.
import { compareText } from "../diagnostic.ts";
import type { FileFacts, ImportFacts, Style } from "./code/code-facts.ts";
import type { Insertion } from "./insertion.ts";

/** What stubs use without an import; a message may be called so. */
const GLOBALS = ["AsyncIterable", "Promise"];

interface Wanted {
  readonly module: string;
  readonly name: string;
  readonly local: string;
  readonly typeOnly: boolean;
}

export class ImportEdits {
  readonly #file: FileFacts;
  readonly #wanted: Wanted[] = [];
  readonly #taken: Set<string>;

  constructor(file: FileFacts) {
    this.#file = file;
    this.#taken = new Set([...file.declared, ...GLOBALS]);
  }

  /** The name under which the file has it. */
  value(module: string, name: string): string {
    return this.#local(module, name, false);
  }

  type(module: string, name: string): string {
    return this.#local(module, name, true);
  }

  /** A name that the file does not have yet, and has from now on. */
  claim(ideal: string): string {
    let name = ideal;
    while (this.#taken.has(name)) name += "$";
    this.#taken.add(name);
    return name;
  }

  #local(module: string, name: string, typeOnly: boolean): string {
    const there = this.#file.imports
      .filter((one) => one.module === module)
      .flatMap(({ names }) => names)
      .find((one) => one.name === name && (typeOnly || !one.typeOnly));
    if (there !== undefined) return there.local;
    const before = this.#wanted.find(
      (one) => one.module === module && one.name === name && (typeOnly || !one.typeOnly),
    );
    if (before !== undefined) return before.local;
    const local = this.claim(name);
    this.#wanted.push({ module, name, local, typeOnly });
    return local;
  }

  insertions(): readonly Insertion[] {
    const { imports, importsAt, style, text, crowded } = this.#file;
    const edits: Insertion[] = [];
    const fresh: string[] = [];
    // Packages before files, as in generated code.
    const modules = [...new Set(this.#wanted.map((one) => one.module))].toSorted(
      (a, b) => Number(a.startsWith(".")) - Number(b.startsWith(".")) || compareText(a, b),
    );
    for (const module of modules) {
      for (const typeOnly of [false, true]) {
        const names = this.#wanted.filter((one) => one.module === module && one.typeOnly === typeOnly);
        if (names.length === 0) continue;
        const sorted = names.toSorted((a, b) => compareText(a.name, b.name));
        const home = homeOf(imports, module, typeOnly);
        if (home === undefined) fresh.push(statement(typeOnly, sorted.map(specifier), module, style));
        else {
          const marked = sorted.map((one) => (typeOnly && !home.typeOnly ? `type ${specifier(one)}` : specifier(one)));
          edits.push(inBraces(home.braces, marked, style.eol));
        }
      }
    }
    if (fresh.length === 0) return edits;
    const { eol } = style;
    const lines = fresh.join(eol);
    if (imports.length > 0) return [...edits, { at: importsAt, text: eol + lines + (crowded ? eol : "") }];
    const rest = text.slice(importsAt).trim() === "" ? eol : eol + eol;
    return [...edits, { at: importsAt, text: (importsAt > 0 && rest === eol ? eol : "") + lines + rest }];
  }
}

type Home = ImportFacts & Required<Pick<ImportFacts, "braces">>;

/** Types go to other types first. */
function homeOf(imports: readonly ImportFacts[], module: string, typeOnly: boolean): Home | undefined {
  const all = imports.filter((one): one is Home => one.module === module && one.braces !== undefined);
  return all.find((one) => one.typeOnly === typeOnly) ?? (typeOnly ? all[0] : undefined);
}

function inBraces({ open, last, indent }: Home["braces"], names: readonly string[], eol: string): Insertion {
  if (last === undefined) return { at: open, text: ` ${names.join(", ")} ` };
  const before = indent === undefined ? " " : eol + indent;
  if (last.comma !== undefined) return { at: last.comma, text: names.map((name) => `${before}${name},`).join("") };
  return { at: last.end, text: names.map((name) => `,${before}${name}`).join("") };
}

function specifier({ name, local }: Wanted): string {
  return name === local ? name : `${name} as ${local}`;
}

function statement(typeOnly: boolean, names: readonly string[], module: string, style: Style): string {
  const { quote, semicolons, eol, unit } = style;
  const keyword = typeOnly ? "import type" : "import";
  const from = `from ${quote}${module}${quote}${semicolons ? ";" : ""}`;
  const line = `${keyword} { ${names.join(", ")} } ${from}`;
  if (line.length <= 120) return line;
  const end = style.trailingCommas ? "," : "";
  return `${keyword} {${eol}${names.map((name) => unit + name).join(`,${eol}`)}${end}${eol}} ${from}`;
}
