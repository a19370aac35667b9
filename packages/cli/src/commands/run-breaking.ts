// `raceway breaking`: what it does.
import { findBreaking } from "@raceway/generator";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { inputsOf } from "../input-arguments.ts";
import { refusedAsUsage } from "../refused.ts";
import { tellFindings } from "../tell-findings.ts";
import type { BreakingArguments } from "./breaking.ts";

export async function runBreaking(args: BreakingArguments, context: CommandContext): Promise<number> {
  const { against, level } = args;
  let fine = true;
  let compared = 0;
  for (const inputs of await inputsOf(args, context.cwd)) {
    const name = inputs.inputs.join(" ");
    const progress = (text: string): void => context.progress(`${name}: ${text}`);
    const options = { ...inputs, against, level, cwd: context.cwd, progress };
    const found = await refusedAsUsage(() => findBreaking(options));
    if (found === undefined) {
      context.err(`${name} against ${against}: was not there, so nothing of it breaks\n`);
      continue;
    }
    compared++;
    const { errors } = tellFindings(`${name} against ${against}`, found, args, context);
    fine &&= errors === 0;
  }
  // A command that has looked at nothing would let everything through.
  if (compared === 0)
    throw new UsageError(`${against} has none of these schemas, so there is nothing to compare with.`);
  return fine ? Exit.fine : Exit.findings;
}
