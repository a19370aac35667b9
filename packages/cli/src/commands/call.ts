// `raceway call`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type SchemaArguments, schemaArguments } from "../remote/remote-arguments.ts";

export interface CallArguments extends SchemaArguments {
  readonly request: string | undefined;
  readonly "call-timeout": number | undefined;
}

export const callCommand: Command = defineCommand({
  usage: "call <url> <channel> [request]",
  summary: "Calls a channel of a running server",
  about:
    "The request is JSON in protobuf's mapping; without it, standard input is read, where a channel that takes a stream reads one message a line, as they come. Replies are JSON: indented if there is one, and one a line if they are a stream.",
  examples: [
    [`$0 call localhost:8080 chat.v1.RoomService/Say '{"room":"tea","text":"hello"}'`, "One request, one reply"],
    [
      `$0 call localhost:8080 Say '{"room":"tea"}' --schema proto -t sse`,
      "A name that is clear; by Server-Sent Events",
    ],
    ["$0 call localhost:8080 Upload < messages.jsonl", "A stream of requests"],
  ],
  json: "Replies on one line each, errors as objects",
  findings: "the call ended with an error",
  arguments: (yargs) =>
    schemaArguments(yargs)
      .positional("request", { type: "string", describe: "JSON; default: standard input" })
      .option("call-timeout", {
        type: "number",
        requiresArg: true,
        describe: "Seconds until the call ends with deadline_exceeded. Default: the schema's, else none",
      }),
  load: async () => (await import("./run-call.ts")).runCall,
});
