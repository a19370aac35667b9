// `raceway completion`: its arguments.
import { type Command, type JsonArgument, defineCommand } from "../command.ts";

export const shells = ["bash", "zsh", "fish"] as const;

export type Shell = (typeof shells)[number];

export interface CompletionArguments extends JsonArgument {
  readonly shell: Shell | undefined;
}

export const completionCommand: Command = defineCommand({
  usage: "completion [shell]",
  summary: "Prints a script that has the shell complete commands and options",
  examples: [
    ["$0 completion bash >> ~/.bashrc", "For bash; from the next shell on"],
    ["$0 completion zsh >> ~/.zshrc", "For zsh, below compinit"],
    ["$0 completion fish > ~/.config/fish/completions/raceway.fish", "For fish"],
  ],
  json: "One object with the script",
  arguments: (yargs) =>
    yargs.positional("shell", { choices: shells, describe: "Whose script; default: by the variable SHELL" }),
  load: async () => (await import("./run-completion.ts")).runCompletion,
});
