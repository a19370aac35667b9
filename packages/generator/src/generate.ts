// The way from schema files to written code: find, compile, lint, strip, model, targets, compare, write.
import { relative, resolve, sep } from "node:path";
import { create, createFileRegistry } from "@bufbuild/protobuf";
import { wktPublicImportPaths } from "@bufbuild/protobuf/codegenv2";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { ImportExtension, Model, OutputFile, Target, TargetContext } from "@raceway/core/target";
import { bufCompiler } from "./compile/buf.ts";
import { explainFindings } from "./compile/explain.ts";
import type { SchemaCompiler } from "./compile/schema-compiler.ts";
import { type SchemaSources, findSources } from "./compile/schema-sources.ts";
import { stripOptions, withImports } from "./compile/strip.ts";
import { type Diagnostic, sortDiagnostics } from "./diagnostic.ts";
import { GenerateFailure, reasonText } from "./failure.ts";
import type { Finding } from "./lint/finding.ts";
import { lint } from "./lint/lint.ts";
import { openOutputFolder } from "./output/output-folder.ts";
import { type FileChange, planOutput } from "./output/plan.ts";
import { staleFindings } from "./output/stale.ts";
import { writePlan } from "./output/write.ts";
import { rangeOf } from "./place.ts";
import { SourceText } from "./source-text.ts";
import { type BuiltInTarget, builtInTarget } from "./targets/built-in.ts";

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
  const cwd = resolve(options.cwd ?? ".");
  if (options.inputs.length === 0)
    throw new GenerateFailure(
      "usage",
      "There is nothing to generate from. Name .proto files, or folders that have some.",
    );
  const sources = findSources(cwd, options.inputs, options.protoPath ?? []);
  const compiled = await (options.compiler ?? bufCompiler()).compile(sources, sources.files);
  if (!compiled.ok) return refused(explainFindings(compiled.findings, sources));
  const registry = createFileRegistry(compiled.set);
  const linted = lint(sources.files.map((file) => registry.getFile(file)!)).map((finding) => placed(finding, sources));
  if (hasErrors(linted)) return refused(linted);

  const files = await runTargets(compiled.set);
  const folder = openOutputFolder(resolve(cwd, options.out));
  const shown = (path: string): string => relative(cwd, resolve(folder.path, path)).split(sep).join("/");
  const plan = planOutput(folder, files, (file) => sources.locate(file), shown);
  const diagnostics = sortDiagnostics([...linted, ...plan.diagnostics]);
  if (hasErrors(diagnostics)) return refused(diagnostics);
  if (options.check === true) {
    const stale = staleFindings(plan, shown);
    return { diagnostics: sortDiagnostics([...diagnostics, ...stale]), changes: plan.changes, ok: stale.length === 0 };
  }
  await writePlan(folder.path, plan);
  return { diagnostics, changes: plan.changes, ok: true };

  async function runTargets(set: FileDescriptorSet): Promise<readonly OutputFile[]> {
    // Loaded only now, since it brings protoplugin along.
    const { buildModel } = await import("./model/build-model.ts");
    const descriptors = stripOptions(set, options.keepOptions);
    const reached = withImports(descriptors, sources.files);
    const asked = new Set(sources.files);
    const needed = reached
      .map((file) => file.name)
      .filter((file) => !asked.has(file) && !Object.hasOwn(wktPublicImportPaths, file));
    const model = buildModel(registry, sources.files, needed);
    const context = {
      importExtension: options.importExtension ?? "js",
      descriptors: create(FileDescriptorSetSchema, { file: [...reached] }),
    };
    const made: OutputFile[] = [];
    for (const target of (options.targets ?? ["es", "ts"]).map(targetOf))
      made.push(...(await filesOf(target, model, context)));
    return made;
  }
}

function targetOf(target: BuiltInTarget | Target): Target {
  if (typeof target !== "object") return builtInTarget(target);
  if (target.contract !== 1)
    throw new GenerateFailure(
      "usage",
      `Target ${target.name} speaks contract ${String(target.contract)}, this generator speaks 1. Install versions that fit.`,
    );
  return target;
}

/** A target may be anybody's: what it throws ends the run with its name. */
async function filesOf(target: Target, model: Model, context: TargetContext): Promise<readonly OutputFile[]> {
  try {
    return [...(await target.generate(model, context))];
  } catch (error) {
    if (error instanceof GenerateFailure) throw error;
    throw new GenerateFailure("tool", `Target ${target.name} failed: ${reasonText(error)}`, { cause: error });
  }
}

function placed({ rule, severity, place, message, mend }: Finding, sources: SchemaSources): Diagnostic {
  const file = place.file.proto.name;
  const text = new SourceText(sources.text(file));
  const range = rangeOf(place, text);
  return {
    rule,
    severity,
    message,
    mend,
    file: sources.shown(file),
    ...(range !== undefined && { range, frame: text.frame(range) }),
  };
}

function refused(diagnostics: readonly Diagnostic[]): GenerateResult {
  return { diagnostics: sortDiagnostics(diagnostics), changes: [], ok: false };
}

function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === "error");
}
