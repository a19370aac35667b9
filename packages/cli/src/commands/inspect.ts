// `raceway inspect`: its arguments.
import type { CommandModule } from "yargs";
import type { CommandContext, Ended } from "../context.ts";

export interface InspectArguments {
  readonly module: string;
  readonly export: string | undefined;
  readonly json: boolean;
}

export function inspectCommand(context: CommandContext, ended: Ended): CommandModule<object, InspectArguments> {
  return {
    command: "inspect <module>",
    describe: "Prints which plugins take part in each channel, and why",
    builder: (yargs) =>
      yargs
        .positional("module", {
          type: "string",
          demandOption: true,
          describe:
            "File or package that exports servers of raceway(), or options of connect() and service definitions",
        })
        .option("export", { type: "string", requiresArg: true, describe: "Only this export; default: all" })
        .option("json", { type: "boolean", default: false, describe: "One JSON object per server or connection" })
        .example("$0 inspect ./src/server.ts", ""),
    async handler(args) {
      const { runInspect } = await import("./run-inspect.ts");
      ended(await runInspect(args, context));
    },
  };
}
