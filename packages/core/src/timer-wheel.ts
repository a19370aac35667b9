// One wheel for all timers of a host: making one and calling it off costs a link in a list, and the host has at most one native timer.
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

// A wheel of wheels: the first has a slot per tick, each further one a slot for a whole turn of the one before. What stands in a slot of a
// further wheel moves inwards when its time begins (G. Varghese and T. Lauck, "Hashed and hierarchical timing wheels", 1987, scheme 7).
/** Slots of the first wheel: 2.56 s at 10 ms a tick. */
const NEAR = 256;
/** Slots of each further wheel. */
const FAR = 64;
/** Ticks that a slot spans, by wheel. */
const SPANS: readonly number[] = [1, NEAR, NEAR * FAR, NEAR * FAR * FAR];
/** Ticks to the end of the outermost wheel: a week at 10 ms a tick. What is later waits there and is looked at again. */
const HORIZON = NEAR * FAR * FAR * FAR;
/** Native timers take less than 2^31 ms. */
const LONGEST_MS = 2 ** 30;

/** A timer, or the head of a slot's ring. */
class Entry implements Timer {
  previous: Entry = this;
  next: Entry = this;
  run: (() => void) | undefined;
  /** The tick at which it runs. */
  due: number;
  readonly #wheel: Wheel | undefined;

  constructor(due = 0, run?: () => void, wheel?: Wheel) {
    this.due = due;
    this.run = run;
    this.#wheel = wheel;
  }

  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.next = this.previous = this;
  }

  [Symbol.dispose](): void {
    if (this.run === undefined) return;
    this.run = undefined;
    this.unlink();
    this.#wheel!.left();
  }
}

/** Makes a wheel with ticks of `tickMs` (default 10 ms). Timers run in the order of their ticks, late by up to one tick and never early. */
export function timerWheel(host: WheelHost, tickMs = 10): TimerWheel {
  const wheel = new Wheel(host, tickMs);
  return { after: (ms, run) => wheel.after(ms, run) }; // clocks pass `after` on by itself
}

class Wheel {
  readonly #host: WheelHost;
  readonly #tickMs: number;
  readonly #wheels: readonly (readonly Entry[])[] = SPANS.map((span) =>
    Array.from({ length: span === 1 ? NEAR : FAR }, () => new Entry()),
  );
  /** Timers that wait. */
  #count = 0;
  /** Time of tick 0. */
  #origin = 0;
  /** All up to this tick have run. */
  #tick = 0;
  #turning = false;
  #native: unknown;
  /** Tick of the native timer. */
  #armedFor = Infinity;

  constructor(host: WheelHost, tickMs: number) {
    this.#host = host;
    this.#tickMs = tickMs;
  }

  after(ms: number, run: () => void): Timer {
    const now = this.#host.now();
    if (this.#count === 0 && !this.#turning) {
      // Nothing waits: count anew, so that ticks that nobody needed are not walked.
      this.#tick = 0;
      this.#origin = now;
    }
    const entry = new Entry(Math.max(this.#tick + 1, Math.ceil((now + ms - this.#origin) / this.#tickMs)), run, this);
    this.#count++;
    this.#place(entry);
    if (!this.#turning && entry.due < this.#armedFor) this.#arm(entry.due);
    return entry;
  }

  /** By a timer that was called off. */
  left(): void {
    // Without timers there is no native one either, so that in Node the process may end.
    if (--this.#count === 0) this.#disarm();
  }

  #place(entry: Entry): void {
    const ahead = entry.due - this.#tick;
    const due = ahead < HORIZON ? entry.due : this.#tick + HORIZON - 1;
    let level = 0;
    while (level < SPANS.length - 1 && ahead >= SPANS[level + 1]!) level++;
    const wheel = this.#wheels[level]!;
    const head = wheel[Math.floor(due / SPANS[level]!) % wheel.length]!;
    entry.previous = head.previous;
    entry.next = head;
    head.previous.next = entry;
    head.previous = entry;
  }

  readonly #turn = (): void => {
    this.#native = undefined;
    this.#armedFor = Infinity;
    const target = Math.floor((this.#host.now() - this.#origin) / this.#tickMs);
    this.#turning = true;
    try {
      while (this.#tick < target && this.#count > 0) {
        this.#tick = Math.min(this.#next(), target);
        this.#moveInwards();
        const head = this.#wheels[0]![this.#tick % NEAR]!;
        while (head.next !== head) {
          const entry = head.next;
          const run = entry.run!;
          entry.run = undefined;
          entry.unlink();
          this.#count--;
          try {
            run();
          } catch (error) {
            if (head.next !== head) this.#tick--; // the others of this tick run in the next turn
            throw error;
          }
        }
      }
    } finally {
      this.#turning = false;
      if (this.#count > 0) this.#arm(this.#next());
    }
  };

  /** At the beginning of a slot of a further wheel: what stands in it finds its place again. */
  #moveInwards(): void {
    for (let level = 1; level < SPANS.length; level++) {
      const span = SPANS[level]!;
      if (this.#tick % span !== 0) return;
      const wheel = this.#wheels[level]!;
      const head = wheel[(this.#tick / span) % FAR]!;
      let entry = head.next;
      head.next = head.previous = head;
      while (entry !== head) {
        const { next } = entry;
        this.#place(entry);
        entry = next;
      }
    }
  }

  /** The next tick at which something is to be done: a timer runs, or timers move inwards. */
  #next(): number {
    let next = Infinity;
    for (const [level, wheel] of this.#wheels.entries()) {
      const span = SPANS[level]!;
      const slot = Math.floor(this.#tick / span);
      for (let ahead = 1; ahead <= wheel.length && (slot + ahead) * span < next; ahead++) {
        const head = wheel[(slot + ahead) % wheel.length]!;
        if (head.next !== head) next = (slot + ahead) * span;
      }
    }
    return next;
  }

  #arm(tick: number): void {
    this.#disarm();
    this.#armedFor = tick;
    const ms = Math.ceil(this.#origin + tick * this.#tickMs - this.#host.now());
    // At least 1 ms: floating point may put the tick at "now", and "now" into the tick before. Without waiting nothing would come of it, for ever
    // where time stands still (timer-wheel.test.ts, "when rounding puts its tick before its time").
    this.#native = this.#host.schedule(Math.min(Math.max(1, ms), LONGEST_MS), this.#turn);
  }

  #disarm(): void {
    if (this.#native !== undefined) this.#host.cancel(this.#native);
    this.#native = undefined;
    this.#armedFor = Infinity;
  }
}
