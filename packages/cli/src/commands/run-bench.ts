// `raceway bench`: what it does.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { callDuplex, callFeed, callUnary, type Connection, subscribeTopic } from "@raceway/client";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { Latencies, type LatencyReport } from "../load/latencies.ts";
import { closedLoop, openLoop } from "../load/load.ts";
import { converse, readStreams } from "../load/streams.ts";
import { tellCallError } from "../remote/call-error.ts";
import { channelNamed, loadChannels, type RemoteChannel } from "../remote/channels.ts";
import { dial, headersOf } from "../remote/dial.ts";
import { readMessage } from "../remote/messages.ts";
import { checkSeconds } from "../seconds.ts";
import type { BenchArguments } from "./bench.ts";

/** Share of one core at which this process may be what is measured. */
const BUSY = 0.85;

/** Calls that are under way at the end are waited for as long again as was measured, and no longer than this. */
const MOST_LATE_MS = 30_000;
const LEAST_LATE_MS = 1_000;

/** What a row of the table is about: calls; streams that were opened (`p50` and so on say how long until one was open, or had its first message); or exchanges of conversations. */
type Load = "call" | "feed" | "topic" | "duplex";

interface Report extends LatencyReport {
  readonly kind: Load;
  readonly transport: string;
  readonly connections: number;
  /** Of one core, in the measured time. */
  readonly loadCpu: number;
  /** Messages that streams brought in the measured time. */
  readonly events?: number;
  readonly eventsPerSecond?: number;
}

export async function runBench(args: BenchArguments, context: CommandContext): Promise<number> {
  for (const name of ["connections", "concurrency"] as const)
    if (!Number.isInteger(args[name]) || args[name] < 1)
      throw new UsageError(`--${name} has to be a whole number from 1.`);
  checkSeconds("duration", args.duration, 0.1);
  checkSeconds("warmup", args.warmup, 0);
  if (!((args.rate ?? 1) >= 0.1)) throw new UsageError("--rate has to be at least 0.1.");
  const channel = channelNamed(await loadChannels(args, context), args.channel);
  const { method, name } = channel;
  const kind = loadOf(channel);
  if (kind !== "call" && args.rate !== undefined) throw new UsageError(`--rate is for calls; ${name} is a ${kind}.`);
  const request = readMessage(method.input, args.request, channel.registry, "The request");

  const reports: Report[] = [];
  try {
    for (const transport of args.transport?.map((one) => [one]) ?? [undefined]) {
      const connections: Connection[] = [];
      try {
        for (let at = 0; at < Math.min(args.connections, args.concurrency); at++)
          connections.push(await dial({ ...args, transport }, context));
        const report = await measure(args, channel, request, connections, context);
        reports.push(report);
        if (args.json) context.out(`${JSON.stringify(report)}\n`);
      } finally {
        await Promise.all(connections.map((connection) => connection.close()));
      }
      if (context.stopping().aborted) break;
    }
  } catch (error) {
    if (!context.stopped()) return tellCallError(error, args.json, context);
  }
  if (reports.length === 0) return Exit.interrupted;
  if (!args.json) context.out(table(reports, kind));
  for (const { loadCpu, transport } of reports)
    if (loadCpu > BUSY)
      context.warn(
        "load_busy",
        `by ${transport}, this process was busy for ${percent(loadCpu)} of the time: the figures may be its, not the server's`,
        { transport, loadCpu },
      );
  return reports.every(({ errors }) => Object.keys(errors).length === 0) ? Exit.fine : Exit.findings;
}

