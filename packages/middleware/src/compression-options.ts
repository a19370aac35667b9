// What can be said to compression, in Node and in pages alike.

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
