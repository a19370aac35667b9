// How long to wait before the next attempt: exponential, with full jitter, so that many clients do not come back at once.
import type { Random } from "@raceway/core";

export interface BackoffOptions {
  /** Upper bound of the first wait, in milliseconds. */
  readonly firstMs: number;
  readonly factor: number;
  /** No wait is longer, in milliseconds. */
  readonly capMs: number;
}

/** What a server asks for is obeyed up to so much, in milliseconds: a wrong figure must not keep a client away for good. */
const MAX_HINT_MS = 300_000;

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #attempts = 0;

  constructor(random: Random, options: BackoffOptions) {
    this.#random = random;
    this.#options = options;
  }

  /** Milliseconds to wait, at least `leastMs` (what a server asked for). */
  next(leastMs = 0): number {
    const { firstMs, factor, capMs } = this.#options;
    const bound = Math.min(capMs, firstMs * factor ** this.#attempts);
    this.#attempts++;
    return Math.min(leastMs, MAX_HINT_MS) + this.#random.next() * bound;
  }

  reset(): void {
    this.#attempts = 0;
  }
}
