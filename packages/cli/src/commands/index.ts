// All commands, in the order in which the help lists them.
import type { Command } from "../command.ts";
import { completionCommand } from "./completion.ts";
import { generateCommand } from "./generate.ts";
import { initCommand } from "./init.ts";
import { inspectCommand } from "./inspect.ts";
import { pluginCommand } from "./plugin.ts";

export const commands: readonly Command[] = [
  initCommand,
  generateCommand,
  inspectCommand,
  pluginCommand,
  completionCommand,
];
