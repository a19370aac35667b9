// `raceway lint`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type InputArguments, inputArguments } from "../input-arguments.ts";

export interface LintArguments extends InputArguments {
  readonly strict: boolean;
}

export const lintCommand: Command = defineCommand({
  usage: "lint [inputs..]",
  summary: "Looks for what is wrong with channel schemas, and generates nothing",
  about:
    "The checks of generate, by themselves: what is no protobuf, and what makes no sense as a channel. Without arguments, all schemas that raceway.config.ts generates from. The rules are in docs/schema.md.",
  examples: [
    ["$0 lint proto", "All schemas in proto"],
    ["$0 lint", "All that raceway.config.ts generates from"],
    ["$0 lint --strict --error-format github-actions", "In CI: warnings count, and are shown beside the lines"],
  ],
  json: "One object per finding; short for --error-format json",
  findings: "a schema has errors, or with --strict warnings",
  arguments: (yargs) =>
    inputArguments(yargs).option("strict", {
      type: "boolean",
      default: false,
      describe: "Warnings count as errors do",
    }),
  load: async () => (await import("./run-lint.ts")).runLint,
});
