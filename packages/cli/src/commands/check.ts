// `raceway check`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type HandlerArguments, handlerArguments } from "../handler-arguments.ts";

export interface CheckArguments extends HandlerArguments {
  readonly types: boolean;
}

export const checkCommand: Command = defineCommand({
  usage: "check [services..]",
  summary: "Says which handlers do not satisfy the schemas, without running anything",
  about:
    "Missing handlers, handlers of channels that are gone, handlers that stream where their channel does not, or take or give something else, and services that nobody implements. Handlers are held against the schemas, whether or not somebody has generated since they changed. The rules are in docs/handlers.md.",
  examples: [
    ["$0 check", "All services that raceway.config.ts generates"],
    ["$0 check RoomService", "One of them"],
    ["$0 check --types --error-format github-actions", "In CI: also what the compiler says of these files"],
  ],
  json: "One object per finding; short for --error-format json",
  findings: "handlers do not satisfy the schemas, or a schema has errors",
  arguments: (yargs) =>
    handlerArguments(yargs).option("types", {
      type: "boolean",
      default: false,
      describe: "Also what the compiler finds wrong with files that have handlers",
    }),
  load: async () => (await import("./run-check.ts")).runCheck,
});
