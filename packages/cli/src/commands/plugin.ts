// `raceway plugin`: tools for authors of plugins, and their arguments.
import type { CommandModule } from "yargs";
import type { CommandContext, Ended } from "../context.ts";

export interface PluginTestArguments {
  readonly module: string;
  readonly export: string;
  readonly json: boolean;
}

export function pluginCommand(context: CommandContext, ended: Ended): CommandModule {
  return {
    command: "plugin",
    describe: "Tools for authors of plugins",
    builder: (yargs) => yargs.command(testCommand(context, ended)).demandCommand(1, "Name what to do: test."),
    handler: () => undefined,
  };
}

function testCommand(context: CommandContext, ended: Ended): CommandModule<object, PluginTestArguments> {
  return {
    command: "test <module>",
    describe: "Runs the compliance cases of links against a transport",
    builder: (yargs) =>
      yargs
        .positional("module", {
          type: "string",
          demandOption: true,
          describe: "File or package whose export is the subject: a LinkSubject, or a function that gives one",
        })
        .option("export", { type: "string", default: "subject", requiresArg: true, describe: "Name of that export" })
        .option("json", { type: "boolean", default: false, describe: "One JSON object per case" })
        .example("$0 plugin test ./dist/subject.js", ""),
    async handler(args) {
      const { runPluginTest } = await import("./run-plugin-test.ts");
      ended(await runPluginTest(args, context));
    },
  };
}
