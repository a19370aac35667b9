// The options of both halves: one table gives types, defaults and checks.
import { type OptionsOf, type ResolvedOptions, resolveOptions } from "@raceway/core";

export const unixOptions = {
  /** Path of the socket; on Windows the name of a pipe, `\\.\pipe\name`. Both halves need the same. */
  file: { kind: "text", default: "/tmp/raceway.sock" },
  /** Largest batch, in bytes, in both directions. */
  maxBatchBytes: { kind: "number", default: 1_114_112, min: 1_024, max: 268_435_456, unit: "bytes" },
  /** How long a closed link may take to deliver what was sent before. */
  lingerMs: { kind: "number", default: 5_000, min: 0, max: 600_000, unit: "ms" },
} as const;

export type UnixOptions = OptionsOf<typeof unixOptions>;
export type ResolvedUnixOptions = ResolvedOptions<typeof unixOptions>;

export function resolveUnixOptions(given: UnixOptions): ResolvedUnixOptions {
  return resolveOptions("unix", unixOptions, given);
}
