// Medians and percentiles.

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** (Largest − smallest) ÷ median: how far repetitions lie apart. */
export function spread(values: readonly number[]): number {
  return values.length < 2 ? 0 : (Math.max(...values) - Math.min(...values)) / median(values);
}

/** Buckets per doubling: neighbouring buckets differ by 1.1 %, finer than any run repeats. */
const PER_DOUBLING = 64;

/** Counts durations in logarithmic buckets, from 1 µs to 17 minutes, without allocation per value. */
export class Histogram {
  readonly #buckets = new Uint32Array(30 * PER_DOUBLING);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  record(micros: number): void {
    const bucket = micros <= 1 ? 0 : Math.min(this.#buckets.length - 1, Math.floor(Math.log2(micros) * PER_DOUBLING));
    this.#buckets[bucket]! += 1;
    this.#count++;
  }

  /** The value below which this share of the durations lies, in microseconds; undefined if there are none. */
  percentile(share: number): number | undefined {
    if (this.#count === 0) return undefined;
    let left = share * this.#count;
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) {
      left -= this.#buckets[bucket] as number;
      if (left <= 0) return 2 ** ((bucket + 0.5) / PER_DOUBLING);
    }
    return undefined;
  }

  clear(): void {
    this.#buckets.fill(0);
    this.#count = 0;
  }
}
