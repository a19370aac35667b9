// Batching by time: under load, messages of streams and topics wait for company; what comes after a silence leaves at once.
import { type OptionsOf, type Plugin, batchWindow, definePlugin, resolveOptions } from "@raceway/core";

export const batchingOptions = {
  /** A message waits so long at most for others of its session, or of its topic; 0: not at all. After a silence as long it leaves at once. */
  windowMs: { kind: "number", default: 0, min: 0, max: 10_000, unit: "ms" },
  /** When so many wait, they leave. */
  maxMessages: { kind: "number", default: 1_000, min: 1, max: 1_000_000, unit: "count" },
  /** When so many bytes wait, they leave. */
  maxBytes: { kind: "number", default: 32_768, min: 1, max: 1_048_576, unit: "bytes" },
} as const;

/**
 * On either end, for what that end sends. Calls and their replies never wait, and take along what does; without it, what one turn of the event
 * loop says is one batch already. Throws `option_invalid`.
 */
export function batching(given: OptionsOf<typeof batchingOptions> = {}): Plugin {
  const options = resolveOptions("batching", batchingOptions, given);
  const window = options.windowMs === 0 ? undefined : batchWindow(options);
  return definePlugin({
    name: "batching",
    start: () => ({ window: ({ desc }) => (desc.methodKind === "unary" ? undefined : window) }),
  });
}
