// The command line as a function: arguments in, text and an exit code out. Commands load their code when they run.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import yargs from "yargs";
import { generateCommand } from "./commands/generate.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { pluginCommand } from "./commands/plugin.ts";
import { type CommandContext, Exit, UsageError } from "./context.ts";

/** Resolves to the exit code: 0 fine, 1 findings, 2 usage, 3 tool failure. Never throws. */
export async function runCli(args: readonly string[], context: CommandContext): Promise<number> {
  let code: number = Exit.fine;
  const parser = yargs()
    .scriptName("raceway")
    .usage("$0 <command>")
    .command(generateCommand(context, (result) => (code = result)))
    .command(inspectCommand(context, (result) => (code = result)))
    .command(pluginCommand(context, (result) => (code = result)))
    .demandCommand(1, "Name a command.")
    .strict()
    .recommendCommands()
    .version(version())
    .alias("h", "help")
    .wrap(100)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message);
    });
  try {
    // Help and version come through the callback; without it, yargs would print them itself.
    await parser.parseAsync([...args], {}, (_error, _argv, output) => {
      if (output !== "") context.out(`${output}\n`);
    });
    return code;
  } catch (error) {
    if (error instanceof UsageError) {
      context.err(`raceway: ${error.message}\nSee raceway --help.\n`);
      return Exit.usage;
    }
    context.err(`raceway: ${error instanceof Error ? error.message : String(error)}\n`);
    return Exit.failure;
  }
}

/** Beside `src` and `dist` alike. */
function version(): string {
  const text = readFileSync(join(import.meta.dirname, "../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
