// What failed lately goes last for a while: longer with each repetition, forgotten with time.
import type { Clock } from "@raceway/core";

export interface PenaltyRules {
  /** Strikes that cost nothing: one cut says little of a transport. */
  readonly free: number;
  /** Length of the first penalty, in milliseconds; each further strike doubles it. */
  readonly firstMs: number;
  /** No penalty is longer, in milliseconds. */
  readonly capMs: number;
}

/** One strike is forgotten for each such time that a penalty has been over: five minutes without a failure. */
const FORGET_MS = 300_000;

export class Penalties {
  readonly #clock: Clock;
  readonly #rules: PenaltyRules;
  readonly #marks = new Map<string, { readonly strikes: number; readonly until: number }>();

  constructor(clock: Clock, rules: PenaltyRules) {
    this.#clock = clock;
    this.#rules = rules;
  }

  strike(key: string): void {
    const { free, firstMs, capMs } = this.#rules;
    const strikes = this.#strikes(key) + 1;
    const ms = strikes > free ? Math.min(capMs, firstMs * 2 ** (strikes - free - 1)) : 0;
    this.#marks.set(key, { strikes, until: this.#clock.now() + ms });
  }

  /** Costs nothing, however often; but the next strike is not the first. */
  warn(key: string): void {
    this.#marks.set(key, { strikes: Math.max(1, this.#strikes(key)), until: this.#clock.now() });
  }

  #strikes(key: string): number {
    const mark = this.#marks.get(key);
    if (mark === undefined) return 0;
    return Math.max(0, mark.strikes - Math.max(0, Math.floor((this.#clock.now() - mark.until) / FORGET_MS)));
  }

  pardon(key: string): void {
    this.#marks.delete(key);
  }

  /** Is its penalty still running? */
  has(key: string): boolean {
    return (this.#marks.get(key)?.until ?? 0) > this.#clock.now();
  }
}
