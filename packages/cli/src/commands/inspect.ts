// `raceway inspect`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { connectionOptions, type RemoteArguments } from "../remote/remote-arguments.ts";

export interface InspectArguments extends Omit<RemoteArguments, "url"> {
  readonly module: string;
  readonly export: string | undefined;
}

export const inspectCommand: Command = defineCommand({
  usage: "inspect <module>",
  summary: "Prints which plugins take part in each channel, and why; or what a running server serves",
  about:
    "Imports a module and looks at each export that is a server of raceway(), or an object of options for connect(). If there is none, a function without parameters is called that is named server, app or default, or as --export says: it may make one. A client's channels are those of the service definitions that the module exports beside it. Plugins are started for it on a host of their own, and ended; nothing is served. With an address in place of a module, a running server is asked for its schemas, which it gives if it serves reflection (serveReflection of @raceway/server/reflection): its channels with what each takes, gives and promises, and policies if it shows them.",
  examples: [
    ["$0 inspect ./src/server.ts", "What a server's plugins do, and in which order"],
    ["$0 inspect ./src/server.ts --export app", "Only this export"],
    ["$0 inspect http://localhost:8080", "The channels of a running server"],
  ],
  json: "One object per server or connection",
  findings: "a plugin, or a policy that nobody keeps, would stop the start",
  arguments: (yargs) =>
    connectionOptions(yargs)
      .positional("module", {
        type: "string",
        demandOption: true,
        describe:
          "File or package that exports servers of raceway(), or options of connect() and service definitions; or the address of a server",
      })
      .option("export", { type: "string", requiresArg: true, describe: "Only this export; default: all" }),
  load: async () => (await import("./run-inspect.ts")).runInspect,
});
