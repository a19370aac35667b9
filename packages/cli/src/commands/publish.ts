// `raceway publish`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type SchemaArguments, schemaArguments } from "../remote/remote-arguments.ts";

export interface PublishArguments extends SchemaArguments {
  readonly message: string | undefined;
}

export const publishCommand: Command = defineCommand({
  usage: "publish <url> <channel> [message]",
  summary: "Sends messages to a signal or an upload of a running server",
  about:
    "Messages are JSON, given as an argument or one a line on standard input, sent as they come. A signal may leave out what a newer message of the same key overtakes. Events of topics are published by the server's handlers: call the method that does, with raceway call.",
  examples: [
    [`$0 publish localhost:8080 Cursor '{"user":"ann","x":3}'`, "One message"],
    ["tail -f points.jsonl | $0 publish localhost:8080 Cursor", "As they come"],
  ],
  json: "One object with the number of messages and the reply",
  findings: "the server refused, or ended with an error",
  arguments: (yargs) =>
    schemaArguments(yargs).positional("message", {
      type: "string",
      describe: "JSON; default: standard input, one a line",
    }),
  load: async () => (await import("./run-publish.ts")).runPublish,
});
