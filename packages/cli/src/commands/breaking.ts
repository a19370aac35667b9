// `raceway breaking`: its arguments.
import type { BreakingLevel } from "@raceway/generator";
import { type Command, defineCommand } from "../command.ts";
import { type InputArguments, inputArguments } from "../input-arguments.ts";
import { connectionOptions, type RemoteArguments } from "../remote/remote-arguments.ts";

export interface BreakingArguments extends InputArguments, Omit<RemoteArguments, "json" | "url"> {
  readonly against: string;
  readonly level: BreakingLevel;
}

const levels = ["wire", "source", "behaviour"] as const satisfies readonly BreakingLevel[];

export const breakingCommand: Command = defineCommand({
  usage: "breaking [inputs..]",
  summary: "Looks for what schemas break for whom an older version of them knows",
  about:
    "The older version is a revision of git, as main or HEAD~1, a file that `buf build -o schema.binpb` has written, or what a running server serves, if it gives its schemas (serveReflection of @raceway/server/reflection). Levels: wire (programs no longer understand each other), source (code no longer compiles), behaviour (channels do not do what they did: kind, address, history, limits, auth and more). Each includes those before it. The rules are in docs/breaking.md.",
  examples: [
    ["$0 breaking proto --against main", "What this branch breaks"],
    ["$0 breaking --against HEAD", "What is not committed yet, of all that raceway.config.ts generates from"],
    ["$0 breaking proto --against released.binpb --level wire", "Whether what was released can still talk"],
    ["$0 breaking --against https://api.example.com --token …", "What would break for whom the server serves now"],
  ],
  json: "One object per finding; short for --error-format json",
  findings: "something breaks, or a schema has errors",
  arguments: (yargs) =>
    connectionOptions(inputArguments(yargs))
      .option("against", {
        type: "string",
        demandOption: true,
        requiresArg: true,
        describe: "Older version: a revision of git, a file, or the address of a server, as http://localhost:8080",
      })
      .option("level", {
        choices: levels,
        default: "behaviour" as const,
        describe: "What counts",
      }),
  load: async () => (await import("./run-breaking.ts")).runBreaking,
});
