// The way from schema files to written code, and what can be said about a run.
import { resolve } from "node:path";
import type { ImportExtension, Model, Target, TargetContext } from "@raceway/core/target";
import type { SchemaCompiler } from "./compile/schema-compiler.ts";
import { findSources, type SchemaSources } from "./compile/schema-sources.ts";
import { type Diagnostic, sortDiagnostics } from "./diagnostic.ts";
import { GenerateFailure } from "./failure.ts";
import type { FileChange } from "./output/plan.ts";
import { staleFindings } from "./output/stale.ts";
import { writePlan } from "./output/write.ts";
import { type Planned, checkFiles, planRun, targetsOf } from "./pipeline.ts";
import type { BuiltInTarget } from "./targets/built-in.ts";

export interface GenerateOptions {
  /** Schema files, or folders that have some. */
  readonly inputs: readonly string[];
  /** The folder to write to; it is made if it is not there. */
  readonly out: string;
  /** Folders that imports in schemas are relative to. None: each input's own package says where its import path begins. */
  readonly protoPath?: readonly string[];
  /** How imports between generated files end; "js" unless said. */
  readonly importExtension?: ImportExtension;
  /** What is generated: names of built-in targets, or targets of one's own. `["es", "ts"]` unless said. */
  readonly targets?: readonly (BuiltInTarget | Target)[];
  /** Custom options, or packages of them, that stay in the descriptors of clients; those of "buf.validate" always do. */
  readonly keepOptions?: readonly string[];
  /** Compares and writes nothing. */
  readonly check?: boolean;
  /** What relative paths are relative to; the process's working folder unless said. */
  readonly cwd?: string;
  /** buf, from npm, unless said. */
  readonly compiler?: SchemaCompiler;
  /** Hears what a run is at, in a few words, before each part of it. */
  readonly progress?: (text: string) => void;
  /** Aborting ends the run with the signal's reason before it writes; once it writes, it goes through. */
  readonly signal?: AbortSignal;
}

export interface GenerateResult {
  /** What is wrong; errors mean that nothing was written. */
  readonly diagnostics: readonly Diagnostic[];
  /** What was written, or with `check` would be; the manifest is not among them. */
  readonly changes: readonly FileChange[];
  /** No errors; with `check`, also no changes. */
  readonly ok: boolean;
}

/** Throws a `GenerateFailure` for a wrong request or a tool that did not work; what is wrong with a schema is in the result. */
export async function generate(options: GenerateOptions): Promise<GenerateResult> {
  const { diagnostics, plan, folder, shown } = await planGeneration(options);
  if (plan === undefined) return { diagnostics, changes: [], ok: false };
  if (options.check === true) {
    const stale = staleFindings(plan, shown);
    return { diagnostics: sortDiagnostics([...diagnostics, ...stale]), changes: plan.changes, ok: stale.length === 0 };
  }
  options.signal?.throwIfAborted();
  await writePlan(folder, plan);
  return { diagnostics, changes: plan.changes, ok: true };
}

/** What {@link generate} would write, without writing it. Throws as that does. */
export async function planGeneration(options: GenerateOptions): Promise<Planned> {
  const { cwd, sources } = sourcesOf(options);
  return planRun({ options, cwd, sources, files: sources.files, targets: targetsOf(options), leftovers: "all" });
}

export interface CompiledModel {
  readonly diagnostics: readonly Diagnostic[];
  /** What targets are given; absent if the schemas have errors. */
  readonly input?: { readonly model: Model; readonly context: TargetContext };
}

/** What targets would be given: for those who use schemas and write nothing. Throws as {@link generate}. */
export async function compileModel(
  options: Omit<GenerateOptions, "out" | "targets" | "check">,
): Promise<CompiledModel> {
  const { cwd, sources } = sourcesOf(options);
  let input: CompiledModel["input"];
  const taker: Target = {
    name: "taker",
    contract: 1,
    generate(model, context) {
      input = { model, context };
      return [];
    },
  };
  const { files } = sources;
  const run = { options: { ...options, out: "." }, cwd, sources, files, targets: [taker], leftovers: "none" } as const;
  const { diagnostics } = await planRun(run);
  return { diagnostics, ...(input !== undefined && { input }) };
}

/** What {@link generate} would find wrong with schemas, without generating. Sorted. Throws as that does. */
export async function lintSchemas(
  options: Pick<GenerateOptions, "inputs" | "protoPath" | "cwd" | "compiler" | "progress" | "signal">,
): Promise<readonly Diagnostic[]> {
  const { sources } = sourcesOf(options);
  const { diagnostics } = await checkFiles({ options, sources, files: sources.files });
  return sortDiagnostics(diagnostics);
}

export function sourcesOf({
  cwd: given = ".",
  inputs,
  protoPath = [],
}: Pick<GenerateOptions, "cwd" | "inputs" | "protoPath">): {
  readonly cwd: string;
  readonly sources: SchemaSources;
} {
  const cwd = resolve(given);
  if (inputs.length === 0)
    throw new GenerateFailure(
      "usage",
      "There is nothing to generate from. Name .proto files, or folders that have some.",
    );
  return { cwd, sources: findSources(cwd, inputs, protoPath) };
}

/** Import paths of the inputs' own files. Throws a `GenerateFailure` as {@link generate}. */
export function schemaFiles(options: Pick<GenerateOptions, "cwd" | "inputs" | "protoPath">): readonly string[] {
  return sourcesOf(options).sources.files;
}
