// `raceway generate`: what it does.
import { posix } from "node:path";
import {
  type DiagnosticFormat,
  type FileChange,
  type GenerateResult,
  formatDiagnostics,
  generate,
} from "@raceway/generator";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { jobsOf } from "../generate-jobs.ts";
import { refusedAsUsage } from "../refused.ts";
import type { GenerateArguments } from "./generate.ts";

export async function runGenerate(args: GenerateArguments, context: CommandContext): Promise<number> {
  const format: DiagnosticFormat = args.json ? "json" : args["error-format"];
  const dryRun = args["dry-run"] === true;
  let ok = true;
  if (args.watch === true) {
    if (args.check === true || dryRun)
      throw new UsageError("--watch writes; it goes with neither --check nor --dry-run.");
    if (args["error-format"] === "github-actions") throw new UsageError("--watch says findings as text or as JSON.");
    const { watchGenerate } = await import("../watch/watch-generate.ts");
    return watchGenerate(args, format === "json", context);
  }
  for (const job of await jobsOf(args, context.cwd)) {
    const options = { ...job, check: args.check === true || dryRun, cwd: context.cwd, signal: context.stopping() };
    const progress = (text: string): void => context.progress(`${job.out}: ${text}`);
    const result = await refusedAsUsage(() => generate({ ...options, progress }));
    const shown = dryRun ? withoutStale(result) : result;
    context.out(formatDiagnostics(shown.diagnostics, format, { color: context.colors.out }));
    if (dryRun) context.out(changesText(job.out, shown.changes, format === "json"));
    const written = shown.ok || args.check === true ? summary(shown.changes) : "nothing was written";
    context.note(`${job.out}: ${written}`, { out: job.out });
    ok &&= shown.ok;
  }
  return ok ? Exit.fine : Exit.findings;
}

/** A dry run finds nothing wrong with what it would change. */
function withoutStale({ diagnostics, changes }: GenerateResult): GenerateResult {
  const rest = diagnostics.filter(({ rule }) => rule !== "output_stale");
  return { diagnostics: rest, changes, ok: rest.every(({ severity }) => severity !== "error") };
}

/** "would be added: gen/room.client.ts", a line each; or `{"change":"added","file":"gen/room.client.ts"}`. */
function changesText(out: string, changes: readonly FileChange[], json: boolean): string {
  const line = (change: string, file: string): string =>
    json ? JSON.stringify({ change, file }) : `would be ${change}: ${file}`;
  return changes
    .filter(({ change }) => change !== "unchanged")
    .map(({ change, path }) => `${line(change, posix.join(out, path))}\n`)
    .join("");
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
