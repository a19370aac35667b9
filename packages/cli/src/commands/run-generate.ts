// `raceway generate`: what it does.
import { posix } from "node:path";
import type { Target } from "@raceway/core/target";
import {
  type DiagnosticFormat,
  type FileChange,
  GenerateFailure,
  type GenerateOptions,
  type GenerateResult,
  formatDiagnostics,
  generate,
} from "@raceway/generator";
import { type GenerateJob, readConfig } from "../config.ts";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { targetsNamed } from "../targets.ts";
import type { GenerateArguments } from "./generate.ts";

export async function runGenerate(args: GenerateArguments, context: CommandContext): Promise<number> {
  const format: DiagnosticFormat = args.json ? "json" : args["error-format"];
  const dryRun = args["dry-run"] === true;
  let ok = true;
  for (const job of await jobsOf(args, context)) {
    context.progress(`${job.out}: generating …`);
    const result = await run({ ...job, check: args.check === true || dryRun, cwd: context.cwd });
    const shown = dryRun ? withoutStale(result) : result;
    context.out(formatDiagnostics(shown.diagnostics, format, { color: context.colors.out }));
    if (dryRun) context.err(changesText(job.out, shown.changes));
    context.err(`${job.out}: ${shown.ok || args.check === true ? summary(shown.changes) : "nothing was written"}\n`);
    ok &&= shown.ok;
  }
  return ok ? Exit.fine : Exit.findings;
}

/** A dry run finds nothing wrong with what it would change. */
function withoutStale({ diagnostics, changes }: GenerateResult): GenerateResult {
  const rest = diagnostics.filter(({ rule }) => rule !== "output_stale");
  return { diagnostics: rest, changes, ok: rest.every(({ severity }) => severity !== "error") };
}

/** "would be added: gen/room.client.ts", a line each. */
function changesText(out: string, changes: readonly FileChange[]): string {
  const lines = changes.filter(({ change }) => change !== "unchanged");
  return lines.map(({ change, path }) => `would be ${change}: ${posix.join(out, path)}\n`).join("");
}

async function run(options: GenerateOptions): ReturnType<typeof generate> {
  return refusals(() => generate(options));
}

/** What was asked for and cannot be is a wrong use of the command. */
async function refusals<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof GenerateFailure && error.kind === "usage")
      throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

async function jobsOf(args: GenerateArguments, context: CommandContext): Promise<readonly GenerateJob[]> {
  const given = {
    protoPath: args["proto-path"],
    importExtension: args["import-extension"],
    targets: await targetsOf(args, context),
    keepOptions: args["keep-option"],
  };
  const some = Object.entries(given).filter(([, value]) => value !== undefined);
  if (args.inputs !== undefined && args.inputs.length > 0) {
    if (args.out === undefined) throw new UsageError("Name the folder to write to with --out.");
    return [{ inputs: args.inputs, out: args.out, ...(Object.fromEntries(some) as Partial<GenerateJob>) }];
  }
  if (args.out !== undefined || some.length > 0) throw new UsageError("Name schema files, or folders that have some.");
  const config = await readConfig(context.cwd);
  if (config === undefined) {
    throw new UsageError(
      "Name schema files and --out, or write a raceway.config.ts that exports { generate: [{ inputs, out }] }.",
    );
  }
  return config.generate;
}

async function targetsOf(args: GenerateArguments, { cwd }: CommandContext): Promise<readonly Target[] | undefined> {
  const options = args["target-option"] ?? [];
  if (args.target === undefined && options.length === 0) return undefined;
  return refusals(() => targetsNamed(args.target ?? ["es", "ts"], options, cwd));
}

/** "2 added, 1 changed, 9 unchanged". */
function summary(changes: readonly FileChange[]): string {
  const kinds = ["added", "changed", "deleted", "unchanged"] as const;
  const counts = kinds.map((kind) => ({ kind, count: changes.filter(({ change }) => change === kind).length }));
  return (
    counts
      .filter(({ count }) => count > 0)
      .map(({ kind, count }) => `${count} ${kind}`)
      .join(", ") || "nothing to write"
  );
}
