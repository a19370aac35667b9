// From schema files to a plan of what would be written: compile, lint, strip, model, targets, compare.
import { statSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { createFileRegistry, type FileRegistry } from "@bufbuild/protobuf";
import type { FileDescriptorSet } from "@bufbuild/protobuf/wkt";
import type { Target } from "@raceway/core/target";
import { bufCompiler } from "./compile/buf.ts";
import { explainFindings } from "./compile/explain.ts";
import type { SchemaSources } from "./compile/schema-sources.ts";
import { compareText, type Diagnostic, sortDiagnostics } from "./diagnostic.ts";
import { GenerateFailure } from "./failure.ts";
import type { GenerateOptions } from "./generate.ts";
import type { Finding } from "./lint/finding.ts";
import { lint } from "./lint/lint.ts";
import { openOutputFolder } from "./output/output-folder.ts";
import { type Plan, planOutput } from "./output/plan.ts";
import { rangeOf } from "./place.ts";
import { counted, runTargets } from "./run-targets.ts";
import { type BuiltInTarget, builtInTarget, defaultTargets } from "./targets/built-in.ts";

export interface Run {
  readonly options: GenerateOptions;
  /** Absolute. */
  readonly cwd: string;
  readonly sources: SchemaSources;
  /** Import paths of what is generated: all files of the sources, or some. */
  readonly files: readonly string[];
  readonly targets: readonly Target[];
  /** What becomes of files that are no longer generated; see {@link planOutput}. */
  readonly leftovers: "all" | "generated" | "none";
}

export interface Planned {
  /** The output folder, absolute. */
  readonly folder: string;
  /** How people are shown a path of the output folder. */
  readonly shown: (path: string) => string;
  /** Sorted. */
  readonly diagnostics: readonly Diagnostic[];
  /** Absolute paths of all schema files that took part, imports too; empty if they did not compile. */
  readonly read: readonly string[];
  /** Absent if there are errors. */
  readonly plan?: Plan;
}

export interface Checked {
  /** Of the compiler, or of the linter; not sorted. */
  readonly diagnostics: readonly Diagnostic[];
  /** Absent if the schemas are no valid protobuf. */
  readonly compiled?: { readonly set: FileDescriptorSet; readonly registry: FileRegistry };
}

/** Compiles and lints. */
export async function checkFiles({
  options: { compiler = bufCompiler(), progress, signal },
  sources,
  files,
}: {
  readonly options: Pick<GenerateOptions, "compiler" | "progress" | "signal">;
  readonly sources: SchemaSources;
  readonly files: readonly string[];
}): Promise<Checked> {
  progress?.(`compiling ${counted(files.length, "file")}`);
  const compiled = await compiler.compile(sources, files, signal);
  if (!compiled.ok) return { diagnostics: explainFindings(compiled.findings, sources) };
  refuseTwice(compiled.set, sources);
  const registry = createFileRegistry(compiled.set);
  progress?.(`checking ${counted(files.length, "file")}`);
  const diagnostics = lint(files.map((file) => registry.getFile(file)!)).map((finding) => placed(finding, sources));
  return { diagnostics, compiled: { set: compiled.set, registry } };
}

/** Proto paths within each other give a file two import paths; whoever takes both has all that it declares twice. */
function refuseTwice(set: FileDescriptorSet, sources: SchemaSources): void {
  const names = new Map<string, string>();
  for (const { name } of set.file) {
    const path = sources.locate(name);
    const same = path === undefined ? undefined : names.get(path);
    if (same !== undefined)
      throw new GenerateFailure(
        "usage",
        `${sources.shown(name)} is imported as "${[same, name].toSorted(compareText).join('" and as "')}", by proto paths within each other. Leave one of them out, or import it by one name everywhere.`,
      );
    if (path !== undefined) names.set(path, name);
  }
}

export async function planRun({ options, cwd, sources, files, targets, leftovers }: Run): Promise<Planned> {
  const { progress = (): void => undefined } = options;
  const out = resolve(cwd, options.out);
  if (statSync(out, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new GenerateFailure("usage", `${options.out} is a file. Name a folder to write to.`);
  const folder = openOutputFolder(out);
  const shown = (path: string): string => relative(cwd, resolve(folder.path, path)).split(sep).join("/");
  let read: readonly string[] = [];
  const refused = (diagnostics: readonly Diagnostic[]): Planned => ({
    folder: folder.path,
    shown,
    diagnostics: sortDiagnostics(diagnostics),
    read,
  });

  const { diagnostics: linted, compiled } = await checkFiles({ options, sources, files });
  read = compiled?.set.file.flatMap(({ name }) => sources.locate(name) ?? []) ?? [];
  if (compiled === undefined || hasErrors(linted)) return refused(linted);

  const { model, made } = await runTargets(compiled.set, compiled.registry, {
    ...options,
    files,
    asked: new Set(sources.files),
    targets,
    progress,
  });
  const generated = model.files.map(({ path }) => path);
  const imported = new Set(model.files.flatMap(({ path, requested }) => (requested ? [] : path)));
  const locate = (file: string): string | undefined => sources.locate(file);
  const plan = planOutput({ folder, files: made, generated, imported, leftovers, locate, shown });
  const diagnostics = [...linted, ...plan.diagnostics];
  return hasErrors(diagnostics) ? refused(diagnostics) : { ...refused(diagnostics), plan };
}

export function targetsOf({ targets = defaultTargets }: GenerateOptions): readonly Target[] {
  return targets.map(targetOf);
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

/** A finding with its line and column, and the lines around them. */
export function placed({ rule, severity, place, message, mend }: Finding, sources: SchemaSources): Diagnostic {
  const file = place.file.proto.name;
  const text = sources.source(file);
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

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === "error");
}
