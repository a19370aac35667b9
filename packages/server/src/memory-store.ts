// Keys with expiry and token buckets in the memory of this process.
import { type Clock, type Store, fail } from "@raceway/core";

interface Held {
  readonly value: Uint8Array;
  readonly until: number;
}
interface Bucket {
  tokens: number;
  at: number;
}

const SWEEP_MS = 30_000;

export class MemoryStore implements Store, Disposable {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  #bytes = 0;
  readonly #held = new Map<string, Held>();
  readonly #buckets = new Map<string, { bucket: Bucket; fullAt: number }>();
  #sweep: Disposable;

  constructor(clock: Clock, maxBytes = 67_108_864) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#sweep = clock.after(SWEEP_MS, this.#sweepNow);
  }

  get(key: string): Promise<Uint8Array | undefined> {
    const held = this.#held.get(key);
    return Promise.resolve(held !== undefined && held.until > this.#clock.now() ? held.value : undefined);
  }

  put(
    key: string,
    value: Uint8Array,
    options: { readonly ttlMs: number; readonly ifAbsent?: boolean },
  ): Promise<boolean> {
    const now = this.#clock.now();
    const known = this.#held.get(key);
    if (options.ifAbsent === true && known !== undefined && known.until > now) return Promise.resolve(false);
    const size = sizeOf(key, value);
    const grown = (): number => this.#bytes + size - (this.#held.has(key) ? sizeOf(key, known!.value) : 0);
    if (grown() > this.#maxBytes) this.#expire(now);
    // What is refused changes nothing: a key that went here would let the call that it stands for run again (once.test.ts).
    if (grown() > this.#maxBytes)
      return Promise.reject(fail("store_full", { bytes: this.#bytes, limit: this.#maxBytes }));
    this.#drop(key);
    this.#bytes += size;
    this.#held.set(key, { value: value.slice(), until: now + options.ttlMs });
    return Promise.resolve(true);
  }

  delete(key: string): Promise<void> {
    this.#drop(key);
    return Promise.resolve();
  }

  #drop(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#bytes -= sizeOf(key, held.value);
    this.#held.delete(key);
  }
  #expire(now: number): void {
    for (const [key, held] of this.#held) if (held.until <= now) this.#drop(key);
  }

  take(
    key: string,
    cost: number,
    bucket: { readonly perSecond: number; readonly burst: number },
  ): Promise<{ readonly ok: boolean; readonly retryAfterMs: number }> {
    const now = this.#clock.now();
    const known = this.#buckets.get(key)?.bucket ?? { tokens: bucket.burst, at: now };
    const tokens = Math.min(bucket.burst, known.tokens + ((now - known.at) * bucket.perSecond) / 1000);
    const ok = tokens >= cost;
    const left = ok ? tokens - cost : tokens;
    this.#buckets.set(key, {
      bucket: { tokens: left, at: now },
      fullAt: now + ((bucket.burst - left) * 1000) / bucket.perSecond,
    });
    return Promise.resolve({ ok, retryAfterMs: ok ? 0 : Math.ceil(((cost - left) * 1000) / bucket.perSecond) });
  }

  [Symbol.dispose](): void {
    this.#sweep[Symbol.dispose]();
  }

  readonly #sweepNow = (): void => {
    const now = this.#clock.now();
    this.#expire(now);
    for (const [key, { fullAt }] of this.#buckets) if (fullAt <= now) this.#buckets.delete(key);
    this.#sweep = this.#clock.after(SWEEP_MS, this.#sweepNow);
  };
}

/** Keys are counted as UTF-16, which is what they take. */
function sizeOf(key: string, value: Uint8Array): number {
  return 2 * key.length + value.length;
}
