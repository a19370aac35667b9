// What buf says in few words, said so that it can be mended: names, near names, and the import that is missing.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { wktPublicImportPaths } from "@bufbuild/protobuf/codegenv2";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FeatureSetSchema, FieldOptionsSchema, FileOptionsSchema, MethodOptionsSchema } from "@bufbuild/protobuf/wkt";
import type { Diagnostic } from "../diagnostic.ts";
import { file_raceway_v1_options } from "../gen/raceway/v1/options_pb.ts";
import { nearest } from "../near.ts";
import type { Rule } from "../rules.ts";
import type { Point, SourceText } from "../source-text.ts";
import { ENDLESS, MERGE_MARK, mendFor, NO_IMPORT, UNREADABLE } from "./mends.ts";
import type { CompilerFinding } from "./schema-compiler.ts";
import type { SchemaSources } from "./schema-sources.ts";

const OPTIONS_FILE = "raceway/v1/options.proto";

interface Explained {
  readonly rule: Rule;
  readonly message: string;
  readonly mend: string;
}

/**
 * What follows from something else is left out: one missing import makes many names unknown, of which only the first is kept, with a count;
 * and of what could not be read, only the first of a line.
 */
export function explainFindings(found: readonly CompilerFinding[], sources: SchemaSources): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const repeats = new Map<string, { at: number; count: number }>();
  const names = new NearNames(sources);
  const { findings, unread } = causes(found, sources);
  for (const finding of findings) {
    const source = sources.source(finding.file);
    const start = source.atByte(finding.line - 1, finding.column - 1);
    // Of ".topc" in an option's name, the name is meant.
    const from = source.line(start.line)[start.index] === "." ? { ...start, index: start.index + 1 } : start;
    const to = source.atByte(finding.endLine - 1, finding.endColumn - 1);
    const explained = explain(finding.message, { source, from, to, sources, names, file: finding.file, unread });
    if (explained === undefined) continue;
    const { rule, message, mend } = explained;
    if (rule === "import_needed") {
      const key = `${finding.file}\n${mend}`;
      const earlier = repeats.get(key);
      if (earlier !== undefined) {
        earlier.count++;
        continue;
      }
      repeats.set(key, { at: diagnostics.length, count: 0 });
    }
    const range = source.range(from, to);
    diagnostics.push({
      rule,
      severity: "error",
      message,
      mend,
      file: sources.shown(finding.file),
      range,
      frame: source.frame(range),
    });
  }
  for (const { at, count } of repeats.values()) {
    const first = diagnostics[at]!;
    if (count > 0)
      diagnostics[at] = {
        ...first,
        message: `${first.message}, nor ${count === 1 ? "is 1 more name" : `are ${count} more names`} of that file`,
      };
  }
  return diagnostics;
}

/** `unread`: the files that could not be read to their ends, or without all of their imports. */
function causes(
  found: readonly CompilerFinding[],
  sources: SchemaSources,
): { readonly findings: readonly CompilerFinding[]; readonly unread: ReadonlySet<string> } {
  const unreadable = Map.groupBy(
    found.filter(({ message }) => UNREADABLE.test(message)),
    ({ file }) => file,
  );
  const kept = [...unreadable].flatMap(([file, all]) => {
    const cause = mergeMark(file, sources) ?? all.find(({ message }) => ENDLESS.test(message));
    return cause === undefined ? firstOfLines(all) : [cause];
  });
  const others = found.filter(({ message }) => !UNREADABLE.test(message));
  const lacking = others.filter(({ message }) => message === NO_IMPORT).map(({ file }) => file);
  return { findings: [...kept, ...others], unread: new Set([...unreadable.keys(), ...lacking]) };
}

function firstOfLines(all: readonly CompilerFinding[]): readonly CompilerFinding[] {
  const first = new Map<number, CompilerFinding>();
  for (const one of all) {
    const known = first.get(one.line);
    // Of two at one place, what is there says more than what is missing there.
    const isBetter = known?.column === one.column && known.message.startsWith("missing");
    if (known === undefined || one.column < known.column || isBetter) first.set(one.line, one);
  }
  return [...first.values()];
}

/** Where git has left both sides of a merge, all else that is wrong with the file follows from that. */
function mergeMark(file: string, sources: SchemaSources): CompilerFinding | undefined {
  const before = /^[^]*?(?=^<{7} )/m.exec(sources.text(file))?.[0];
  if (before === undefined) return undefined;
  const line = before.split("\n").length;
  return { file, line, column: 1, endLine: line, endColumn: 8, message: MERGE_MARK };
}

interface Where {
  readonly source: SourceText;
  readonly from: Point;
  readonly to: Point;
  readonly sources: SchemaSources;
  readonly names: NearNames;
  readonly file: string;
  readonly unread: ReadonlySet<string>;
}

