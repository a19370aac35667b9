// How long the last calls took, and in what time most of them were done.

/** Calls that are remembered. */
const SAMPLES = 100;
/** Fewer say nothing. */
const LEAST = 20;
/** The order is looked at anew after so many. */
const STALE = 10;

export class Latencies {
  readonly #percentile: number;
  readonly #samples: number[] = [];
  #next = 0;
  #fresh = 0;
  #known: number | undefined;

  constructor(percentile: number) {
    this.#percentile = percentile;
  }

  add(ms: number): void {
    this.#samples[this.#next] = ms;
    this.#next = (this.#next + 1) % SAMPLES;
    this.#fresh++;
  }

  /** Milliseconds in which the percentile of the last calls was done; undefined: there were too few. */
  get value(): number | undefined {
    if (this.#samples.length < LEAST) return undefined;
    if (this.#known === undefined || this.#fresh >= STALE) {
      const sorted = this.#samples.toSorted((a, b) => a - b);
      this.#known = sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * this.#percentile) / 100))]!;
      this.#fresh = 0;
    }
    return this.#known;
  }
}
