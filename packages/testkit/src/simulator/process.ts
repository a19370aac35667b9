// A simulated process: a clock that is off and drifts, turns that end when the world says, stalls, and sudden death.
import type { Clock, Random, Timer } from "@raceway/core";
import type { World } from "./world.ts";

export interface ProcessOptions {
  /** Wall clock minus the world's, in milliseconds. */
  readonly offsetMs?: number;
  /** How much faster its clock runs: 0.01 gains a hundredth. */
  readonly drift?: number;
  /** Timers are late by up to so much, in milliseconds. */
  readonly lateMs?: number;
  /** The events at hand take up to so long before a loop turn ends, in milliseconds. */
  readonly loopMs?: number;
}

/** The world begins in November 2023. */
const EPOCH = 1_700_000_000_000;

export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  /** A planted fault: how much later than it should a timer runs. */
  lateness: ((ms: number) => number) | undefined;
  dead = false;
  /** Milliseconds, in all, that it was stalled; who measures its promises allows for them. */
  stalledMs = 0;
  readonly #world: World;
  readonly #timers = new Set<{ readonly ms: number; readonly made: string }>();
  #stalledUntil = 0;
  #loopEnd = 0;

  constructor(world: World, name: string, options: ProcessOptions = {}) {
    this.#world = world;
    this.name = name;
    const chance = world.chance.fork();
    this.random = chance;
    const { offsetMs = 0, drift = 0, lateMs = 0, loopMs = 0 } = options;
    const born = world.now;
    const first = chance.int(1, 1_000_000);
    const rate = 1 + drift;
    this.clock = {
      now: () => first + (world.now - born) * rate,
      wallNow: () => EPOCH + offsetMs + world.now * rate,
      after: (ms, run): Timer => {
        const wait = Math.max(0, ms) / rate + lateMs * chance.next() + (this.lateness?.(ms) ?? 0);
        const timer = { ms, made: world.trace.lines === undefined ? "" : (new Error("made").stack ?? "") };
        this.#timers.add(timer);
        const event = this.#at(world.now + wait, () => {
          this.#timers.delete(timer);
          run();
        });
        return {
          [Symbol.dispose]: () => {
            this.#timers.delete(timer);
            event.cancel();
          },
        };
      },
      turnEnd: (run) =>
        world.atTurnEnd(() => {
          if (!this.dead) run();
        }),
      loopEnd: (run) => {
        this.#loopEnd = Math.max(this.#loopEnd, world.now + loopMs * chance.next());
        this.#at(this.#loopEnd, run);
      },
    };
  }

  /** Timers that wait. */
  get timers(): number {
    return this.#timers.size;
  }
  /** What they are, for a message. */
  get timerList(): string {
    return [...this.#timers].map(({ ms, made }) => `${ms} ms${made === "" ? "" : ` ${callers(made)}`}`).join(", ");
  }
  get stalled(): boolean {
    return this.#stalledUntil > this.#world.now;
  }

  /** Something reaches the process: it runs in a turn of its own, after a stall if there is one, and never in a dead process. */
  post(run: () => void): void {
    this.#at(this.#world.now, run);
  }

  /** For the code of a test that runs in this process: not one of its timers, and never later than said. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#at(this.#world.now + ms, resolve));
  }

  /** Nothing of it runs for so long; then all that was due, in its order. */
  stall(ms: number): void {
    if (this.dead) return;
    const until = this.#world.now + ms;
    if (until <= this.#stalledUntil) return;
    this.stalledMs += until - Math.max(this.#stalledUntil, this.#world.now);
    this.#stalledUntil = until;
  }

  /** As SIGKILL: no turn ends, no timer runs, no goodbye. */
  kill(): void {
    this.dead = true;
    this.#timers.clear();
  }

  #at(due: number, run: () => void): { cancel(): void } {
    let off = false;
    const attempt = (): void => {
      if (off || this.dead) return;
      // What is due while it is stalled keeps its order.
      if (this.#stalledUntil > this.#world.now) event = this.#world.at(this.#stalledUntil, attempt);
      else run();
    };
    let event = this.#world.at(due, attempt);
    return {
      cancel() {
        off = true;
        event.cancel();
      },
    };
  }
}

function callers(stack: string): string {
  const at = stack.split("\n").slice(3, 6);
  return at.map((line) => /\(?([^/\\( ]+:\d+):\d+\)?$/.exec(line.trim())?.[1] ?? "").join(" < ");
}
