// Options of both halves of the SSE transport: type, range and default from one place.
import type { OptionsOf, ResolvedOptions } from "@raceway/core";

export const sseClientTable = {
  /** What comes down: "text" is Server-Sent Events, which people and their tools can read; "binary" is frames. "auto": binary where the platform can read an answer as it comes, else text. */
  format: { kind: "text", default: "auto", values: ["auto", "binary", "text"] },
  /** How text is read. "auto": by `fetch`, or by the platform's EventSource if answers cannot be read as they come. EventSource cannot be paused. */
  reader: { kind: "text", default: "auto", values: ["auto", "fetch", "eventsource"] },
  /** Largest batch, either way. */
  maxBatchBytes: { kind: "number", default: 1_114_112, min: 1_024, max: 268_435_456, unit: "bytes" },
  /** Time from the opening to the first bytes of the stream: a proxy that keeps them back is found out by it. */
  openMs: { kind: "number", default: 10_000, min: 10, max: 600_000, unit: "ms" },
  /** A stream that brings nothing for so long is dead; three times the server's keepalive. */
  silenceMs: { kind: "number", default: 45_000, min: 10, max: 3_600_000, unit: "ms" },
  /** Time for the answer to what is sent up. */
  timeoutMs: { kind: "number", default: 30_000, min: 10, max: 600_000, unit: "ms" },
  /** How often one request up is repeated before the link is given up. */
  retries: { kind: "number", default: 3, min: 0, max: 100, unit: "count" },
  /** Wait before the first repetition; twice as long before each further one. */
  retryMs: { kind: "number", default: 200, min: 1, max: 60_000, unit: "ms" },
  /** Sends cookies to servers of other origins too; the server has to allow it. */
  credentials: { kind: "boolean", default: false },
} as const;

export const sseServerTable = {
  /** A stream that says nothing for so long says so, that proxies keep it; common ones cut at 30 or 60 s. */
  keepAliveMs: { kind: "number", default: 15_000, min: 100, max: 600_000, unit: "ms" },
  /** Links at once. */
  maxLinks: { kind: "number", default: 100_000, min: 0, max: 100_000_000, unit: "count" },
  /** Lets pages of allowed origins send cookies. Refused at start if any origin is allowed. */
  credentials: { kind: "boolean", default: false },
} as const;

export type SseClientOptions = OptionsOf<typeof sseClientTable>;
export type SseServerOptions = OptionsOf<typeof sseServerTable>;
export type ResolvedSseClient = ResolvedOptions<typeof sseClientTable>;
export type ResolvedSseServer = ResolvedOptions<typeof sseServerTable>;
