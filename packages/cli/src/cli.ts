// The command line as a function: arguments in, text and an exit code out. Commands load their code when they run.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import yargs from "yargs";
import type { Command } from "./command.ts";
export type { GenerateJob, RacewayConfig } from "./config.ts";
import { commands } from "./commands/index.ts";
import { type CommandContext, commandContext, Exit, painted, type Surroundings, UsageError } from "./context.ts";

/** Resolves to the exit code: 0 fine, 1 findings, 2 usage, 3 tool failure. Never throws. */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const context = commandContext(surroundings);
  let code: number = Exit.fine;
  const parser = commands
    .reduce((all, one) => all.command(one.module("raceway", context, (result) => (code = result))), yargs())
    .scriptName("raceway")
    .usage("$0 <command>")
    .demandCommand(1, "Name a command.")
    .parserConfiguration({ "populate--": true }) // what stands behind -- is for the program that a command runs
    .strict()
    .recommendCommands()
    .version(version())
    .alias("h", "help")
    .example([
      ["$0 generate proto --out src/gen", "Typed handlers and clients from schemas"],
      ["$0 generate --help", "What a command does, its options, examples and exit codes"],
    ])
    .wrap(100)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(plainer(message, args) ?? message);
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
  context.err(failureText(message, { json, code, color: context.colors.err }));
  if (code === Exit.usage && !json)
    context.err(`See ${["raceway", ...commandPath(args, commands).map(({ name }) => name), "--help"].join(" ")}.\n`);
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

/** Known before, and whether or not, the arguments are right. */
export function wantsJson(args: readonly string[]): boolean {
  return args.includes("--json");
}

/** What yargs says of words that are missing or unknown, with their names and as what they were taken; undefined: it says it well. */
function plainer(message: string, args: readonly string[]): string | undefined {
  const path = commandPath(args, commands);
  const command = path.at(-1);
  const unknown = /^Unknown argument: (.+)/.exec(message)?.[1];
  if (unknown !== undefined && args[path.length] === unknown && (command === undefined || command.commands.length > 0))
    return `There is no command ${[...path.map(({ name }) => name), unknown].join(" ")}.`;
  const got = /^Not enough non-option arguments: got (\d+)/.exec(message)?.[1];
  if (got === undefined || command === undefined) return undefined;
  const missing = (command.usage.match(/<\w+>/g) ?? []).slice(Number(got));
  const whole = ["raceway", ...path.slice(0, -1).map(({ name }) => name), command.usage].join(" ");
  return `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} missing: ${whole}`;
}

/** The command that was meant, as far as its words were right. */
function commandPath(args: readonly string[], known: readonly Command[]): readonly Command[] {
  const [first, ...rest] = args;
  const command = known.find(({ name }) => name === first);
  return command === undefined ? [] : [command, ...commandPath(rest, command.commands)];
}

/** Beside `src` and `dist` alike. */
function version(): string {
  const text = readFileSync(join(import.meta.dirname, "../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
