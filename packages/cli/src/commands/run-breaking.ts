// `raceway breaking`: what it does.
import {
  type AcceptedFinding,
  acceptFindings,
  type Diagnostic,
  findBreaking,
  schemaFiles,
  type ServedSchemas,
  showsPolicies,
  unusedEntries,
} from "@raceway/generator";
import { readConfig } from "../config.ts";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { inputsOf, type SchemaInputs } from "../input-arguments.ts";
import { refusedAsUsage } from "../refused.ts";
import { isServerAddress, urlOf } from "../remote/dial.ts";
import { reflect } from "../remote/reflection.ts";
import { tellFindings } from "../tell-findings.ts";
import type { BreakingArguments } from "./breaking.ts";

export async function runBreaking(args: BreakingArguments, context: CommandContext): Promise<number> {
  const { against, level } = args;
  const inputs = await inputsOf(args, context.cwd);
  const baselines = isServerAddress(against) ? await servedBaselines(args, inputs, context) : inputs.map(() => against);
  const accept = (await readConfig(context.cwd))?.breaking?.accept ?? [];
  let fine = true;
  let compared = 0;
  const all: Diagnostic[] = [];
  for (const [at, one] of inputs.entries()) {
    const name = one.inputs.join(" ");
    const progress = (text: string): void => context.progress(`${name}: ${text}`);
    const signal = context.stopping();
    const options = { ...one, against: baselines[at]!, level, cwd: context.cwd, progress, signal };
    const found = await refusedAsUsage(() => findBreaking(options));
    if (found === undefined) {
      context.note(`${name} against ${against}: was not there, so nothing of it breaks`);
      continue;
    }
    compared++;
    all.push(...found);
    const { errors } = tellFindings(`${name} against ${against}`, acceptFindings(found, accept), args, context);
    fine &&= errors === 0;
  }
  // A command that has looked at nothing would let everything through.
  if (compared === 0)
    throw new UsageError(`${against} has none of these schemas, so there is nothing to compare with.`);
  // Of inputs that arguments name, the entries may be for others.
  if (args.inputs === undefined || args.inputs.length === 0)
    for (const entry of unusedEntries(all, accept, level)) tellUnused(entry, context);
  return fine ? Exit.fine : Exit.findings;
}

function tellUnused(entry: AcceptedFinding, context: CommandContext): void {
  const message = `breaking.accept has ${entry.rule} at ${entry.at}, and nothing of it was found: remove the entry`;
  context.warn("accept_unused", message, { ...entry });
}

/** What a server serves, for each of the inputs. Each file counts once, if several inputs are compared: with those that have it, or with the first. */
async function servedBaselines(
  args: BreakingArguments,
  inputs: readonly SchemaInputs[],
  context: CommandContext,
): Promise<readonly ServedSchemas[]> {
  const own = await refusedAsUsage(() =>
    Promise.resolve(inputs.map((one) => new Set(schemaFiles({ ...one, cwd: context.cwd })))),
  );
  const url = urlOf(args.against);
  const { services, set } = await reflect({ ...args, url }, context, "compare with a file or a revision");
  const served = { name: url, services, set };
  if (args.level === "behaviour" && !showsPolicies(served))
    context.note(`${url} keeps its policies to itself, so they are not compared`);
  return own.map((files, at) => {
    const elsewhere = ({ name }: { readonly name: string }): boolean =>
      !files.has(name) && (at > 0 || own.some((others) => others.has(name)));
    return { ...served, except: new Set(set.file.filter(elsewhere).map(({ name }) => name)) };
  });
}
