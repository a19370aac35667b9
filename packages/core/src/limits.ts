// All limits of sessions: name, default, range. `docs/limits.md` is held against this table by a test. Zero means "none allowed".
import { type OptionsOf, type ResolvedOptions, resolveOptions } from "./options.ts";

export const limitTable = {
  /** Largest message taken, after decompression. */
  messageBytes: { kind: "number", default: 1_048_576, min: 0, max: 268_435_456, unit: "bytes" },
  /** Largest message sent. */
  messageBytesOut: { kind: "number", default: 4_194_304, min: 0, max: 268_435_456, unit: "bytes" },
  /** Largest batch taken on the wire: room for one message of 1 MiB and its framing; senders cut before. */
  batchBytes: { kind: "number", default: 1_114_112, min: 1_024, max: 268_435_456, unit: "bytes" },
  /** What the coded parts of one batch may become in all; a part at most a hundred times what it was. */
  decodedBytes: { kind: "number", default: 16_777_216, min: 1_024, max: 268_435_456, unit: "bytes" },
  /** Headers of one call, keys and values. */
  headerBytes: { kind: "number", default: 16_384, min: 0, max: 1_048_576, unit: "bytes" },
  /** Headers of one call. */
  headerCount: { kind: "number", default: 64, min: 0, max: 10_000, unit: "count" },
  /** Time from the opening of a link to the end of the handshake. */
  helloMs: { kind: "number", default: 10_000, min: 1, max: 600_000, unit: "ms" },
  /** Size of the first batch of a link. */
  helloBytes: { kind: "number", default: 65_536, min: 1_024, max: 1_048_576, unit: "bytes" },
  /** Time for a whole request body to arrive. */
  bodyMs: { kind: "number", default: 30_000, min: 1, max: 600_000, unit: "ms" },
  /** Calls in flight per session, subscriptions not counted. */
  calls: { kind: "number", default: 128, min: 0, max: 1_000_000, unit: "count" },
  /** Subscriptions per session. */
  subscriptions: { kind: "number", default: 256, min: 0, max: 1_000_000, unit: "count" },
  /** Sessions per principal; nobody is no principal. */
  sessionsPerPrincipal: { kind: "number", default: 64, min: 0, max: 10_000_000, unit: "count" },
  /** Sessions per network address. */
  sessionsPerAddress: { kind: "number", default: 256, min: 0, max: 10_000_000, unit: "count" },
  /** Calls opened, cancelled and credited per second and session, averaged; messages are bounded by credit. */
  framesPerSecond: { kind: "number", default: 2_000, min: 1, max: 100_000_000, unit: "count" },
  /** The same, at once. */
  framesBurst: { kind: "number", default: 4_000, min: 1, max: 100_000_000, unit: "count" },
  /** Counted frames kept until acknowledged. Streams wait at this mark; a session that exceeds it fourfold while its link is down cannot be resumed. */
  replayBytes: { kind: "number", default: 262_144, min: 0, max: 268_435_456, unit: "bytes" },
  /** How long a session without a link waits for one. */
  resumeMs: { kind: "number", default: 60_000, min: 0, max: 86_400_000, unit: "ms" },
  /** New links per second of one session, averaged; four times as many at once. */
  resumesPerSecond: { kind: "number", default: 50, min: 1, max: 1_000_000, unit: "count" },
  /** Sessions without a link in memory; the oldest go first. */
  detachedSessions: { kind: "number", default: 10_000, min: 0, max: 100_000_000, unit: "count" },
  /** Replay bytes of sessions without a link; the oldest go first. */
  detachedBytes: { kind: "number", default: 67_108_864, min: 0, max: 104_857_600_000, unit: "bytes" },
  /** Calls with an idempotency key whose callers are gone, and that run on for the retry; the oldest are stopped first. */
  detachedCalls: { kind: "number", default: 10_000, min: 0, max: 100_000_000, unit: "count" },
  /** Client: calls that wait while there is no link. */
  outboxMessages: { kind: "number", default: 1_000, min: 0, max: 10_000_000, unit: "count" },
  /** Client: their requests, headers and paths. */
  outboxBytes: { kind: "number", default: 1_048_576, min: 0, max: 1_073_741_824, unit: "bytes" },
  /** High-water mark of a link: above it streams wait and topic cursors stay. */
  writeBuffer: { kind: "number", default: 65_536, min: 1_024, max: 67_108_864, unit: "bytes" },
  /** Messages of one call on their way to this side. */
  windowMessages: { kind: "number", default: 256, min: 1, max: 1_000_000, unit: "count" },
  /** Bytes of one call on their way to this side; one message may exceed it. */
  windowBytes: { kind: "number", default: 1_048_576, min: 1_024, max: 268_435_456, unit: "bytes" },
  /** Client: publications that a slow reader may leave unread; above it they are read again from the log. */
  topicQueueMessages: { kind: "number", default: 1_000, min: 1, max: 10_000_000, unit: "count" },
  /** The server pings a link that was quiet for so long. */
  heartbeatMs: { kind: "number", default: 25_000, min: 10, max: 3_600_000, unit: "ms" },
  /** How much longer than the heartbeat silence is borne. */
  silenceMs: { kind: "number", default: 10_000, min: 10, max: 3_600_000, unit: "ms" },
  /** Depth of JSON. */
  jsonDepth: { kind: "number", default: 64, min: 1, max: 1_000, unit: "count" },
  /** Depth of protobuf messages. */
  protobufDepth: { kind: "number", default: 100, min: 1, max: 1_000, unit: "count" },
  /** Entries kept per topic address, unless the schema says. */
  historyEvents: { kind: "number", default: 1_000, min: 0, max: 100_000_000, unit: "count" },
  /** Bytes kept per topic address, unless the schema says. */
  historyBytes: { kind: "number", default: 1_048_576, min: 0, max: 104_857_600_000, unit: "bytes" },
  /** Age of entries kept per topic address, unless the schema says. */
  historyMs: { kind: "number", default: 600_000, min: 0, max: 31_536_000_000, unit: "ms" },
  /** Length of a topic address. */
  addressBytes: { kind: "number", default: 512, min: 1, max: 65_536, unit: "bytes" },
  /** How long a reply is kept for a retry with the same idempotency key; a later one is a new call. */
  dedupMs: { kind: "number", default: 300_000, min: 0, max: 604_800_000, unit: "ms" },
  /** Keys and values in the memory backplane's store. */
  storeBytes: { kind: "number", default: 67_108_864, min: 0, max: 107_374_182_400, unit: "bytes" },
  /** Topic addresses in memory with subscribers. */
  topics: { kind: "number", default: 100_000, min: 0, max: 100_000_000, unit: "count" },
} as const;

export type LimitOptions = OptionsOf<typeof limitTable>;
export type Limits = ResolvedOptions<typeof limitTable>;

/** Checks the given limits and fills in the defaults. */
export function resolveLimits(given: LimitOptions = {}): Limits {
  return resolveOptions("limits", limitTable, given);
}