/** What names mean in a file, looked up once a file and name: a missing import leaves thousands that mean nothing. */
class NearNames {
  readonly #sources: SchemaSources;
  readonly #imports = new Map<string, readonly string[]>();
  readonly #declared = new Map<string, readonly string[]>();
  readonly #nearest = new Map<string, string | undefined>();

  constructor(sources: SchemaSources) {
    this.#sources = sources;
  }

  importsOf(file: string): readonly string[] {
    return remembered(this.#imports, file, () => importsIn(this.#sources.text(file)));
  }

  /** Whether the file, or one that it imports, directly or not, is among them. */
  reaches(file: string, some: ReadonlySet<string>): boolean {
    const reached = new Set([file]);
    for (const one of reached) {
      if (some.has(one)) return true;
      for (const path of some.size === 0 ? [] : this.importsOf(one)) reached.add(path);
    }
    return false;
  }

  /** Of the names that the file and those that it imports declare, the one that may be meant. */
  nearest(file: string, name: string): string | undefined {
    return remembered(this.#nearest, `${file}\n${name}`, () =>
      nearest(
        name,
        [file, ...this.importsOf(file)].flatMap((one) =>
          remembered(this.#declared, one, () => declaredIn(this.#sources.text(one))),
        ),
      ),
    );
  }
}

function remembered<T>(known: Map<string, T>, key: string, find: () => T): T {
  if (!known.has(key)) known.set(key, find());
  return known.get(key)!;
}

/** Undefined for what follows from something else. */
function explain(said: string, where: Where): Explained | undefined {
  const token = where.source.between(where.from, where.to);
  if (said === NO_IMPORT) return missingImport(token, where);
  const unknown = /^cannot find `([\w.]+)` in this scope$/.exec(said)?.[1];
  if (unknown !== undefined) return unknownName(unknown, where);
  const holder = /^cannot resolve message field name for `([\w.]+)`$/.exec(said)?.[1];
  if (holder !== undefined) return unknownField(/^[\w.]+/.exec(token)?.[0] ?? token, holder);
  const [, field, message] = /^cannot find message field `(\w+)` in `([\w.]+)`$/.exec(said) ?? [];
  if (field !== undefined && message !== undefined) return unknownField(field, message);
  if (said === "mismatched types") return mismatch(token, where);
  const range = /^literal out of range for `(\w+)`$/.exec(said)?.[1];
  if (range !== undefined)
    return {
      rule: "option_mismatch",
      message: `${token} is out of the range of ${range}`,
      mend: `write ${article(range)}.`,
    };
  const oneof = /^oneof `([\w.]+)` set multiple times$/.exec(said)?.[1];
  if (oneof !== undefined) {
    const members = ourMessages()
      .flatMap((one) => one.oneofs)
      .find((one) => `${one.parent.typeName}.${one.name}` === oneof)?.fields;
    const names = members?.map((one) => one.name).join(", ");
    return {
      rule: "option_repeated",
      message: `only one member of ${oneof} can be given`,
      mend: names === undefined ? "keep one of them." : `keep one of ${names}.`,
    };
  }
  return { rule: "schema_invalid", message: said, mend: mendFor(said, where.source.text) };
}

function missingImport(statement: string, { sources }: Where): Explained {
  const path = /["'](.*)["']/.exec(statement)?.[1] ?? statement;
  const roots = [...new Set(sources.roots.map((root) => sources.shownRoot(root)))].join(", ");
  return {
    rule: "import_missing",
    message: `there is no "${path}" to import; looked in ${roots}`,
    mend: "add the folder that the path is relative to with --proto-path, or correct the path.",
  };
}

function unknownName(name: string, { source, file, names, from, unread }: Where): Explained | undefined {
  const home = homeOf(name);
  if (home !== undefined && !names.importsOf(file).includes(home) && file !== home) {
    return {
      rule: "import_needed",
      message: `${name} is not known here`,
      mend: `add \`import "${home}";\` to the file.`,
    };
  }
  if (name.startsWith("raceway.v1.")) {
    const known = extensionNames();
    const guess = nearest(name, known);
    return {
      rule: "option_unknown",
      message: `there is no option ${name}`,
      mend: guess === undefined ? `known are ${known.join(", ")}.` : `did you mean \`${guess}\`?`,
    };
  }
  const values = valuesFor(fieldBefore(from, source));
  if (values.length > 0) {
    const value = nearest(name, values);
    return {
      rule: "option_unknown",
      message: `there is no value ${name}`,
      mend: value === undefined ? `known are ${values.join(", ")}.` : `did you mean \`${value}\`?`,
    };
  }
  const guess = names.nearest(file, name);
  if (guess === undefined && names.reaches(file, unread)) return undefined; // it may be declared where nobody got to
  return {
    rule: "name_unknown",
    message: `${name} is not declared, here or in an imported file`,
    mend: guess === undefined ? "declare it, or import the file that does." : `did you mean \`${guess}\`?`,
  };
}

function unknownField(name: string, holder: string): Explained {
  const known =
    ourMessages()
      .find((one) => one.typeName === holder)
      ?.fields.map((field) => field.name) ?? [];
  const guess = nearest(name, known);
  const mend =
    guess !== undefined
      ? `did you mean \`${guess}\`?`
      : known.length > 0
        ? `its fields are ${known.join(", ")}.`
        : "correct the name, or remove it.";
  return { rule: "option_unknown", message: `${holder} has no field \`${name}\``, mend };
}

function mismatch(token: string, { source, from }: Where): Explained {
  const name = fieldBefore(from, source);
  const types = new Set(
    ourMessages()
      .flatMap((one) => one.fields)
      .filter((field) => field.name === name)
      .map(typeOf),
  );
  const [type] = types;
  const wanted = type !== undefined && types.size === 1 ? `write ${type}.` : "write a value of the field's type.";
  return {
    rule: "option_mismatch",
    message: name === undefined ? `${token} is not of the right type` : `${token} is not of the type of \`${name}\``,
    mend: wanted,
  };
}

/** Name of the field that a value is given to. */
function fieldBefore(from: Point, source: SourceText): string | undefined {
  const before = source.between({ line: Math.max(0, from.line - 2), index: 0 }, from);
  return /(\w+)\s*[:=]?\s*\[?\s*$/.exec(before)?.[1];
}

/** Values that a field of that name takes, of our options or of protobuf's own. */
function valuesFor(field: string | undefined): readonly string[] {
  const enums = [...ourMessages(), ...plainOptions].flatMap((one) =>
    one.fields.flatMap((own) => (own.name === field ? (own.enum ?? []) : [])),
  );
  return enums.flatMap((one) => one.values.map((value) => value.name));
}

const plainOptions: readonly DescMessage[] = [
  FileOptionsSchema,
  FieldOptionsSchema,
  MethodOptionsSchema,
  FeatureSetSchema,
];

function typeOf(field: DescField): string {
  if (field.enum !== undefined) return `one of ${field.enum.values.map((value) => value.name).join(", ")}`;
  if (field.message !== undefined)
    return field.message.typeName === "google.protobuf.Duration"
      ? "a duration: { seconds: 1 }"
      : `{ … }, a ${field.message.typeName}`;
  return article(field.scalar === undefined ? "value" : ScalarType[field.scalar].toLowerCase());
}

function article(type: string): string {
  switch (type) {
    case "string":
      return 'a string, in "quotes"';
    case "bool":
      return "true or false";
    case "uint32":
      return "a whole number from 0 to 4294967295";
    case "uint64":
      return "a whole number from 0 on";
    default:
      return `a value of ${type}`;
  }
}

/** The file that declares one of our options, or a well-known type. */
function homeOf(name: string): string | undefined {
  if (extensionNames().includes(name)) return OPTIONS_FILE;
  const wellKnown = /^google\.protobuf\.(\w+)$/.exec(name)?.[1];
  if (wellKnown === undefined) return undefined;
  const path = `google/protobuf/${wellKnownFiles[wellKnown] ?? wellKnown.replaceAll(/(?<!^)([A-Z])/g, "_$1").toLowerCase()}.proto`;
  return Object.hasOwn(wktPublicImportPaths, path) ? path : undefined;
}

/** Well-known types that share a file. */
const wellKnownFiles: { readonly [name: string]: string } = {
  ...Object.fromEntries(["Struct", "Value", "ListValue", "NullValue"].map((name) => [name, "struct"])),
  ...Object.fromEntries(
    ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"].map((name) => [
      `${name}Value`,
      "wrappers",
    ]),
  ),
};

function importsIn(text: string): readonly string[] {
  return [...text.matchAll(/^\s*import\s+(?:public\s+|weak\s+|option\s+)?["']([^"']+)["']/gm)].map(
    (match) => match[1]!,
  );
}

function declaredIn(text: string): readonly string[] {
  return [...text.matchAll(/^\s*(?:message|enum)\s+(\w+)/gm)].map((match) => match[1]!);
}

function ourMessages(): readonly DescMessage[] {
  return [...nestedTypes(file_raceway_v1_options)].filter((type) => type.kind === "message");
}

function extensionNames(): readonly string[] {
  return file_raceway_v1_options.extensions.map((extension) => extension.typeName);
}
