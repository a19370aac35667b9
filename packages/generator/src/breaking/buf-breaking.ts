// buf's own comparison of two compiled schemas: what changed on the wire, and in generated code.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DescOneof, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { FOUND, type Said, runBuf, saidIn } from "../compile/run-buf.ts";
import type { SchemaSources } from "../compile/schema-sources.ts";
import type { Diagnostic } from "../diagnostic.ts";
import { GenerateFailure } from "../failure.ts";
import type { SchemaSet } from "./baseline.ts";
import { withImportMarks } from "./import-mark.ts";
import { symbolAtCell } from "./symbol.ts";

const EXCEPT = [
  // Said by rules of ours, more exactly: buf also finds a channel that becomes idempotent.
  "RPC_NO_DELETE",
  "SERVICE_NO_DELETE",
  "RPC_SAME_IDEMPOTENCY_LEVEL",
  // What a syntax means for fields and enums has rules of its own: the same in an edition breaks nothing.
  "FILE_SAME_SYNTAX",
  // They are about code in other languages.
  ...[
    ...["CC_ENABLE_ARENAS", "CC_GENERIC_SERVICES", "CSHARP_NAMESPACE", "GO_PACKAGE", "JAVA_GENERIC_SERVICES"],
    ...["JAVA_MULTIPLE_FILES", "JAVA_OUTER_CLASSNAME", "JAVA_PACKAGE", "OBJC_CLASS_PREFIX", "OPTIMIZE_FOR"],
    ...["PHP_CLASS_PREFIX", "PHP_METADATA_NAMESPACE", "PHP_NAMESPACE", "PY_GENERIC_SERVICES"],
    ...["RUBY_PACKAGE", "SWIFT_PREFIX"],
  ].map((option) => `FILE_SAME_${option}`),
];

const mends = {
  wire_changed:
    "put it back, and add a field, a method or a version of the package beside it; a field that nobody needs is removed with `reserved` for its number and its name.",
  source_changed: "put it back and mark it `deprecated`, or make a new version of the package.",
} as const;

