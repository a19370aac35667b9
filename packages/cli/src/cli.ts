// The command line as a function: arguments in, text and an exit code out. Commands load their code when they run.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import yargs from "yargs";
import type { Command } from "./command.ts";
export type { GenerateJob, RacewayConfig } from "./config.ts";
import { commands } from "./commands/index.ts";
import { type CommandContext, commandContext, Exit, painted, type Surroundings, UsageError } from "./context.ts";

/** Of a line of help, in signs: more is hard to read, and in less the tables fall apart. */
const [WIDEST, NARROWEST] = [100, 60] as const;

/** Resolves to the exit code: 0 fine, 1 findings, 2 usage, 3 tool failure, 130 interrupted. Never throws. */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const context = commandContext(surroundings, wantsJson(args));
  let code: number = Exit.fine;
  const parser = commands
    .reduce((all, one) => all.command(one.module("raceway", context, (result) => (code = result))), yargs())
    .scriptName("raceway")
    .usage("$0 <command>")
    .demandCommand(1, "Name a command.")
    .parserConfiguration({
      "populate--": true, // what stands behind -- is for the program that a command runs
      "greedy-arrays": false, // an option that may be repeated takes one value each time: what follows it is an argument
    })
    .strict()
    .recommendCommands()
    .version(version())
    .alias("h", "help")
    .example([
      ["$0 generate proto --out src/gen", "Typed handlers and clients from schemas"],
      ["$0 generate --help", "What a command does, its options, examples and exit codes"],
    ])
    .wrap(Math.max(NARROWEST, Math.min(WIDEST, surroundings.columns ?? WIDEST)))
    .exitProcess(false)
    .fail((message, error) => {
      throw error === undefined || error.name === "YError"
        ? new UsageError(plainer(message ?? error.message, args))
        : error;
    });
  try {
    // Help, version and completions come through the callback; without it, yargs would print them itself.
    await parser.parseAsync([...args], {}, (_error, _argv, output) => {
      if (output !== "") context.out(`${output}\n`);
    });
    return code;
  } catch (error) {
    if (context.stopped()) return Exit.interrupted; // what it says then is only that
    return failed(error, args, context);
  } finally {
    context.progress("");
  }
}

/** Says what went wrong on standard error, as JSON to whom wants JSON. */
function failed(error: unknown, args: readonly string[], context: CommandContext): number {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof UsageError ? Exit.usage : Exit.failure;
  const json = wantsJson(args);
  const whose = commandPath(args, commands).map(({ name }) => name);
  const help = code === Exit.usage && !json ? `See ${["raceway", ...whose, "--help"].join(" ")}.\n` : "";
  context.err(failureText(message, { json, code, color: context.colors.err }) + help);
  return code;
}

/** What ends a command with exit code 2 or 3, in a line. */
export function failureText(
  message: string,
  { json, code, color }: { readonly json: boolean; readonly code: number; readonly color: boolean },
): string {
  if (!json) return `${painted(color, "red", "raceway:")} ${message}\n`;
  return `${JSON.stringify({ error: code === Exit.usage ? "usage" : "failure", message, exitCode: code })}\n`;
}

/** Known before, and whether or not, the arguments are right. What stands behind -- is for somebody else. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  return own.some((one, at) => {
    const next = own[at + 1];
    if (one === "--json") return next !== "false";
    return one === "--json=true" || one === "--error-format=json" || (one === "--error-format" && next === "json");
  });
}

/** What yargs says of arguments that are missing, unknown or wrong, as one would say it who knows the command. */
function plainer(message: string, args: readonly string[]): string {
  const path = commandPath(args, commands);
  const command = path.at(-1);
  const [, unknown] = /^Unknown arguments?: (.+)/.exec(message) ?? [];
  const word = wordsOf(args)[path.length];
  if (unknown?.split(", ").includes(word ?? "") === true && (command === undefined || command.commands.length > 0))
    return `There is no command ${[...path.map(({ name }) => name), word].join(" ")}.`;
  const [, following] = /^Not enough arguments following: (.+)/.exec(message) ?? [];
  if (following !== undefined) return `${following.length === 1 ? "-" : "--"}${following} needs a value.`;
  const [, option] = /^Missing required argument: (.+)/.exec(message) ?? [];
  if (option !== undefined) return `--${option} is missing.`;
  const [, name, given, choices] =
    /^Invalid values:\n {2}Argument: (.+), Given: (.+), Choices: (.+)$/.exec(message) ?? [];
  if (name !== undefined) {
    const shown = command?.usage.includes(`${name}>`) === true || command?.usage.includes(`[${name}`) === true;
    return `${shown ? `<${name}>` : `--${name}`} is ${given}; it has to be one of ${choices}.`;
  }
  const [, got] = /^Not enough non-option arguments: got (\d+)/.exec(message) ?? [];
  if (got === undefined || command === undefined) return message;
  const missing = (command.usage.match(/<\w+>/g) ?? []).slice(Number(got));
  const whole = ["raceway", ...path.slice(0, -1).map(({ name: one }) => one), command.usage].join(" ");
  return `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} missing: ${whole}`;
}

/** Without options, as far as they stand before the command's name. */
function wordsOf(args: readonly string[]): readonly string[] {
  return args.slice(
    Math.max(
      0,
      args.findIndex((one) => !one.startsWith("-")),
    ),
  );
}

/** The command that was meant, as far as its words were right. */
function commandPath(args: readonly string[], known: readonly Command[]): readonly Command[] {
  const [first, ...rest] = wordsOf(args);
  const command = known.find(({ name }) => name === first);
  return command === undefined ? [] : [command, ...commandPath(rest, command.commands)];
}

/** Beside `src` and `dist` alike. */
function version(): string {
  const text = readFileSync(join(import.meta.dirname, "../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
