// The arguments of commands that look at handlers: of which services, by which schemas, and in which files.
import type { HandlerOptions } from "@raceway/generator";
import type { Argv } from "yargs";
import type { JsonArgument } from "./command.ts";
import { readJobs } from "./config.ts";
import { UsageError } from "./context.ts";
import { errorFormatOption, protoPathOption } from "./input-arguments.ts";

export interface HandlerArguments extends JsonArgument {
  readonly services: readonly string[] | undefined;
  readonly schemas: readonly string[] | undefined;
  readonly out: string | undefined;
  readonly "proto-path": readonly string[] | undefined;
  readonly project: string | undefined;
  readonly "error-format": "text" | "json" | "github-actions";
}

export function handlerArguments(yargs: Argv): Argv<Omit<HandlerArguments, "json">> {
  return yargs
    .positional("services", {
      type: "string",
      array: true,
      describe: "Services, as RoomService or chat.v1.RoomService; none: all",
    })
    .option("project", {
      alias: "p",
      type: "string",
      requiresArg: true,
      describe: "The tsconfig.json that has the handlers; default: the nearest",
    })
    .option("schemas", {
      alias: "s",
      type: "string",
      array: true,
      requiresArg: true,
      describe: "Schema files, or folders that have some; may be repeated. Default: as raceway.config.ts says",
    })
    .option("out", {
      alias: "o",
      type: "string",
      requiresArg: true,
      describe: "With --schemas: the folder that generate writes to",
    })
    .option("proto-path", {
      ...protoPathOption,
      describe: "With --schemas: folder that imports are relative to; may be repeated",
    })
    .option("error-format", errorFormatOption);
}

/** What the project generates, and whose handlers are meant. Throws a {@link UsageError} that says what is missing. */
export async function handlerOptions(
  args: HandlerArguments,
  cwd: string,
): Promise<Pick<HandlerOptions, "cwd" | "generate" | "services" | "project">> {
  const { services = [], schemas, out, "proto-path": protoPath, project } = args;
  const given = { cwd, services, ...(project !== undefined && { project }) };
  if (schemas !== undefined) {
    if (out === undefined) throw new UsageError("Name the folder that generate writes to with --out.");
    return { ...given, generate: [{ inputs: schemas, out, ...(protoPath !== undefined && { protoPath }) }] };
  }
  if (out !== undefined || protoPath !== undefined) throw new UsageError("Name schemas with --schemas.");
  const generate = await readJobs(cwd);
  if (generate === undefined)
    throw new UsageError(
      "Name --schemas and --out, or write a raceway.config.ts that exports { generate: [{ inputs, out }] }.",
    );
  return { ...given, generate };
}
