// `raceway subscribe`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type SchemaArguments, schemaArguments } from "../remote/remote-arguments.ts";

export interface SubscribeArguments extends SchemaArguments {
  readonly key: string;
  readonly from: string;
  readonly count: number | undefined;
}

export const subscribeCommand: Command = defineCommand({
  usage: "subscribe <url> <channel> [key]",
  summary: "Prints what is published on a topic, one event a line",
  about:
    "Goes on over lost links and restarts of the server, by position, until Ctrl-C or --count. What is missing of the history is told on standard error.",
  examples: [
    [`$0 subscribe localhost:8080 Messages '{"room":"tea"}'`, "What is said from now on"],
    [`$0 subscribe localhost:8080 Messages '{"room":"tea"}' --from start --count 10`, "The first ten that are kept"],
    [
      `$0 subscribe localhost:8080 Messages '{"room":"tea"}' --json | jq .position`,
      "With positions, to go on later: --from EPOCH:OFFSET",
    ],
  ],
  json: "One object per event, with its position",
  findings: "the subscription was refused, or ended with an error",
  arguments: (yargs) =>
    schemaArguments(yargs)
      .positional("key", { type: "string", default: "{}", describe: "Request as JSON: the topic's key" })
      .option("from", {
        type: "string",
        default: "now",
        requiresArg: true,
        describe: "now, start (the oldest that is kept), or the position to go on after, as EPOCH:OFFSET",
      })
      .option("count", { type: "number", requiresArg: true, describe: "Ends after so many events" }),
  load: async () => (await import("./run-subscribe.ts")).runSubscribe,
});
