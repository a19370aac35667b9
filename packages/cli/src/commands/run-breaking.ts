// `raceway breaking`: what it does.
import { findBreaking } from "@raceway/generator";
import { type CommandContext, Exit } from "../context.ts";
import { inputsOf } from "../input-arguments.ts";
import { refusedAsUsage } from "../refused.ts";
import { tellFindings } from "../tell-findings.ts";
import type { BreakingArguments } from "./breaking.ts";

export async function runBreaking(args: BreakingArguments, context: CommandContext): Promise<number> {
  const { against, level } = args;
  let fine = true;
  for (const inputs of await inputsOf(args, context.cwd)) {
    const name = inputs.inputs.join(" ");
    const progress = (text: string): void => context.progress(`${name}: ${text}`);
    const options = { ...inputs, against, level, cwd: context.cwd, progress };
    const found = await refusedAsUsage(() => findBreaking(options));
    const { errors } = tellFindings(`${name} against ${against}`, found, args, context);
    fine &&= errors === 0;
  }
  return fine ? Exit.fine : Exit.findings;
}
