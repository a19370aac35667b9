// What `raceway generate` is asked for, by its arguments or by raceway.config.ts.
import type { Target } from "@raceway/core/target";
import { defaultTargets } from "@raceway/generator";
import type { GenerateArguments } from "./commands/generate.ts";
import { type GenerateJob, readJobs } from "./config.ts";
import { UsageError } from "./context.ts";
import { refusedAsUsage } from "./refused.ts";
import { targetsNamed } from "./targets.ts";

/** Throws a {@link UsageError} that says what is missing. */
export async function jobsOf(args: GenerateArguments, cwd: string): Promise<readonly GenerateJob[]> {
  const given = {
    protoPath: args["proto-path"],
    importExtension: args["import-extension"],
    targets: await targetsOf(args, cwd),
    keepOptions: args["keep-option"],
  };
  const some = Object.entries(given).filter(([, value]) => value !== undefined);
  if (args.inputs !== undefined && args.inputs.length > 0) {
    if (args.out === undefined || args.out === "") throw new UsageError("Name the folder to write to with --out.");
    return [{ inputs: args.inputs, out: args.out, ...(Object.fromEntries(some) as Partial<GenerateJob>) }];
  }
  if (args.out !== undefined || some.length > 0) throw new UsageError("Name schema files, or folders that have some.");
  const jobs = await readJobs(cwd);
  if (jobs === undefined) {
    throw new UsageError(
      "Name schema files and --out, or write a raceway.config.ts that exports { generate: [{ inputs, out }] }.",
    );
  }
  return jobs;
}

async function targetsOf(args: GenerateArguments, cwd: string): Promise<readonly Target[] | undefined> {
  const options = args["target-option"] ?? [];
  if (args.target === undefined && options.length === 0) return undefined;
  return refusedAsUsage(() => targetsNamed(args.target ?? defaultTargets, options, cwd));
}
