// `raceway publish`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type SchemaArguments, schemaArguments } from "../remote/remote-arguments.ts";

export interface PublishArguments extends SchemaArguments {
  readonly message: string | undefined;
  readonly key: string | undefined;
}

export const publishCommand: Command = defineCommand({
  usage: "publish <url> <channel> [message]",
  summary: "Publishes to a topic, or sends messages to a signal or an upload, of a running server",
  about:
    "Messages are JSON, given as an argument or one a line on standard input, sent as they come. Events of a topic are published one after the other, and each once, whatever links do; for that the server needs its admin service (serveAdmin of @raceway/server/admin), and whoever publishes the right to use it. A signal may leave out what a newer message of the same key overtakes.",
  examples: [
    [`$0 publish localhost:8080 Messages '{"text":"hello"}' --key '{"room":"tea"}'`, "An event of a topic"],
    [`$0 publish localhost:8080 Cursor '{"user":"ann","x":3}'`, "One message"],
    ["tail -f points.jsonl | $0 publish localhost:8080 Cursor", "As they come"],
  ],
  json: "One object with the number of messages, and the reply, or the address and the position of the last",
  findings: "the server refused, or ended with an error",
  arguments: (yargs) =>
    schemaArguments(yargs)
      .positional("message", { type: "string", describe: "JSON; default: standard input, one a line" })
      .option("key", {
        alias: "k",
        type: "string",
        requiresArg: true,
        describe: "Which topic: its key, a request of the channel as JSON. Default: {}",
      }),
  load: async () => (await import("./run-publish.ts")).runPublish,
});
