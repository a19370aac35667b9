// `raceway dev`: its arguments.
import { type Command, type JsonArgument, defineCommand } from "../command.ts";

export interface DevArguments extends JsonArgument {
  readonly server: string;
  /** For the server. */
  readonly "--"?: readonly (string | number)[];
  readonly watch: readonly string[] | undefined;
  readonly grace: number;
}

export const devCommand: Command = defineCommand({
  usage: "dev <server>",
  summary: "Generates, runs a server, and does both again while one works",
  about:
    "Generates as raceway.config.ts says, if there is one, and goes on as generate --watch does. The server runs in a Node of its own, and is started anew when generated code or a source of its folder has changed: it gets SIGTERM to drain, and is ended if it takes too long. While schemas have errors the last server goes on. What stands behind -- is for the server.",
  examples: [
    ["$0 dev src/server.ts", "While one works; Ctrl-C ends both"],
    [
      "$0 dev src/server.ts --watch shared -- --port 9000",
      "Sources of another folder count, too; arguments for the server",
    ],
  ],
  json: "One object per event; what the server prints goes to standard error",
  arguments: (yargs) =>
    yargs
      .positional("server", { type: "string", demandOption: true, describe: "The file that Node runs" })
      .option("watch", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "Folder whose sources count; may be repeated. Default: the server's own",
      })
      .option("grace", {
        type: "number",
        default: 5,
        requiresArg: true,
        describe: "Seconds that the server has to drain; then it is ended",
      }),
  load: async () => (await import("./run-dev.ts")).runDev,
});
