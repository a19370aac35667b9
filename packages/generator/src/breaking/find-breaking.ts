// What a new version of schemas breaks for whom an old one knows.
import { bufCompiler } from "../compile/buf.ts";
import { type Diagnostic, sortDiagnostics } from "../diagnostic.ts";
import { GenerateFailure } from "../failure.ts";
import { type GenerateOptions, sourcesOf } from "../generate.ts";
import type { Finding } from "../lint/finding.ts";
import { checkFiles, hasErrors, placed } from "../pipeline.ts";
import { type ServedSchemas, readBaseline } from "./baseline.ts";
import { compareChannels, showsPolicies } from "./behaviour.ts";
import { type BreakingLevel, breakingLevels, includesLevel } from "./breaking-rules.ts";
import { bufBreaking } from "./buf-breaking.ts";
import { removedChannels } from "./removed.ts";
import { symbolOf } from "./symbol.ts";
import { compareValidation } from "./validation.ts";

export interface BreakingOptions extends Pick<
  GenerateOptions,
  "inputs" | "protoPath" | "cwd" | "compiler" | "progress" | "signal"
> {
  /** The old version: a file with a compiled schema (a `FileDescriptorSet` or an image of buf), a revision of git, or what a running server gave. */
  readonly against: string | ServedSchemas;
  /** What counts; "behaviour", which is all, unless said. */
  readonly level?: BreakingLevel;
}

/**
 * Sorted; undefined if the old version has none of the inputs, so that there is nothing to compare with. Errors of the new schemas are all that is found if there are some. Throws a `GenerateFailure` if there is no old version to compare
 * with, or a tool did not work.
 */
export async function findBreaking(options: BreakingOptions): Promise<readonly Diagnostic[] | undefined> {
  const { against, level = "behaviour", compiler = bufCompiler(), progress, signal } = options;
  if (!breakingLevels.includes(level))
    throw new GenerateFailure("usage", `The level ${level} is none of ${breakingLevels.join(", ")}.`);
  const { cwd, sources } = sourcesOf(options);
  const { diagnostics, compiled } = await checkFiles({ options, sources, files: sources.files });
  if (compiled === undefined || hasErrors(diagnostics))
    return sortDiagnostics(diagnostics.filter(({ severity }) => severity === "error"));
  const name = typeof against === "string" ? against : against.name;
  progress?.(`compiling ${name}`);
  const { inputs, protoPath = [] } = options;
  const files = new Set(sources.files);
  const before = await readBaseline({ against, cwd, inputs, protoPath, files, compiler, signal });
  if (before === undefined) return undefined;
  const after = { ...compiled, files };
  progress?.(`comparing with ${name}`);
  const found: Diagnostic[] = [...removedChannels(before, after, sources)];
  found.push(...(await bufBreaking(before, after, { source: includesLevel(level, "source"), sources, signal })));
  if (includesLevel(level, "behaviour")) {
    const report = (finding: Finding): void =>
      void found.push({ ...placed(finding, sources), at: symbolOf(finding.place) });
    // A server may keep its policies to itself: then nothing is known of them.
    compareChannels(before, after, { policies: typeof against === "string" || showsPolicies(against), report });
    compareValidation(before, after, report);
  }
  return sortDiagnostics(found);
}
