// Counts numbered messages as they come: which are missing, came twice or in the wrong order, and the longest time without one.
import type { Report } from "../gen/chaos/v1/chaos_pb.ts";

export type Counts = Omit<Report, "$typeName" | "$unknown">;

export class Tally {
  #next: number;
  #taken = 0;
  readonly #missing = new Set<number>();
  #duplicated = 0;
  #reordered = 0;
  #lastAt: number;
  #longestPauseMs = 0;
  /** When the longest pause ended, by `performance.now()`. */
  longestEndedAt = 0;

  constructor(first = 0) {
    this.#next = first;
    this.#lastAt = performance.now();
  }

  take(sequence: number): void {
    const now = performance.now();
    if (now - this.#lastAt > this.#longestPauseMs) {
      this.#longestPauseMs = now - this.#lastAt;
      this.longestEndedAt = now;
    }
    this.#lastAt = now;
    if (sequence >= this.#next) {
      for (; this.#next < sequence; this.#next++) this.#missing.add(this.#next);
      this.#next++;
      this.#taken++;
    } else if (this.#missing.delete(sequence)) {
      this.#taken++;
      this.#reordered++;
    } else this.#duplicated++;
  }

  /** Number of the message that comes next. */
  get next(): number {
    return this.#next;
  }

  get counts(): Counts {
    return {
      taken: this.#taken,
      lost: this.#missing.size,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      longestPauseMs: Math.round(this.#longestPauseMs),
    };
  }
}

export const nothing: Counts = { taken: 0, lost: 0, duplicated: 0, reordered: 0, longestPauseMs: 0 };

export function sum(all: Iterable<Counts>): Counts {
  let total = nothing;
  for (const each of all)
    total = {
      taken: total.taken + each.taken,
      lost: total.lost + each.lost,
      duplicated: total.duplicated + each.duplicated,
      reordered: total.reordered + each.reordered,
      longestPauseMs: Math.max(total.longestPauseMs, each.longestPauseMs),
    };
  return total;
}
