// All commands, in the order in which the help lists them.
import type { Command } from "../command.ts";
import { benchCommand } from "./bench.ts";
import { breakingCommand } from "./breaking.ts";
import { callCommand } from "./call.ts";
import { checkCommand } from "./check.ts";
import { completionCommand } from "./completion.ts";
import { devCommand } from "./dev.ts";
import { doctorCommand } from "./doctor.ts";
import { generateCommand } from "./generate.ts";
import { initCommand } from "./init.ts";
import { inspectCommand } from "./inspect.ts";
import { lintCommand } from "./lint.ts";
import { pluginCommand } from "./plugin.ts";
import { publishCommand } from "./publish.ts";
import { scaffoldCommand } from "./scaffold.ts";
import { subscribeCommand } from "./subscribe.ts";

export const commands: readonly Command[] = [
  initCommand,
  generateCommand,
  lintCommand,
  breakingCommand,
  scaffoldCommand,
  checkCommand,
  devCommand,
  inspectCommand,
  doctorCommand,
  callCommand,
  subscribeCommand,
  publishCommand,
  benchCommand,
  pluginCommand,
  completionCommand,
];
