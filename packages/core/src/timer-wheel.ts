// One wheel for all timers of a host: adding and calling off a timer costs an array slot, and the host has at most one native timer.
import type { Timer } from "./clock.ts";

export interface WheelHost {
  /** Milliseconds, monotonic. */
  now(): number;
  /** A native timer; the wheel holds at most one. */
  schedule(ms: number, run: () => void): unknown;
  cancel(handle: unknown): void;
}
export interface TimerWheel {
  after(ms: number, run: () => void): Timer;
}

/** Slots of the wheel: timers within one turn of it are found by their slot, later ones wait for their round. */
const SLOTS = 512;

class Entry implements Timer {
  run: (() => void) | undefined;
  readonly due: number;
  readonly #wheel: WheelState;
  constructor(run: () => void, due: number, wheel: WheelState) {
    this.run = run;
    this.due = due;
    this.#wheel = wheel;
  }
  [Symbol.dispose](): void {
    if (this.run === undefined) return;
    this.run = undefined;
    if (--this.#wheel.count === 0) this.#wheel.stop();
  }
}
interface WheelState {
  /** Timers that wait. */
  count: number;
  /** The last of them was called off: no native timer, so that in Node the process may end. */
  readonly stop: () => void;
}

/**
 * Makes a wheel with ticks of `tickMs` (default 10 ms; timers are late by up to one tick and never early). A timer that was called off stays
 * in its slot, without its closure, until the wheel passes it.
 */
export function timerWheel(host: WheelHost, tickMs = 10): TimerWheel {
  const slots: Entry[][] = Array.from({ length: SLOTS }, () => []);
  const state: WheelState = {
    count: 0,
    stop() {
      if (handle !== undefined) host.cancel(handle);
      handle = undefined;
      armedFor = Infinity;
    },
  };
  let tick = 0; // ticks passed since `origin`
  let origin = host.now();
  let handle: unknown;
  let armedFor = Infinity;
  let turning = false;

  const arm = (): void => {
    if (state.count === 0) return;
    // The next slot with a live timer of this round; at most one turn of the wheel away.
    let wait = SLOTS;
    search: for (let ahead = 1; ahead < SLOTS; ahead++) {
      for (const entry of slots[(tick + ahead) % SLOTS]!) {
        if (entry.run !== undefined && entry.due <= tick + ahead) {
          wait = ahead;
          break search;
        }
      }
    }
    if (tick + wait >= armedFor && handle !== undefined) return;
    if (handle !== undefined) host.cancel(handle);
    armedFor = tick + wait;
    handle = host.schedule(Math.max(0, Math.ceil(origin + armedFor * tickMs - host.now())), turn);
  };

  const turn = (): void => {
    handle = undefined;
    armedFor = Infinity;
    const target = Math.floor((host.now() - origin) / tickMs);
    // After a long stall each slot needs a look only once.
    if (target - tick > SLOTS) tick = target - SLOTS;
    turning = true;
    while (tick < target) {
      tick++;
      const slot = slots[tick % SLOTS]!;
      if (slot.length === 0) continue;
      const due: Entry[] = [];
      let kept = 0;
      for (const entry of slot) {
        if (entry.run === undefined) continue;
        if (entry.due <= target) due.push(entry);
        else slot[kept++] = entry;
      }
      slot.length = kept;
      for (const entry of due) {
        const run = entry.run;
        if (run === undefined) continue; // called off by one that ran just before
        entry.run = undefined;
        state.count--;
        run();
      }
    }
    turning = false;
    arm();
  };

  return {
    after(ms, run) {
      if (state.count === 0 && !turning) {
        // Nothing waits: start counting anew, so that ticks that nobody needed are not walked.
        const now = host.now();
        tick = 0;
        origin = now;
        state.stop();
        for (const slot of slots) slot.length = 0;
      }
      const due = Math.max(tick + 1, Math.ceil((host.now() + ms - origin) / tickMs));
      const entry = new Entry(run, due, state);
      state.count++;
      slots[due % SLOTS]!.push(entry);
      if (due < armedFor) {
        if (handle !== undefined) host.cancel(handle);
        armedFor = Math.min(due, tick + SLOTS);
        handle = host.schedule(Math.max(0, Math.ceil(origin + armedFor * tickMs - host.now())), turn);
      }
      return entry;
    },
  };
}
