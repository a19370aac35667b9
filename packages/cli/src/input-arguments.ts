// The arguments of commands that look at schema files: which, and how what is found in them is printed.
import type { GenerateOptions } from "@raceway/generator";
import type { Argv } from "yargs";
import type { JsonArgument } from "./command.ts";
import { readJobs } from "./config.ts";
import { UsageError } from "./context.ts";

export interface InputArguments extends JsonArgument {
  readonly inputs: readonly string[] | undefined;
  readonly "proto-path": readonly string[] | undefined;
  readonly "error-format": "text" | "json" | "github-actions";
}

/** The same wherever a command takes it. */
export const protoPathOption = {
  alias: "I",
  type: "string",
  array: true,
  requiresArg: true,
  describe: "Folder that imports are relative to; may be repeated. Default: by each file's package",
} as const;
export const errorFormatOption = {
  choices: ["text", "json", "github-actions"],
  default: "text",
  describe: "How findings are printed",
} as const;

export function inputArguments(yargs: Argv): Argv<Omit<InputArguments, "json">> {
  return yargs
    .positional("inputs", {
      type: "string",
      array: true,
      describe: "Schema files, or folders that have some; none: as raceway.config.ts says",
    })
    .option("proto-path", protoPathOption)
    .option("error-format", errorFormatOption);
}

export type SchemaInputs = Pick<GenerateOptions, "inputs" | "protoPath">;

/** Those that arguments name, or each that raceway.config.ts generates from, once. Throws a {@link UsageError} if there are none. */
export async function inputsOf(args: InputArguments, cwd: string): Promise<readonly SchemaInputs[]> {
  const protoPath = args["proto-path"];
  if (args.inputs !== undefined && args.inputs.length > 0)
    return [{ inputs: args.inputs, ...(protoPath !== undefined && { protoPath }) }];
  if (protoPath !== undefined) throw new UsageError("Name schema files, or folders that have some.");
  const jobs = await readJobs(cwd);
  if (jobs === undefined)
    throw new UsageError(
      "Name schema files, or write a raceway.config.ts that exports { generate: [{ inputs, out }] }.",
    );
  const found = new Map<string, SchemaInputs>();
  for (const { inputs, protoPath: path } of jobs)
    found.set(JSON.stringify([inputs, path]), { inputs, ...(path !== undefined && { protoPath: path }) });
  return [...found.values()];
}
