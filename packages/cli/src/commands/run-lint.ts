// `raceway lint`: what it does.
import { lintSchemas } from "@raceway/generator";
import { type CommandContext, Exit } from "../context.ts";
import { inputsOf } from "../input-arguments.ts";
import { refusedAsUsage } from "../refused.ts";
import { tellFindings } from "../tell-findings.ts";
import type { LintArguments } from "./lint.ts";

export async function runLint(args: LintArguments, context: CommandContext): Promise<number> {
  let fine = true;
  for (const inputs of await inputsOf(args, context.cwd)) {
    const name = inputs.inputs.join(" ");
    const progress = (text: string): void => context.progress(`${name}: ${text}`);
    const options = { ...inputs, cwd: context.cwd, progress, signal: context.stopping() };
    const found = await refusedAsUsage(() => lintSchemas(options));
    const { errors, warnings } = tellFindings(name, found, args, context);
    fine &&= errors === 0 && (warnings === 0 || !args.strict);
  }
  return fine ? Exit.fine : Exit.findings;
}
