// All commands, in the order in which the help lists them.
import type { Command } from "../command.ts";
import { callCommand } from "./call.ts";
import { completionCommand } from "./completion.ts";
import { generateCommand } from "./generate.ts";
import { initCommand } from "./init.ts";
import { inspectCommand } from "./inspect.ts";
import { pluginCommand } from "./plugin.ts";
import { publishCommand } from "./publish.ts";
import { subscribeCommand } from "./subscribe.ts";

export const commands: readonly Command[] = [
  initCommand,
  generateCommand,
  inspectCommand,
  callCommand,
  subscribeCommand,
  publishCommand,
  pluginCommand,
  completionCommand,
];
