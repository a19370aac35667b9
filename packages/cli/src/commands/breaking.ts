// `raceway breaking`: its arguments.
import type { BreakingLevel } from "@raceway/generator";
import { type Command, defineCommand } from "../command.ts";
import { type InputArguments, inputArguments } from "../input-arguments.ts";

export interface BreakingArguments extends InputArguments {
  readonly against: string;
  readonly level: BreakingLevel;
}

const levels = ["wire", "source", "behaviour"] as const satisfies readonly BreakingLevel[];

export const breakingCommand: Command = defineCommand({
  usage: "breaking [inputs..]",
  summary: "Looks for what schemas break for whom an older version of them knows",
  about:
    "The older version is a revision of git, as main or HEAD~1, or a file that `buf build -o schema.binpb` has written. Levels: wire (programs no longer understand each other), source (code no longer compiles), behaviour (channels do not do what they did: kind, address, history, limits, auth and more). Each includes those before it. The rules are in docs/breaking.md.",
  examples: [
    ["$0 breaking proto --against main", "What this branch breaks"],
    ["$0 breaking --against HEAD", "What is not committed yet, of all that raceway.config.ts generates from"],
    ["$0 breaking proto --against released.binpb --level wire", "Whether what is deployed can still talk"],
  ],
  json: "One object per finding; short for --error-format json",
  findings: "something breaks, or a schema has errors",
  arguments: (yargs) =>
    inputArguments(yargs)
      .option("against", {
        type: "string",
        demandOption: true,
        requiresArg: true,
        describe: "Older version: a revision of git, or a file",
      })
      .option("level", {
        choices: levels,
        default: "behaviour" as const,
        describe: "What counts",
      }),
  load: async () => (await import("./run-breaking.ts")).runBreaking,
});
