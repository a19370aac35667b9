// A project or plugin made of a template: written, installed, and told.
import { createProject, install, nextSteps, packageManagerOf, type TemplateName } from "create-raceway";
import { type CommandContext, Exit, painted } from "./context.ts";
import { refusedAsUsage } from "./refused.ts";

export interface ProjectOrder {
  readonly folder: string;
  readonly name: string | undefined;
  readonly template: TemplateName;
  readonly install: boolean;
  /** What is to be typed when it is there. */
  readonly script: "dev" | "test";
  readonly json: boolean;
  /** What the JSON says beside. */
  readonly facts: Readonly<Record<string, string>>;
}

export function makeProject(order: ProjectOrder, context: CommandContext): Promise<number> {
  const { folder, name, template, json, script } = order;
  const { cwd } = context;
  return refusedAsUsage(async () => {
    const created = await createProject({ folder, cwd, name, template });
    const manager = packageManagerOf(context.env);
    if (!json) context.out(`${created.name}: ${created.files.length} files in ${created.folder}\n`);
    if (order.install) {
      context.progress(`${manager} install`);
      await install(manager, created.folder, true, context.stopping()).catch((error: unknown) => {
        if (context.stopped()) context.note(`stopped; the files are there: ${manager} install in ${created.folder}`);
        throw error;
      });
    }
    const next = nextSteps(manager, created, { cwd, installed: order.install, script });
    if (json) context.out(`${JSON.stringify({ ...created, ...order.facts, next })}\n`);
    else context.out(`\nNext:\n${next.map((line) => `  ${painted(context.colors.out, "cyan", line)}\n`).join("")}`);
    return Exit.fine;
  });
}
