// The workloads and their cases, as data.
import { type MiddlewareName, middlewareNames } from "../middleware/names.ts";

export type WorkloadName =
  | "unary"
  | "fanout"
  | "compressed"
  | "batched"
  | "down"
  | "up"
  | "pingpong"
  | "connect"
  | "idle";

interface CaseBase {
  /** "unary/64": how it is asked for and named in results. */
  readonly key: string;
  readonly title: string;
  /** What is counted. */
  readonly unit: string;
  /** Only with --large, or when it is asked for by its key. */
  readonly large?: true;
  /** Also in --quick. */
  readonly quick?: true;
  /** These are measured, and nobody else; undefined: whoever was asked for. */
  readonly subjects?: readonly string[];
  /** Raceway over one transport is measured with each of these, right beside itself without; nobody else is. Only when it is asked for. */
  readonly paired?: { readonly transport: string; readonly middleware: readonly (MiddlewareName | "common")[] };
}
export interface UnaryCase extends CaseBase {
  readonly workload: "unary";
  readonly connections: number;
  readonly inFlight: number;
}
export interface FanoutCase extends CaseBase {
  readonly workload: "fanout" | "compressed" | "batched";
  readonly subscribers: number;
  /** Publications in one turn of the server's event loop. */
  readonly perTurn: number;
  /** Deliveries per second that are asked for at most. */
  readonly pace: number;
  /** Events have rows, so that there is something to compress. */
  readonly rows?: true;
  /** The next turn comes at its time, whether the last has arrived or not. */
  readonly steady?: true;
}
export interface StreamCase extends CaseBase {
  readonly workload: "down" | "up";
  /** Messages of one stream. */
  readonly messages: number;
}
export interface PingpongCase extends CaseBase {
  readonly workload: "pingpong";
}
export interface ConnectCase extends CaseBase {
  readonly workload: "connect";
  readonly atOnce: number;
  /** At most so many in one measurement: each leaves a port in TIME_WAIT, and a pair of addresses has 28,000. */
  readonly most: number;
}
export interface IdleCase extends CaseBase {
  readonly workload: "idle";
  readonly sessions: number;
  readonly subscribed: boolean;
}
export type Case = UnaryCase | FanoutCase | StreamCase | PingpongCase | ConnectCase | IdleCase;

const fanout = (subscribers: number, perTurn: number, more: { large?: true; quick?: true } = {}): FanoutCase => ({
  workload: "fanout",
  key: `fanout/${subscribers}x${perTurn}`,
  title: `Fan-out: one topic to ${subscribers.toLocaleString("en")} subscribers, ${perTurn} publication${perTurn > 1 ? "s" : ""} a turn`,
  unit: "deliveries",
  subscribers,
  perTurn,
  pace: perTurn === 1 ? 20_000 : 100_000, // about a fifth of what bare `ws` can do on one core, so that most peers keep up
  ...more,
});
const idle = (sessions: number, subscribed: boolean, more: { quick?: true } = {}): IdleCase => ({
  workload: "idle",
  key: `idle/${subscribed ? "subscribed" : "sessions"}${sessions === 10_000 ? "" : `-${sessions}`}`,
  title: `Idle: server memory per ${subscribed ? "subscribed session" : "session"}, ${sessions.toLocaleString("en")} of them`,
  unit: "sessions",
  sessions,
  subscribed,
  ...more,
});

/** How a case is asked for together with its like. */
export function groupOf({ workload, paired }: Case): string {
  return paired === undefined ? workload : "middleware";
}

/** What has something to do where messages go over a session that is open, and is not a call. */
const without = (...names: readonly MiddlewareName[]): readonly MiddlewareName[] =>
  middlewareNames.filter((name) => !names.includes(name));
const ofTopics = without("ip-filter", "rate-limit-redis", "signing", "encryption", "cache");
const ofStreams = ofTopics.filter((name) => name !== "validate");
/** Sessions have what is left out; the client at the door is not Raceway's, and neither signs nor seals. */
const atDoors = without("compression", "batching", "signing", "encryption");
const middlewareCases: readonly Case[] = [
  {
    workload: "unary",
    key: "middleware/calls",
    title: "Middleware, calls: 64 in flight on one session",
    unit: "calls",
    connections: 1,
    inFlight: 64,
    paired: { transport: "websocket", middleware: [...middlewareNames, "common"] },
    quick: true,
  },
  {
    workload: "unary",
    key: "middleware/door",
    title: "Middleware, calls at the gRPC door: 64 in flight on one connection",
    unit: "calls",
    connections: 1,
    inFlight: 64,
    paired: { transport: "grpc-door", middleware: [...atDoors, "common"] },
  },
  {
    ...fanout(100, 1),
    key: "middleware/topics",
    title: "Middleware, topics: 500 publications a second to 100 subscribers",
    pace: 50_000,
    steady: true,
    paired: { transport: "websocket", middleware: [...ofTopics, "common"] },
  },
  {
    workload: "down",
    key: "middleware/streams",
    title: "Middleware, streams: down, 10,000 messages each",
    unit: "messages",
    messages: 10_000,
    paired: { transport: "websocket", middleware: [...ofStreams, "common"] },
  },
];

export const cases: readonly Case[] = [
  { workload: "unary", key: "unary/1", title: "Unary: one call in flight", unit: "calls", connections: 1, inFlight: 1 },
  {
    workload: "unary",
    key: "unary/64",
    title: "Unary: 64 calls in flight on one connection",
    unit: "calls",
    connections: 1,
    inFlight: 64,
    quick: true,
  },
  {
    workload: "unary",
    key: "unary/64conns",
    title: "Unary: 64 connections, one call in flight on each",
    unit: "calls",
    connections: 64,
    inFlight: 1,
  },
  fanout(100, 1),
  fanout(100, 10, { quick: true }),
  fanout(1_000, 1),
  fanout(1_000, 10),
  fanout(5_000, 1, { large: true }),
  {
    ...fanout(100, 1, { quick: true }),
    workload: "compressed",
    key: "compressed",
    title: "Compressed: 20 rows of the demo's data, 1.3 KB in JSON, to 100 subscribers",
    rows: true,
    subjects: ["ws", "ws deflate", "raceway websocket", "raceway compressed"],
  },
  {
    ...fanout(100, 1, { quick: true }),
    workload: "batched",
    key: "batched",
    title: "Batched: 500 publications a second to 100 subscribers, a window of 5 ms",
    pace: 50_000,
    steady: true,
    subjects: ["ws", "raceway websocket", "raceway batched"],
  },
  { workload: "down", key: "down", title: "Stream down", unit: "messages", messages: 10_000, quick: true },
  { workload: "up", key: "up", title: "Stream up", unit: "messages", messages: 10_000 },
  {
    workload: "pingpong",
    key: "pingpong",
    title: "Ping-pong on one bidirectional stream",
    unit: "round trips",
    quick: true,
  },
  {
    workload: "connect",
    key: "connect",
    title: "Connect and one call, 16 at once",
    unit: "connections",
    atOnce: 16,
    most: 2_000,
    quick: true,
  },
  idle(10_000, false),
  idle(10_000, true),
  idle(500, false, { quick: true }),
  ...middlewareCases,
];
