// What can be said to compression, in Node and in pages alike.
import { type OptionsOf, type ResolvedOptions, fail, resolveOptions } from "@raceway/core";

export const compressionOptions = {
  /** Algorithms, best first: "zstd", "deflate", "br", "gzip". Those that a platform lacks are left out; of two ends the client's order counts. */
  algorithms: { kind: "list", default: ["zstd", "deflate", "br", "gzip"] },
  /** Less than this is not compressed, unless by a topic's dictionary, in bytes. */
  minBytes: { kind: "number", default: 300, min: 0, max: 1_048_576, unit: "bytes" },
  /** Size of a topic's dictionary, made of what it said first; 0 for none. Subscribers get it once. */
  dictionaryBytes: { kind: "number", default: 4_096, min: 0, max: 32_768, unit: "bytes" },
} as const;

export const algorithmNames = ["zstd", "deflate", "br", "gzip"] as const;
export type AlgorithmName = (typeof algorithmNames)[number];

export type CompressionOptions = OptionsOf<typeof compressionOptions>;
export type Resolved = Omit<ResolvedOptions<typeof compressionOptions>, "algorithms"> & {
  readonly algorithms: readonly AlgorithmName[];
};

/** Throws `option_invalid`, also for an algorithm that nobody knows. */
export function resolve(given: CompressionOptions): Resolved {
  const options = resolveOptions("compression", compressionOptions, given);
  const { algorithms } = options;
  if (algorithms.length === 0 || !algorithms.every((name) => (algorithmNames as readonly string[]).includes(name)))
    throw fail("option_invalid", {
      part: "compression",
      option: "algorithms",
      value: JSON.stringify(algorithms),
      expected: `some of ${algorithmNames.join(", ")}`,
    });
  return { ...options, algorithms: [...new Set(algorithms)] as AlgorithmName[] };
}
