// `raceway bench`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type SchemaArguments, schemaArguments } from "../remote/remote-arguments.ts";

export interface BenchArguments extends SchemaArguments {
  readonly request: string;
  readonly connections: number;
  readonly concurrency: number;
  readonly duration: number;
  readonly warmup: number;
  readonly rate: number | undefined;
}

export const benchCommand: Command = defineCommand({
  usage: "bench <url> <channel> [request]",
  summary: "Loads a channel of your server, and measures calls, deliveries or exchanges by each transport",
  about:
    "A call is made again and again, and its latencies are counted; by each transport that -t names in a run of its own. Without --rate, each of --concurrency callers waits for its reply before the next call: that finds how much a server takes, but its latencies leave out who would have waited. With --rate calls begin when they are due, and a late one counts from then: that is what users feel. Calls that are under way at the end are waited for as long again, at most 30 s; those that have no reply then count as unanswered. Of a topic or a feed, --concurrency streams are opened, and what they bring is counted, as is how long it took until one was open (a topic) or brought its first message (a feed, which is opened again when it ends). Of a duplex, --concurrency conversations are held: each says the request, and says it again when something came; latencies are of such exchanges. This process is the load: if its own CPU is at its limit, the figures are its, not the server's, and it says so. Only load servers that are yours.",
  examples: [
    [`$0 bench localhost:8080 Say '{"room":"tea"}' -t websocket -t sse`, "How much it takes, by two transports"],
    [`$0 bench localhost:8080 Say '{"room":"tea"}' --rate 500 --duration 30`, "What users feel at 500 calls a second"],
    [`$0 bench localhost:8080 Messages '{"room":"tea"}' --concurrency 1000`, "A thousand subscriptions"],
    [`$0 bench localhost:8080 Chat '{"text":"hi"}' --concurrency 100`, "A hundred conversations"],
  ],
  json: "One object per transport: kind, calls (or streams, or exchanges), latencies, errors; of streams their events",
  findings: "a call or a stream failed",
  arguments: (yargs) =>
    schemaArguments(yargs)
      .positional("request", { type: "string", default: "{}", describe: "JSON" })
      .option("connections", {
        type: "number",
        default: 10,
        requiresArg: true,
        describe: "Sessions, over which the load is spread",
      })
      .option("concurrency", {
        type: "number",
        default: 50,
        requiresArg: true,
        describe: "Callers, or streams, over all sessions",
      })
      .option("duration", { type: "number", default: 10, requiresArg: true, describe: "Seconds that are measured" })
      .option("warmup", { type: "number", default: 1, requiresArg: true, describe: "Seconds before, that are not" })
      .option("rate", {
        type: "number",
        requiresArg: true,
        describe: "Calls a second over all, that begin when they are due",
      }),
  load: async () => (await import("./run-bench.ts")).runBench,
});
