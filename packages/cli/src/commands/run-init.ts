// `raceway init`: what it does.
import { ask } from "create-raceway";
import { type CommandContext, Exit } from "../context.ts";
import { makeProject } from "../make-project.ts";
import type { InitArguments } from "./init.ts";

export async function runInit(args: InitArguments, context: CommandContext): Promise<number> {
  const { folder, template } = args;
  const silent = args.yes || args.json || !context.asks;
  const wanted = silent
    ? { folder: folder ?? "raceway-app", template: template ?? ("both" as const) }
    : await ask({ folder, template });
  if (wanted === undefined) return Exit.interrupted; // called off
  const { name, install, json } = args;
  return makeProject({ ...wanted, name, install, json, script: "dev", facts: { template: wanted.template } }, context);
}
