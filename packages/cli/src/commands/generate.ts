// `raceway generate`: its arguments.
import type { CommandModule } from "yargs";
import type { CommandContext, Ended } from "../context.ts";

export interface GenerateArguments {
  readonly inputs: readonly string[] | undefined;
  readonly out: string | undefined;
  readonly "proto-path": readonly string[] | undefined;
  readonly "import-extension": "js" | "ts" | "none" | undefined;
  readonly target: readonly string[] | undefined;
  readonly "target-option": readonly string[] | undefined;
  readonly "keep-option": readonly string[] | undefined;
  readonly check: boolean;
  readonly json: boolean;
  readonly "error-format": "text" | "json" | "github-actions";
}

export function generateCommand(context: CommandContext, ended: Ended): CommandModule<object, GenerateArguments> {
  return {
    command: "generate [inputs..]",
    describe: "Writes typed handlers and clients for channel schemas",
    builder: (yargs) =>
      yargs
        .positional("inputs", {
          type: "string",
          array: true,
          describe: "Schema files, or folders that have some; none: as raceway.config.ts says",
        })
        .option("out", { alias: "o", type: "string", requiresArg: true, describe: "Folder to write to" })
        .option("proto-path", {
          alias: "I",
          type: "string",
          array: true,
          requiresArg: true,
          describe: "Folder that imports are relative to; may be repeated. Default: by each file's package",
        })
        .option("import-extension", {
          choices: ["js", "ts", "none"] as const,
          describe: "How imports between generated files end; default js",
        })
        .option("target", {
          type: "string",
          array: true,
          requiresArg: true,
          describe:
            "What to write: es, ts, json-schema, openapi, asyncapi, markdown, protoc, or a module that exports a target; default es ts",
        })
        .option("target-option", {
          type: "string",
          array: true,
          requiresArg: true,
          describe: "Option of a target, as openapi.title=Chat",
        })
        .option("keep-option", {
          type: "string",
          array: true,
          requiresArg: true,
          describe: "Custom option, or package of them, that clients may see; those of buf.validate they always may",
        })
        .option("check", {
          type: "boolean",
          default: false,
          describe: "Write nothing; exit with 1 if something would change",
        })
        .option("error-format", {
          choices: ["text", "json", "github-actions"] as const,
          default: "text" as const,
          describe: "How findings are printed",
        })
        .option("json", { type: "boolean", default: false, describe: "Short for --error-format json" })
        .example("$0 generate proto --out src/gen", "From all schemas in proto")
        .example("$0 generate --check", "In CI, with a raceway.config.ts"),
    async handler(args) {
      const { runGenerate } = await import("./run-generate.ts");
      ended(await runGenerate(args, context));
    },
  };
}
