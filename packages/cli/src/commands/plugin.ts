// `raceway plugin`: tools for authors of plugins.
import { type Command, defineGroup } from "../command.ts";
import { pluginNewCommand } from "./plugin-new.ts";
import { pluginTestCommand } from "./plugin-test.ts";

export const pluginCommand: Command = defineGroup("plugin", "Tools for authors of plugins", [
  pluginNewCommand,
  pluginTestCommand,
]);
