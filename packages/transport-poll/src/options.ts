// Options of both halves of the poll transport: type, range and default from one place.
import type { OptionsOf, ResolvedOptions } from "@raceway/core";

export const pollClientTable = {
  /** "long": one request is held by the server until there is something to say. "short": asks at intervals, for networks that cut held requests. */
  mode: { kind: "text", default: "long", values: ["long", "short"] },
  /** Long: how long the server shall hold a request that it has no answer for. Below the 30 s of impatient proxies. */
  holdMs: { kind: "number", default: 25_000, min: 100, max: 300_000, unit: "ms" },
  /** Short: time between an answer and the next request when there is nothing to send; ±20 %, so that clients do not march in step. */
  intervalMs: { kind: "number", default: 5_000, min: 10, max: 300_000, unit: "ms" },
  /** "text": batches are lines of JSON that people can read. */
  format: { kind: "text", default: "binary", values: ["binary", "text"] },
  /** Largest batch, either way. */
  maxBatchBytes: { kind: "number", default: 1_114_112, min: 1_024, max: 268_435_456, unit: "bytes" },
  /** How much longer than the hold an answer may take. */
  timeoutMs: { kind: "number", default: 10_000, min: 10, max: 600_000, unit: "ms" },
  /** How often one request is repeated before the link is given up. */
  retries: { kind: "number", default: 3, min: 0, max: 100, unit: "count" },
  /** Wait before the first repetition; twice as long before each further one, up to 5 s. */
  retryMs: { kind: "number", default: 200, min: 1, max: 60_000, unit: "ms" },
  /** Sends cookies to servers of other origins too; the server has to allow it. */
  credentials: { kind: "boolean", default: false },
} as const;

export const pollServerTable = {
  /** Longest hold that a client gets. */
  holdMs: { kind: "number", default: 25_000, min: 100, max: 300_000, unit: "ms" },
  /** A link that has had no request for so long, beyond the interval it announced, is over. */
  graceMs: { kind: "number", default: 20_000, min: 100, max: 600_000, unit: "ms" },
  /** Links at once, those included that are just being forgotten. */
  maxLinks: { kind: "number", default: 100_000, min: 0, max: 100_000_000, unit: "count" },
  /** Lets pages of allowed origins send cookies. Refused at start if any origin is allowed. */
  credentials: { kind: "boolean", default: false },
} as const;

export type PollClientOptions = OptionsOf<typeof pollClientTable>;
export type PollServerOptions = OptionsOf<typeof pollServerTable>;
export type ResolvedPollClient = ResolvedOptions<typeof pollClientTable>;
export type ResolvedPollServer = ResolvedOptions<typeof pollServerTable>;
