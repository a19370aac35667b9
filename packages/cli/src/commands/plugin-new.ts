// `raceway plugin new`: its arguments.
import { type Command, type JsonArgument, defineCommand } from "../command.ts";

export const kinds = ["transport", "middleware", "backplane", "codec", "target"] as const;

export interface PluginNewArguments extends JsonArgument {
  readonly kind: (typeof kinds)[number];
  readonly folder: string;
  readonly name: string | undefined;
  readonly install: boolean;
}

export const pluginNewCommand: Command = defineCommand({
  usage: "new <kind> <folder>",
  summary: "Makes a plugin's package that works and passes its compliance kit",
  about:
    "What it is when it is made: a transport over Unix domain sockets, API keys, a store in a JSON file, payloads in CBOR, a target that lists channels. Change it until it is yours; its README says how. The folder has to be empty, or is made.",
  examples: [
    ["$0 plugin new transport raceway-transport-pigeon", "A transport, in a folder of this name"],
    ["$0 plugin new middleware ./audit --name @me/audit", "Middleware, under another name"],
  ],
  json: "One object: folder, name, kind, files, and what to type next",
  arguments: (yargs) =>
    yargs
      .positional("kind", { choices: kinds, demandOption: true, describe: "What it is a plugin of" })
      .positional("folder", { type: "string", demandOption: true, describe: "Where to" })
      .option("name", { type: "string", requiresArg: true, describe: "Name of the package; default: the folder's" })
      .option("install", { type: "boolean", default: true, describe: "Install; --no-install writes the files only" }),
  load: async () => (await import("./run-plugin-new.ts")).runPluginNew,
});
