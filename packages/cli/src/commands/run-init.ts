// `raceway init`: what it does.
import { ask, createProject, install, nextSteps, packageManagerOf } from "create-raceway";
import { type CommandContext, Exit, painted } from "../context.ts";
import { refusedAsUsage } from "../refused.ts";
import type { InitArguments } from "./init.ts";

export async function runInit(args: InitArguments, context: CommandContext): Promise<number> {
  const { folder, template, json } = args;
  const silent = args.yes || json || !context.asks;
  const wanted = silent
    ? { folder: folder ?? "raceway-app", template: template ?? ("both" as const) }
    : await ask({ folder, template });
  if (wanted === undefined) return Exit.usage;
  return refusedAsUsage(async () => {
    const { cwd } = context;
    const created = await createProject({ ...wanted, cwd, name: args.name });
    const manager = packageManagerOf(context.env);
    if (!json) context.out(`${created.name}: ${created.files.length} files in ${created.folder}\n`);
    if (args.install) {
      context.progress(`${manager} install`);
      await install(manager, created.folder, true);
    }
    const next = nextSteps(manager, created, { cwd, installed: args.install, script: "dev" });
    if (json) context.out(`${JSON.stringify({ ...created, template: wanted.template, next })}\n`);
    else context.out(`\nNext:\n${next.map((line) => `  ${painted(context.colors.out, "cyan", line)}\n`).join("")}`);
    return Exit.fine;
  });
}
