// The options: one table gives types, defaults and checks.
import { type OptionsOf, type ResolvedOptions, resolveOptions } from "@raceway/core";

export const cborOptions = {
  /** Maps and arrays within each other that are read and written. */
  maxDepth: { kind: "number", default: 100, min: 1, max: 1_000, unit: "count" },
} as const;

export type CborOptions = OptionsOf<typeof cborOptions>;
export type ResolvedCborOptions = ResolvedOptions<typeof cborOptions>;

export function resolveCborOptions(given: CborOptions): ResolvedCborOptions {
  return resolveOptions("cbor", cborOptions, given);
}
