// `raceway plugin test`: its arguments.
import { type Command, type JsonArgument, defineCommand } from "../command.ts";

export interface PluginTestArguments extends JsonArgument {
  readonly module: string;
  readonly export: string;
}

export const pluginTestCommand: Command = defineCommand({
  usage: "test <module>",
  summary: "Runs the compliance cases of links against a transport",
  about:
    "Imports a module and takes its export `subject`: a LinkSubject of @raceway/testkit, or a function that gives one.",
  examples: [["$0 plugin test ./dist/subject.js", "A line per case, and what is broken"]],
  json: "One object per case",
  findings: "a case failed",
  arguments: (yargs) =>
    yargs
      .positional("module", {
        type: "string",
        demandOption: true,
        describe: "File or package whose export is the subject: a LinkSubject, or a function that gives one",
      })
      .option("export", { type: "string", default: "subject", requiresArg: true, describe: "Name of that export" }),
  load: async () => (await import("./run-plugin-test.ts")).runPluginTest,
});
