// `raceway generate`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type InputArguments, inputArguments } from "../input-arguments.ts";

export interface GenerateArguments extends InputArguments {
  readonly out: string | undefined;
  readonly "import-extension": "js" | "ts" | "none" | undefined;
  readonly target: readonly string[] | undefined;
  readonly "target-option": readonly string[] | undefined;
  readonly "keep-option": readonly string[] | undefined;
  readonly watch: boolean | undefined;
  readonly check: boolean | undefined;
  readonly "dry-run": boolean | undefined;
}

export const generateCommand: Command = defineCommand({
  usage: "generate [inputs..]",
  summary: "Writes typed handlers and clients for channel schemas",
  about:
    "Without arguments, raceway.config.ts says what is generated. If a schema has an error nothing is written. Files that would not change are not touched; files that are no longer generated are deleted, unless somebody changed them.\n\nWith --watch, an edit's own outputs are written within a fraction of a second; all schemas are then compiled and checked behind it, and what only that can tell follows. Errors do not end the watch; a changed raceway.config.ts is loaded again.",
  examples: [
    ["$0 generate proto --out src/gen", "From all schemas in proto"],
    ["$0 generate", "As raceway.config.ts says"],
    ["$0 generate --watch", "While one works; Ctrl-C ends it"],
    ["$0 generate --check", "In CI: ends with 1 if something would change"],
    ["$0 generate proto -o docs/api --target openapi --target-option openapi.title=Chat", "Another target"],
  ],
  json: "One object per finding; short for --error-format json. With --dry-run also one per change, with --watch one per event",
  findings: "a schema has errors, or with --check something would change",
  arguments: (yargs) =>
    inputArguments(yargs)
      .option("out", { alias: "o", type: "string", requiresArg: true, describe: "Folder to write to" })
      .option("import-extension", {
        choices: ["js", "ts", "none"] as const,
        describe: "How imports between generated files end; default js",
      })
      .option("target", {
        type: "string",
        array: true,
        requiresArg: true,
        describe:
          "What to write: es, ts, query, mock, json-schema, openapi, asyncapi, markdown, protoc, or a module that exports a target; may be repeated. Default: es and ts",
      })
      .option("target-option", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "Option of a target, as openapi.title=Chat; may be repeated",
      })
      .option("keep-option", {
        type: "string",
        array: true,
        requiresArg: true,
        describe:
          "Custom option, or package of them, that clients may see; those of buf.validate they always may. May be repeated",
      })
      .option("watch", {
        alias: "w",
        type: "boolean",
        describe: "Go on: after each edit write at once what it changes, then check the whole behind it",
      })
      .option("check", {
        type: "boolean",
        describe: "Write nothing; exit with 1 if something would change",
      })
      .option("dry-run", {
        type: "boolean",
        conflicts: "check",
        describe: "Write nothing; list what would be added, changed and deleted",
      }),
  load: async () => (await import("./run-generate.ts")).runGenerate,
});
