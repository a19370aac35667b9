// `raceway plugin test`: its arguments.
import { type Command, type JsonArgument, defineCommand } from "../command.ts";

export interface PluginTestArguments extends JsonArgument {
  readonly module: string;
  readonly export: string;
}

export const pluginTestCommand: Command = defineCommand({
  usage: "test <module>",
  summary: "Runs the compliance kit on a plugin",
  about:
    "Imports a module and takes its export `subject`: a subject of @raceway/testkit, or a function that gives one. By what it is the kit is chosen: a LinkSubject (a transport: its links, and sessions over them), a PluginSubject (middleware), a StoreSubject (a backplane's store), a CodecSubject or a TargetSubject (a generator target).",
  examples: [
    ["$0 plugin test ./dist/subject.js", "A line per case, and what is broken"],
    ["$0 plugin test ./src/subject.ts", "The sources, as Node runs them"],
    ["$0 plugin test ./dist/subject.js --export bothHalves", "Another export"],
  ],
  json: "One object per case",
  findings: "a case failed",
  arguments: (yargs) =>
    yargs
      .positional("module", {
        type: "string",
        demandOption: true,
        describe: "File or package whose export is the subject, or a function that gives one",
      })
      .option("export", { type: "string", default: "subject", requiresArg: true, describe: "Name of that export" }),
  load: async () => (await import("./run-plugin-test.ts")).runPluginTest,
});
