// Options that both halves of the WebSocket transport have.
import type { OptionsOf } from "@raceway/core";

export const websocketOptions = {
  /** Largest batch that this end sends; a client takes no larger one either. What a server takes is `limits.batchBytes`. */
  maxBatchBytes: { kind: "number", default: 16_777_216, min: 1_024, max: 268_435_456, unit: "bytes" },
} as const;

export type WebsocketOptions = OptionsOf<typeof websocketOptions>;