/** Not sorted. `source`: also what changed in generated code only. */
export async function bufBreaking(
  before: SchemaSet,
  after: SchemaSet,
  {
    source,
    sources,
    signal,
  }: { readonly source: boolean; readonly sources: SchemaSources; readonly signal?: AbortSignal | undefined },
): Promise<readonly Diagnostic[]> {
  const stage = await mkdtemp(join(tmpdir(), "raceway-breaking-"));
  const write = ({ set, files }: SchemaSet, name: string): Promise<void> =>
    writeFile(join(stage, name), toBinary(FileDescriptorSetSchema, withImportMarks(set, files)));
  try {
    await Promise.all([write(before, "before.binpb"), write(after, "after.binpb")]);
    const sets = { before, after };
    const wire = told(await compared("WIRE_JSON", stage, signal), sets);
    const all = source ? told(await compared("FILE", stage, signal), sets) : new Map<string, SaidOfOne>();
    return [
      ...[...wire].map(([at, said]) => ({ ...diagnosticOf("wire_changed", said, sources), at })),
      ...[...all]
        .filter(
          ([at, [{ type }]]) =>
            !wire.has(at) && !isImplied(at, type, before, (name) => wire.has(name) || all.has(name)),
        )
        .map(([at, said]) => ({ ...diagnosticOf("source_changed", said, sources), at })),
    ];
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

async function compared(category: "WIRE_JSON" | "FILE", stage: string, signal?: AbortSignal): Promise<readonly Said[]> {
  const config = JSON.stringify({ version: "v2", breaking: { use: [category], except: EXCEPT } });
  const args = ["breaking", "after.binpb", "--against", "before.binpb", "--config", config];
  const done = await runBuf([...args, "--exclude-imports", "--error-format", "json"], stage, signal);
  if (done.code === 0) return [];
  const said = done.code === FOUND ? saidIn(done.out.toString("utf8")) : [];
  if (said.length === 0) throw new GenerateFailure("tool", `buf failed: ${done.err.trim()}`);
  return said;
}

type SaidOfOne = readonly [Said, ...Said[]];

/** By what it is about: buf says of a field that went that its number is not reserved, and once more that its name is not. */
function told(said: readonly Said[], sets: Sets): ReadonlyMap<string, SaidOfOne> {
  const bySymbol = new Map<string, [Said, ...Said[]]>();
  for (const one of said) {
    const at = symbolIn(one, sets);
    const known = bySymbol.get(at);
    if (known === undefined) bySymbol.set(at, [one]);
    else known.push(one);
  }
  return bySymbol;
}

/** Whether what is said of others says it too: of the message around it that went, of a map, of the fields of a oneof. */
function isImplied(at: string, type: string, before: SchemaSet, isTold: (symbol: string) => boolean): boolean {
  const around = scopeOf(at);
  switch (type) {
    case "MESSAGE_NO_DELETE":
    case "ENUM_NO_DELETE": {
      const { registry } = before;
      // What the compiler makes of a map is no message of the registry.
      if (registry.getMessage(at) === undefined && registry.getEnum(at) === undefined) return true;
      return registry.getMessage(around) !== undefined && isTold(around);
    }
    case "ONEOF_NO_DELETE":
      return oneofAt(before, at)?.fields.some(({ name }) => isTold(`${around}.${name}`)) ?? false;
    default:
      return false;
  }
}

/** "chat.v1.Message" of "chat.v1.Message.by". */
function scopeOf(symbol: string): string {
  return symbol.slice(0, Math.max(0, symbol.lastIndexOf(".")));
}

function oneofAt({ registry }: SchemaSet, symbol: string): DescOneof | undefined {
  const scope = scopeOf(symbol);
  return registry.getMessage(scope)?.oneofs.find(({ name }) => `${scope}.${name}` === symbol);
}

interface Sets {
  readonly before: SchemaSet;
  readonly after: SchemaSet;
}

/** What was there is named in the message, and the place is that around it. */
function symbolIn(
  { path, message, start_line: line = 1, start_column: column = 1 }: Said,
  { before, after }: Sets,
): string {
  const file = path === undefined ? undefined : after.registry.getFile(path);
  const around = file && symbolAtCell(file, line - 1, column - 1);
  const gone = /^Previously present ([a-z ]+?) "(.+?)"(?: with name "(\w+)")?/i.exec(message);
  if (gone === null) {
    if (around === undefined) return path ?? quoted(message);
    const required = /^Message "\w+" had required field "(\d+)" deleted/.exec(message)?.[1];
    if (required !== undefined) return `${around}.${fieldNumbered(before, around, required)}`;
    const field = /with name "(\w+)"/.exec(message)?.[1];
    // The place of a field that came into a oneof may be that of the oneof.
    return field !== undefined && oneofAt(after, around) !== undefined ? `${scopeOf(around)}.${field}` : around;
  }
  const [, kind = "", what = "", name = what] = gone;
  // Of a type within another, the name has both.
  if (around !== undefined && kind !== "message" && kind !== "enum" && kind !== "extension")
    return `${around}.${kind === "enum value" ? valueNamed(before, around, what) : name}`;
  const known = path === undefined ? undefined : (file ?? before.registry.getFile(path));
  const scope = known?.proto.package ?? "";
  return scope === "" || name.includes("/") ? name : `${scope}.${name}`;
}

/** buf says the number only. */
function valueNamed({ registry }: SchemaSet, enumName: string, number: string): string {
  return registry.getEnum(enumName)?.values.find((value) => String(value.number) === number)?.name ?? number;
}

function fieldNumbered({ registry }: SchemaSet, messageName: string, number: string): string {
  return registry.getMessage(messageName)?.fields.find((field) => String(field.number) === number)?.name ?? number;
}

function quoted(message: string): string {
  return /"(.+?)"/.exec(message)?.[1] ?? "";
}

function diagnosticOf(rule: keyof typeof mends, all: SaidOfOne, sources: SchemaSources): Diagnostic {
  const [said] = all;
  // Of a file that is gone, only the message says the path.
  const file = said.path ?? quoted(said.message);
  const message = `${joined(all.map(textOf))} (buf: ${all.map(({ type }) => type).join(", ")})`;
  const found = { rule, severity: "error", message, mend: mends[rule], file: sources.shown(file) } as const;
  const { start_line: line = 1, start_column: column = 1, end_line: endLine = 1, end_column: endColumn = 1 } = said;
  if (said.path === undefined || (endLine === 1 && endColumn === 1)) return found;
  const text = sources.source(file);
  const range = text.range(text.atCell(line - 1, column - 1), text.atCell(endLine - 1, endColumn - 1));
  return { ...found, range, frame: text.frame(range) };
}

function textOf({ message }: Said): string {
  return message.replace(/ See https:.*$/s, "").replace(/\.$/, "");
}

/** The words that all begin with are said once: `a b c` and `a b d` are `a b c and d`. */
function joined(texts: readonly string[]): string {
  const [first = [], ...others] = texts.map((text) => text.split(" "));
  const same = first.findIndex((word, at) => others.some((words) => words[at] !== word));
  return [first.join(" "), ...others.map((words) => words.slice(Math.max(0, same)).join(" "))].join(" and ");
}
