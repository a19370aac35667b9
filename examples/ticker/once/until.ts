// Waits for a condition, and says which one did not come true.
import { setTimeout as delay } from "node:timers/promises";

const LOOK_MS = 2;
/** Far above what any step takes on a machine with nothing else to do. */
const PATIENCE_MS = 8_000;

/** `what` completes "waited in vain for …"; `seen` tells what there is instead. */
export async function until(what: string, condition: () => boolean, seen: () => string = () => ""): Promise<void> {
  const began = performance.now();
  while (!condition()) {
    if (performance.now() - began > PATIENCE_MS)
      throw new Error(`Waited ${PATIENCE_MS / 1_000} s in vain for ${what}. ${seen()}`.trim());
    await delay(LOOK_MS);
  }
}

/** What was thrown, as an error. */
export function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}
