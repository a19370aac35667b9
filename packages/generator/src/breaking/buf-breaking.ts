// buf's own comparison of two compiled schemas: what changed on the wire, and in generated code.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { FOUND, type Said, runBuf, saidIn } from "../compile/run-buf.ts";
import type { SchemaSources } from "../compile/schema-sources.ts";
import type { Diagnostic } from "../diagnostic.ts";
import { GenerateFailure } from "../failure.ts";
import type { SchemaSet } from "./baseline.ts";
import { withImportMarks } from "./import-mark.ts";
import { symbolAtCell } from "./symbol.ts";

/** Said by rules of ours, more exactly: buf also finds a channel that becomes idempotent. */
const EXCEPT = ["RPC_NO_DELETE", "SERVICE_NO_DELETE", "RPC_SAME_IDEMPOTENCY_LEVEL"];

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
    const wire = await compared("WIRE_JSON", stage, signal);
    const known = new Set(wire.map(placeOf));
    // buf has other rules for the same change of a type, which would say it twice.
    const rest = source ? (await compared("FILE", stage, signal)).filter((one) => !known.has(placeOf(one))) : [];
    return [
      ...wire.map((one) => ({ ...diagnosticOf("wire_changed", one, sources), at: symbolIn(one, before, after) })),
      ...rest.map((one) => ({ ...diagnosticOf("source_changed", one, sources), at: symbolIn(one, before, after) })),
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

function placeOf({ path, type, message, start_line: line = 1, start_column: column = 1 }: Said): string {
  // A whole file stands for all that is missing in it.
  return line === 1 && column === 1 ? `${type} ${message}` : `${path}:${line}:${column}`;
}

/** What was there is named in the message, and the place is that around it. */
function symbolIn(
  { path, message, start_line: line = 1, start_column: column = 1 }: Said,
  before: SchemaSet,
  after: SchemaSet,
): string {
  const gone = /^Previously present [a-z ]+"(.+?)"(?: with name "(\w+)")?/i.exec(message);
  const file = path === undefined ? undefined : after.registry.getFile(path);
  const around = file && symbolAtCell(file, line - 1, column - 1);
  if (gone === null) return around ?? path ?? quoted(message);
  const name = gone[2] ?? gone[1]!;
  if (around !== undefined) return `${around}.${name}`;
  const known = path === undefined ? undefined : (file ?? before.registry.getFile(path));
  const scope = known?.proto.package ?? "";
  return scope === "" || name.includes("/") ? name : `${scope}.${name}`;
}

function quoted(message: string): string {
  return /"(.+?)"/.exec(message)?.[1] ?? "";
}

function diagnosticOf(rule: keyof typeof mends, said: Said, sources: SchemaSources): Diagnostic {
  // Of a file that is gone, only the message says the path.
  const file = said.path ?? quoted(said.message);
  const message = `${said.message.replace(/ See https:.*$/s, "").replace(/\.$/, "")} (buf: ${said.type})`;
  const found = { rule, severity: "error", message, mend: mends[rule], file: sources.shown(file) } as const;
  const { start_line: line = 1, start_column: column = 1, end_line: endLine = 1, end_column: endColumn = 1 } = said;
  if (said.path === undefined || (endLine === 1 && endColumn === 1)) return found;
  const text = sources.source(file);
  const range = text.range(text.atCell(line - 1, column - 1), text.atCell(endLine - 1, endColumn - 1));
  return { ...found, range, frame: text.frame(range) };
}
