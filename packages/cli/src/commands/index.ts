// All commands, in the order in which the help lists them.
import type { Command } from "../command.ts";
import { completionCommand } from "./completion.ts";
import { generateCommand } from "./generate.ts";
import { inspectCommand } from "./inspect.ts";
import { pluginCommand } from "./plugin.ts";

export const commands: readonly Command[] = [generateCommand, inspectCommand, pluginCommand, completionCommand];
