// Limits of the HTTP side of a server: what a request may cost before anyone has seen it.
import { type OptionsOf, type ResolvedOptions, resolveOptions } from "@raceway/core";

export const httpLimitTable = {
  /** Length of a request target (path and query); more is answered with 414. */
  targetBytes: { kind: "number", default: 8_192, min: 64, max: 1_048_576, unit: "bytes" },
  /** Names and values of all headers of a request; more is answered with 431. */
  headBytes: { kind: "number", default: 16_384, min: 256, max: 1_048_576, unit: "bytes" },
  /** From the connection, or the end of the last request, to the end of a request's headers; TLS handshake included. */
  headMs: { kind: "number", default: 10_000, min: 1, max: 600_000, unit: "ms" },
  /** For a whole request body to arrive, and for a large answer to be taken; later is answered with 408. */
  bodyMs: { kind: "number", default: 30_000, min: 1, max: 600_000, unit: "ms" },
  /** Bytes per second that a body must bring on average, once it is older than `bodyGraceMs`. */
  bodyBytesPerSecond: { kind: "number", default: 1_024, min: 0, max: 1_073_741_824, unit: "bytes" },
  /** How long a body may be slower than that. */
  bodyGraceMs: { kind: "number", default: 5_000, min: 0, max: 600_000, unit: "ms" },
  /** A connection without a request is closed after so long; longer than the 60 s at which common load balancers give up. */
  idleMs: { kind: "number", default: 65_000, min: 100, max: 3_600_000, unit: "ms" },
  /** Streams at once on one HTTP/2 connection. */
  streams: { kind: "number", default: 128, min: 1, max: 1_000_000, unit: "count" },
} as const;

export type HttpLimitOptions = OptionsOf<typeof httpLimitTable>;
export type HttpLimits = ResolvedOptions<typeof httpLimitTable>;

/** Checks the given limits and fills in the defaults. Other names are left alone, so that all limits of an app may be given. */
export function resolveHttpLimits(given: HttpLimitOptions = {}): HttpLimits {
  const ours: Record<string, unknown> = {};
  for (const name of Object.keys(httpLimitTable) as (keyof HttpLimits)[]) ours[name] = given[name];
  return resolveOptions("http limits", httpLimitTable, ours as HttpLimitOptions);
}
