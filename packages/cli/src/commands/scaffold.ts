// `raceway scaffold`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type HandlerArguments, handlerArguments } from "../handler-arguments.ts";

export interface ScaffoldArguments extends HandlerArguments {
  readonly into: string | undefined;
  readonly "dry-run": boolean;
}

export const scaffoldCommand: Command = defineCommand({
  usage: "scaffold [services..]",
  summary: "Begins the handlers that are missing, in your own files",
  about:
    "Looks for the object or the class that implements a service, and adds a method for each channel without a handler, with the schema's comment and what it needs of imports. It only ever adds: what is written stays byte for byte, and a second run adds nothing. A service without handlers gets a new object. What is left to you is told: handlers of channels that are gone, or that are of another kind now. More in docs/handlers.md.",
  examples: [
    ["$0 scaffold", "All services that raceway.config.ts generates"],
    ["$0 scaffold RoomService --dry-run", "What would be added, as a diff"],
    ["$0 scaffold RoomService --into src/rooms.ts", "Where to, if there are no handlers yet"],
  ],
  json: "One object per finding, and per file that changes",
  findings: "something is left to you, or a schema has errors",
  arguments: (yargs) =>
    handlerArguments(yargs)
      .option("into", {
        type: "string",
        requiresArg: true,
        describe: "File for handlers of services that have none; default: one each, beside the output folder",
      })
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "Write nothing; print a diff",
      }),
  load: async () => (await import("./run-scaffold.ts")).runScaffold,
});
