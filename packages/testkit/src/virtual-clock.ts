// A clock that stands still until a test moves it; turns are the platform's own, so promises settle as they do in life.
import { type Clock, systemClock, type Timer } from "@raceway/core";

export interface VirtualClock extends Clock {
  /** Moves time on: due timers run in order, and all that follows from each is let settle before the next. */
  advance(ms: number): Promise<void>;
  /** Time leaps, as over a sleep of the machine: all that was due meanwhile runs after it, late. */
  leap(ms: number): Promise<void>;
  /** Lets all that was begun settle, without moving time. */
  settle(): Promise<void>;
  /** Timers that wait. */
  readonly timers: number;
}

/** Hops through the event loop after which a chain of a call through client, link, server and back has come to rest. */
const HOPS = 12;

/** Turns of the platform as it was when this was loaded: a test's own fake timers, installed later, do not stop them. */
const real = /* @__PURE__ */ systemClock();

/** `wallMs`: the wall's time when `now` is 0; in 2023 unless said. */
export function virtualClock(startMs = 1_000, wallMs = 1_700_000_000_000): VirtualClock {
  let now = startMs;
  let order = 0;
  const waiting = new Set<{ readonly due: number; readonly order: number; readonly run: () => void }>();
  const settle = async (): Promise<void> => {
    for (let hop = 0; hop < HOPS; hop++) await new Promise<void>((resolve) => real.loopEnd(resolve));
  };
  const clock: VirtualClock = {
    now: () => now,
    wallNow: () => wallMs + now,
    after(ms, run): Timer {
      const entry = { due: now + Math.max(0, ms), order: order++, run };
      waiting.add(entry);
      return { [Symbol.dispose]: () => void waiting.delete(entry) };
    },
    turnEnd: real.turnEnd,
    loopEnd: real.loopEnd,
    settle,
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (;;) {
        let next: { readonly due: number; readonly order: number; readonly run: () => void } | undefined;
        for (const entry of waiting) {
          if (
            entry.due <= until &&
            (next === undefined || entry.due < next.due || (entry.due === next.due && entry.order < next.order))
          )
            next = entry;
        }
        if (next === undefined) break;
        waiting.delete(next);
        now = Math.max(now, next.due);
        next.run();
        await settle();
      }
      now = until;
      await settle();
    },
    leap(ms) {
      now += ms;
      return clock.advance(0);
    },
    get timers() {
      return waiting.size;
    },
  };
  return clock;
}
