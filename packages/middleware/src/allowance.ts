// Bytes that somebody may still use on this node: taken from the host's store in lots, so that all nodes count together and few ask often.
import type { Clock, Logger, Store } from "@raceway/core";

export interface AllowanceRate {
  /** Bytes per second, on average. */
  readonly perSecond: number;
  /** Bytes that may go at once before the average counts. */
  readonly burst: number;
}
export interface AllowanceHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A lot is what may go in so much of a second. */
const LOT_SHARE = 0.1;
/** Wait for tokens at least so long, in milliseconds: the store rounds, and a timer is not exact. */
const LEAST_MS = 1;

export class Allowance {
  readonly #host: AllowanceHost;
  readonly #key: string;
  readonly #rate: AllowanceRate;
  readonly #lot: number;
  /** Below zero: more has gone than was allowed, as nobody can take back a batch. */
  #left = 0;
  #filling: Promise<void> | undefined;
  /** The store said no: when there may be enough again. */
  #until = 0;
  /** Somebody used it since the last look. */
  used = true;

  constructor(host: AllowanceHost, key: string, rate: AllowanceRate) {
    this.#host = host;
    this.#key = key;
    this.#rate = rate;
    this.#lot = Math.min(rate.burst, Math.max(1, Math.ceil(rate.perSecond * LOT_SHARE)));
  }

  /** So many have gone. Undefined: there are more. Else: no more until it resolves; it never rejects. */
  spend(bytes: number): Promise<void> | undefined {
    this.used = true;
    this.#left -= bytes;
    if (this.#left < this.#lot / 2) this.#filling ??= this.#fill();
    return this.#left < 0 ? this.#filling : undefined;
  }

  /** How long it is used up for, about, in milliseconds; 0: it is not. */
  get overMs(): number {
    return this.#left < 0 ? Math.max(0, Math.ceil(this.#until - this.#host.clock.now())) : 0;
  }

  async #fill(): Promise<void> {
    const { store, clock, log } = this.#host;
    const { burst, perSecond } = this.#rate;
    while (this.#left < this.#lot / 2) {
      const cost = Math.min(burst, Math.max(this.#lot, Math.ceil(-this.#left)));
      let waitMs = 0;
      try {
        const { ok, retryAfterMs } = await store.take(this.#key, cost, this.#rate);
        if (ok) this.#left += cost;
        else waitMs = Math.max(LEAST_MS, retryAfterMs);
      } catch (error) {
        // Without the store each node keeps the average by itself: nobody stands still for it.
        log.warn("a limit of bytes is kept without its store", { error: String(error) });
        waitMs = (cost * 1_000) / perSecond;
        this.#left += cost;
      }
      if (waitMs === 0) continue;
      this.#until = clock.now() + waitMs;
      await new Promise<void>((resolve) => clock.after(waitMs, resolve));
    }
    this.#filling = undefined;
  }
}

/** The allowances of all who are counted on this node, each as long as it is used. */
export class Allowances implements Disposable {
  readonly #host: AllowanceHost;
  readonly #name: string;
  readonly #rate: AllowanceRate;
  readonly #held = new Map<string, Allowance>();
  #sweep: Disposable | undefined;

  /** `name`: of the bucket in the store, before who it is. */
  constructor(host: AllowanceHost, name: string, rate: AllowanceRate) {
    this.#host = host;
    this.#name = name;
    this.#rate = rate;
  }

  of(who: string): Allowance {
    let allowance = this.#held.get(who);
    if (allowance === undefined) {
      allowance = new Allowance(this.#host, `${this.#name} ${who}`, this.#rate);
      this.#held.set(who, allowance);
      this.#sweep ??= this.#host.clock.after(SWEEP_MS, this.#sweepNow);
    }
    return allowance;
  }

  /** What a quiet link still holds goes on to count, in the same bucket of the store. */
  readonly #sweepNow = (): void => {
    for (const [who, allowance] of this.#held) {
      if (allowance.used) allowance.used = false;
      else this.#held.delete(who);
    }
    this.#sweep = this.#held.size > 0 ? this.#host.clock.after(SWEEP_MS, this.#sweepNow) : undefined;
  };

  [Symbol.dispose](): void {
    this.#sweep?.[Symbol.dispose]();
  }
}
/** What was not used for so long, in milliseconds, is forgotten here; the store goes on to know. */
const SWEEP_MS = 60_000;
