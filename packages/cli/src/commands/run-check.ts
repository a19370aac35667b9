// `raceway check`: what it does.
import { checkHandlers } from "@raceway/generator";
import { type CommandContext, Exit } from "../context.ts";
import { handlerOptions } from "../handler-arguments.ts";
import { refusedAsUsage } from "../refused.ts";
import { tellFindings } from "../tell-findings.ts";
import type { CheckArguments } from "./check.ts";

export async function runCheck(args: CheckArguments, context: CommandContext): Promise<number> {
  const signal = context.stopping();
  const options = { ...(await handlerOptions(args, context.cwd)), types: args.types, signal };
  const { diagnostics, services, ok } = await refusedAsUsage(() =>
    checkHandlers({ ...options, progress: (text) => context.progress(text) }),
  );
  const name = services === undefined ? "schemas" : `${services} service${services === 1 ? "" : "s"}`;
  tellFindings(name, diagnostics, args, context);
  return ok ? Exit.fine : Exit.findings;
}
