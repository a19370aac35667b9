// A world in one thread: one virtual time, one heap of events, ends of turns where the simulator says, so that a seed says all that happens.
import { systemClock } from "@raceway/core";
import { Chance } from "./chance.ts";
import { Trace } from "./trace.ts";

interface Event {
  readonly due: number;
  readonly order: number;
  /** Undefined: called off. */
  run: (() => void) | undefined;
  /** Of the simulator's own: no code under test runs in it, so no turn has to end after it. */
  readonly quiet: boolean;
}

/** Lets everything settle that was begun: all promise jobs, and what they begin. Then calls back. */
const hop: (run: () => void) => void = (() => {
  const { process } = globalThis as { readonly process?: { nextTick?(run: () => void): void } };
  const later = systemClock().loopEnd;
  // From within a promise job, `nextTick` comes when the queue of those has drained: a quarter of the price of a turn of the event loop.
  if (process?.nextTick === undefined) return later;
  return (run) => queueMicrotask(() => process.nextTick!(run));
})();

export class World {
  /** Milliseconds since the world began. */
  now = 0;
  readonly chance: Chance;
  readonly trace: Trace;
  /** Turns of code under test so far. */
  turns = 0;
  /** Called every so many turns, between two of them. */
  audit: (() => void) | undefined;
  readonly #auditEvery: number;
  readonly #heap: Event[] = [];
  #order = 0;
  #ends: (() => void)[] = [];
  #failure: Error | undefined;

  constructor(seed: number, options: { readonly readable?: boolean; readonly auditEvery?: number } = {}) {
    this.chance = new Chance(seed);
    this.trace = new Trace(() => this.now, options.readable ?? false);
    this.#auditEvery = options.auditEvery ?? 32;
  }

  /** Has `run` called at a time, in a turn of its own. */
  at(due: number, run: () => void, quiet = false): { cancel(): void } {
    const event: Event = { due: Math.max(due, this.now), order: this.#order++, run, quiet };
    this.#push(event);
    return { cancel: () => void (event.run = undefined) };
  }

  /** At the end of the turn that runs. */
  atTurnEnd(run: () => void): void {
    this.#ends.push(run);
  }

  /** Stops the world with an error, which `run` rejects with. The first counts. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error("the world was stopped", { cause: error });
  }

  /** Lets the world go on until `done` says so or `until` is reached. Resolves with what `done` said last. */
  run(until: number, done: () => boolean = () => false): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          if (this.#failure !== undefined) throw this.#failure;
          const ends = this.#ends;
          if (ends.length > 0) {
            this.#ends = [];
            for (const run of ends) run();
            hop(step);
            return;
          }
          if (this.audit !== undefined && this.turns % this.#auditEvery === 0) this.audit();
          if (done()) return resolve(true);
          for (;;) {
            const event = this.#heap[0];
            if (event === undefined || event.due > until) {
              this.now = Math.max(this.now, until);
              return resolve(done());
            }
            this.#pop();
            const { run } = event;
            if (run === undefined) continue;
            event.run = undefined;
            this.now = event.due;
            run();
            if (event.quiet) continue;
            this.turns++;
            hop(step);
            return;
          }
        } catch (error) {
          reject(error);
        }
      };
      hop(step);
    });
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
