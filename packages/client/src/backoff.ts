// How long to wait before the next attempt: exponential, with full jitter, so that many clients do not come back at once.
import type { Random } from "@raceway/core";

export interface BackoffOptions {
  /** Upper bound of the first wait, in milliseconds. */
  readonly firstMs: number;
  readonly factor: number;
  /** No wait is longer, in milliseconds. */
  readonly capMs: number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #attempts = 0;

  constructor(random: Random, options: BackoffOptions) {
    this.#random = random;
    this.#options = options;
  }

  /** Attempts since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Milliseconds to wait, at least `leastMs` (what a server asked for). */
  next(leastMs = 0): number {
    const { firstMs, factor, capMs } = this.#options;
    const bound = Math.min(capMs, firstMs * factor ** this.#attempts);
    this.#attempts++;
    return leastMs + this.#random.next() * bound;
  }

  reset(): void {
    this.#attempts = 0;
  }
}
