// `raceway plugin new`: what it does.
import type { CommandContext } from "../context.ts";
import { makeProject } from "../make-project.ts";
import type { PluginNewArguments } from "./plugin-new.ts";

export function runPluginNew({ kind, ...args }: PluginNewArguments, context: CommandContext): Promise<number> {
  return makeProject({ ...args, template: `plugin-${kind}`, script: "test", facts: { kind } }, context);
}
