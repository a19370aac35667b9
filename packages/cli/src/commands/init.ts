// `raceway init`: its arguments.
import { type Command, type JsonArgument, defineCommand } from "../command.ts";

export const templates = ["both", "server", "browser"] as const;

export interface InitArguments extends JsonArgument {
  readonly folder: string | undefined;
  readonly template: (typeof templates)[number] | undefined;
  readonly name: string | undefined;
  readonly yes: boolean;
  readonly install: boolean;
}

export const initCommand: Command = defineCommand({
  usage: "init [folder]",
  summary: "Makes a project with a schema, handlers, a client and a test",
  about:
    "Asks for what is not said, on a terminal. The folder has to be empty, or is made. Installs with the package manager that this was started by. `npm create raceway@latest` does the same where nothing is installed yet.",
  examples: [
    ["$0 init", "Asks"],
    ["$0 init chat --yes", "A page and its server, in the folder chat"],
    ["$0 init chat --template server --no-install", "The files of a server"],
  ],
  json: "One object: folder, name, template, files, and what to type next",
  arguments: (yargs) =>
    yargs
      .positional("folder", { type: "string", describe: "Where to; with --yes: raceway-app unless given" })
      .option("template", {
        alias: "t",
        choices: templates,
        describe: "A page and its server, a server, or a page for a server elsewhere; with --yes: both unless given",
      })
      .option("name", { type: "string", requiresArg: true, describe: "Name of the package; default: the folder's" })
      .option("yes", { alias: "y", type: "boolean", default: false, describe: "Ask nothing" })
      .option("install", { type: "boolean", default: true, describe: "Install; --no-install writes the files only" }),
  load: async () => (await import("./run-init.ts")).runInit,
});
