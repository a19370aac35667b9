// The form of a command: what it is called, takes and teaches, known at once; what it does, loaded when it runs.
import type { Argv, CommandModule } from "yargs";
import { type CommandContext, UsageError } from "./context.ts";

export interface CommandSpec<A extends object> {
  /** Name and positional arguments, as yargs writes them: "generate [inputs..]". */
  readonly usage: string;
  /** What it does, in one line of a list. */
  readonly summary: string;
  /** What one has to know to use it; paragraphs of the help. */
  readonly about?: string;
  /** At least one: a whole command, and what it is for. */
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** What its output is with `--json`: "One object per finding". */
  readonly json: string;
  /** When it ends with exit code 1: "a schema has errors". Absent: never. */
  readonly findings?: string;
  /** Declares arguments and options; `--json` is declared for all. */
  arguments(yargs: Argv): Argv<A>;
  /** Imports what does the work; called only when the command runs, so that help and completion are quick. */
  load(): Promise<(args: A & JsonArgument, context: CommandContext) => Promise<number>>;
}

export interface JsonArgument {
  readonly json: boolean;
}

/** A command or a group of them, as the command line takes it. */
export interface Command {
  /** As it is typed, without "raceway": "generate", "plugin". */
  readonly name: string;
  /** With its positional arguments, as yargs writes them: "test <module>". */
  readonly usage: string;
  /** Of a group. */
  readonly commands: readonly Command[];
  /** `path` is what is typed before it: "raceway plugin". */
  module(path: string, context: CommandContext, ended: (code: number) => void): CommandModule;
}

export function defineCommand<A extends object>(spec: CommandSpec<A>): Command {
  return {
    name: nameIn(spec.usage),
    usage: spec.usage,
    commands: [],
    module(path, context, ended) {
      const module: CommandModule<object, A & JsonArgument> = {
        command: spec.usage,
        describe: spec.summary,
        builder(yargs) {
          const declared: unknown = spec
            .arguments(yargs)
            .option("json", { type: "boolean", default: false, describe: spec.json })
            .check((args) => refuseTwice(args, yargs))
            .usage(`${path} ${spec.usage}\n\n${paragraphs(spec)}`)
            .example(spec.examples.map(([command, meaning]) => [command, meaning]))
            .epilogue(`Exit codes: ${exitCodes(spec.findings)}`);
          return declared as Argv<A & JsonArgument>;
        },
        async handler(args) {
          const run = await spec.load();
          ended(await run(args as unknown as A & JsonArgument, context));
        },
      };
      return module as CommandModule;
    },
  };
}

/** Commands that are typed behind a word of their own: `raceway plugin test`. */
export function defineGroup(name: string, summary: string, commands: readonly Command[]): Command {
  return {
    name,
    usage: `${name} <command>`,
    commands,
    module: (path, context, ended) => ({
      command: name,
      describe: summary,
      builder: (yargs) =>
        commands
          .reduce((all, one) => all.command(one.module(`${path} ${name}`, context, ended)), yargs)
          .usage(`${path} ${name} <command>\n\n${summary}.`)
          .demandCommand(1, `Name what to do: ${commands.map((one) => one.name).join(", ")}.`),
      handler: () => undefined,
    }),
  };
}

/** What is said twice and can be only one thing would be taken for a list. */
function refuseTwice(args: Readonly<Record<string, unknown>>, yargs: Argv): true {
  const { array } = (yargs as Argv & { getOptions(): { readonly array: readonly string[] } }).getOptions();
  // By the names that are declared: yargs has others for the same, as "importExtension" and "I".
  const twice = Object.keys(args).find(
    (name) => /^[a-z][a-z-]+$/.test(name) && Array.isArray(args[name]) && !array.includes(name),
  );
  if (twice !== undefined) throw new UsageError(`--${twice} is there twice; it can have one value.`);
  return true;
}

function nameIn(usage: string): string {
  return usage.split(" ", 1)[0]!;
}

function paragraphs({ summary, about }: { readonly summary: string; readonly about?: string }): string {
  return about === undefined ? `${summary}.` : `${summary}.\n\n${about}`;
}

function exitCodes(findings: string | undefined): string {
  return `0 fine${findings === undefined ? "" : `, 1 ${findings}`}, 2 wrong use, 3 a tool failed`;
}
