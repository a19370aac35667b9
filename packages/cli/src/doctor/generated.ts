// Checks of a project's generated code: whether it is what its schemas give.
import { generate, GenerateFailure } from "@raceway/generator";
import { readConfig } from "../config.ts";
import { UsageError } from "../context.ts";
import { type Finding, fine, leftOut, wrong } from "./check.ts";

export async function checkGenerated(cwd: string): Promise<readonly Finding[]> {
  let jobs: Awaited<ReturnType<typeof readConfig>>;
  try {
    jobs = await readConfig(cwd);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return [wrong("generated code", error.message, "correct the configuration.")];
  }
  if (jobs === undefined) return [leftOut("generated code", "there is no raceway.config.ts here")];
  if (jobs.generate.length === 0) return [leftOut("generated code", "raceway.config.ts generates nothing")];
  const findings: Finding[] = [];
  for (const job of jobs.generate) findings.push(await checkJob({ ...job, cwd, check: true }));
  return findings;
}

async function checkJob(options: Parameters<typeof generate>[0]): Promise<Finding> {
  const check = `generated code in ${options.out}`;
  try {
    const { ok, diagnostics, changes } = await generate(options);
    if (ok) return fine(check, `${changes.length} files are what the schemas give`);
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    const stale = errors.filter(({ rule }) => rule === "output_stale");
    if (stale.length === errors.length)
      return wrong(check, `${stale.length} files are not what the schemas give`, "run raceway generate.");
    const [first] = errors;
    return wrong(check, `${first!.file}: ${first!.message}`, "run raceway generate, which says where.");
  } catch (error) {
    if (!(error instanceof GenerateFailure)) throw error;
    return wrong(check, error.message, "correct the configuration, or install again.");
  }
}
