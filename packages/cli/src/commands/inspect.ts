// `raceway inspect`: its arguments.
import { type Command, type JsonArgument, defineCommand } from "../command.ts";

export interface InspectArguments extends JsonArgument {
  readonly module: string;
  readonly export: string | undefined;
}

export const inspectCommand: Command = defineCommand({
  usage: "inspect <module>",
  summary: "Prints which plugins take part in each channel, and why",
  about:
    "Imports a module and looks at each export that is a server of raceway(), or an object of options for connect(); a client's channels are those of the service definitions that the module exports beside it. Plugins are started for it on a host of their own, and ended; nothing is served.",
  examples: [
    ["$0 inspect ./src/server.ts", "What a server's plugins do, and in which order"],
    ["$0 inspect ./src/server.ts --export app", "Only this export"],
  ],
  json: "One object per server or connection",
  findings: "a plugin, or a policy that nobody keeps, would stop the start",
  arguments: (yargs) =>
    yargs
      .positional("module", {
        type: "string",
        demandOption: true,
        describe: "File or package that exports servers of raceway(), or options of connect() and service definitions",
      })
      .option("export", { type: "string", requiresArg: true, describe: "Only this export; default: all" }),
  load: async () => (await import("./run-inspect.ts")).runInspect,
});