async function measure(
  args: BenchArguments,
  channel: RemoteChannel,
  request: MessageShape<DescMessage>,
  connections: readonly Connection[],
  context: CommandContext,
): Promise<Report> {
  const signal = context.stopping();
  const headers = headersOf(args.header);
  const transport = connections[0]!.state.current.transport ?? "unknown";
  const from = performance.now() + args.warmup * 1000;
  const until = from + args.duration * 1000;
  const kind = loadOf(channel);
  // Streams are opened at first, and all of them count.
  const latencies = kind === "feed" || kind === "topic" ? new Latencies(0, Infinity) : new Latencies(from, until);
  context.progress(`by ${transport}: ${args.warmup + args.duration} s`);
  const cpu = cpuBetween(from, until, signal);
  const lateMs = Math.min(MOST_LATE_MS, Math.max(LEAST_LATE_MS, args.duration * 1000));
  const late = AbortSignal.timeout(Math.ceil(until + lateMs - performance.now()));
  const times = { from, until, signal, late };
  const events = await load();
  // Somebody may have ended it before.
  const seconds = signal.aborted ? Math.max(0, Math.min(performance.now(), until) - from) / 1000 : args.duration;
  const report = latencies.report(seconds);
  return {
    kind,
    transport,
    connections: connections.length,
    ...report,
    loadCpu: await cpu,
    ...(events !== undefined && { events, eventsPerSecond: seconds > 0 ? events / seconds : 0 }),
  };

  /** Gives what streams brought. */
  async function load(): Promise<number | undefined> {
    const { method, contract } = channel;
    const by = (nth: number): Connection => connections[nth % connections.length]!;
    switch (method.methodKind) {
      case "unary": {
        const either = AbortSignal.any([signal, late]);
        const call = (nth: number): Promise<unknown> =>
          callUnary(by(nth), method, contract, request, { headers, signal: either });
        if (args.rate === undefined) await closedLoop(args.concurrency, call, latencies, times);
        else await openLoop(args.rate, call, latencies, times);
        return undefined;
      }
      case "server_streaming": {
        const subscribe = (nth: number, over: AbortSignal): AsyncIterable<unknown> => {
          const began = performance.now();
          return subscribeTopic(by(nth), method, contract, request, {
            headers,
            signal: over,
            onHeader: () => latencies.succeeded(began, performance.now()),
            onReset: () => latencies.count("gap"),
          });
        };
        const read = (nth: number, over: AbortSignal): AsyncIterable<unknown> =>
          callFeed(by(nth), method, contract, request, { headers, signal: over });
        return readStreams(args.concurrency, kind === "topic" ? subscribe : read, kind === "feed", latencies, times);
      }
      case "bidi_streaming":
        return converse(
          args.concurrency,
          request,
          (nth, messages, over) => callDuplex(by(nth), method, contract, messages, { headers, signal: over }),
          latencies,
          times,
        );
      default:
        return undefined;
    }
  }
}

/** Throws a {@link UsageError} for what only takes. */
function loadOf({ method, contract, name }: RemoteChannel): Load {
  switch (method.methodKind) {
    case "unary":
      return "call";
    case "server_streaming":
      return contract.kind === "topic" ? "topic" : "feed";
    case "bidi_streaming":
      return "duplex";
    default: {
      const what = contract.kind === "signal" ? "a signal" : "an upload";
      throw new UsageError(`${name} is ${what}; bench loads calls with one request, feeds, topics and duplexes.`);
    }
  }
}

/** What is counted, and per second. */
const counted: Readonly<Record<Load, readonly [string, string]>> = {
  call: ["calls", "calls/s"],
  feed: ["opened", "events/s"],
  topic: ["opened", "events/s"],
  duplex: ["exchanges", "exchanges/s"],
};

/** For people: a row per transport. */
function table(reports: readonly Report[], kind: Load): string {
  const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
  const head = ["transport", ...counted[kind], "p50 ms", "p90", "p99", "p99.9", "max", "errors", "load CPU"];
  const rows = reports.map((one) => [
    one.transport,
    String(one.calls),
    ms(kind === "duplex" ? one.perSecond : (one.eventsPerSecond ?? one.perSecond)),
    ...[one.p50, one.p90, one.p99, one.p999, one.max].map(ms),
    Object.entries(one.errors)
      .map(([code, count]) => `${count} ${code}`)
      .join(", ") || "none",
    percent(one.loadCpu),
  ]);
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]!.length)));
  return [head, ...rows]
    .map(
      (row) =>
        `${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join("  ")}\n`,
    )
    .join("");
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Share of a core that this process uses between two times, or until it is to end. */
async function cpuBetween(from: number, until: number, signal: AbortSignal): Promise<number> {
  await sleep(from - performance.now(), signal);
  const before = process.cpuUsage();
  const began = performance.now();
  await sleep(until - performance.now(), signal);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (performance.now() - began);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, Math.max(0, ms));
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
    if (signal?.aborted === true) done();
  });
}
