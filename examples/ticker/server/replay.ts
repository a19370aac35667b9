// Days of the past, published one after another at a steady pace, over and over.
import { setTimeout as delay } from "node:timers/promises";
import type { TradingDay } from "./trading-days.ts";

export interface NumberedQuote extends TradingDay {
  /** 1, 2, 3 and so on, also where the data begin again. */
  readonly sequence: number;
}

export interface ReplayInit {
  readonly days: readonly TradingDay[];
  readonly perSecond: number;
  /** The next quote waits until it is done; then those that fell due meanwhile follow in one go. */
  readonly publish: (quote: NumberedQuote) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Resolves when `signal` is aborted; rejects if a quote could not be published. */
export async function replay({ days, perSecond, publish, signal }: ReplayInit): Promise<void> {
  const begun = performance.now();
  for (let sequence = 1; !signal.aborted; sequence++) {
    await publish({ ...days[(sequence - 1) % days.length]!, sequence });
    const waitMs = begun + (sequence * 1_000) / perSecond - performance.now();
    // Aborted while it waits: the loop ends.
    if (waitMs > 1) await delay(waitMs, undefined, { signal }).catch(() => {});
  }
}
