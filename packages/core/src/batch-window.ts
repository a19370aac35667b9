// Batching by time: what a channel says waits for company, but not long, and not when it is quiet.
import type { Clock, Timer } from "./clock.ts";

/** How long messages of a channel may wait, and for how many. Made by `batchWindow`. */
export interface BatchWindow {
  /** A message waits so long at most, in milliseconds. What comes after a silence as long leaves at once. */
  readonly windowMs: number;
  /** So many wait at most. */
  readonly maxMessages: number;
  /** So many bytes wait at most. */
  readonly maxBytes: number;
  /** Core's own part, filled in by `batchWindow`: who has no such plugin does not load it. */
  readonly pace: (clock: Clock) => Pace;
}

/** When something that is written again and again may write next: one per session, and per topic on a node. */
export interface Pace {
  /** A message wants to leave. True: now. False: it waits, and `due` is called when the window is over, unless `flushed` is before. */
  add(window: BatchWindow, bytes: number, due: () => void): boolean;
  /** All that waited has left. */
  flushed(): void;
}

/** Completes a window. */
export function batchWindow(given: Omit<BatchWindow, "pace">): BatchWindow {
  return { ...given, pace: (clock) => new WindowPace(clock) };
}

class WindowPace implements Pace {
  readonly #clock: Clock;
  #flushedAt = -Infinity;
  #messages = 0;
  #bytes = 0;
  #timer: Timer | undefined;
  #dueAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(window: BatchWindow, bytes: number, due: () => void): boolean {
    const now = this.#clock.now();
    const quiet = this.#messages === 0 && this.#flushedAt + window.windowMs <= now;
    const dueAt = now + window.windowMs;
    this.#messages++;
    this.#bytes += bytes;
    if (quiet || this.#messages >= window.maxMessages || this.#bytes >= window.maxBytes) return true;
    if (this.#timer !== undefined && this.#dueAt <= dueAt) return false;
    this.#timer?.[Symbol.dispose]();
    this.#dueAt = dueAt;
    const run = (): void => {
      this.#timer = undefined;
      due();
    };
    const { soon } = this.#clock;
    this.#timer = soon === undefined ? this.#clock.after(dueAt - now, run) : soon(dueAt - now, run);
    return false;
  }

  flushed(): void {
    this.#flushedAt = this.#clock.now();
    this.#messages = this.#bytes = 0;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
