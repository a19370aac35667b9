// The two flush points of a turn, one native callback each for all sessions of a host.
import type { Clock } from "./clock.ts";

/** Something with output to write. `flush` must not throw. */
export interface Flushable {
  flush(): void;
}

/**
 * Replies leave at the end of the turn that brought the request, publications at the end of the loop turn; what a thing has by then goes in one write.
 * A thing adds itself at most once per flush (it keeps its own flag, which `flush` clears first).
 */
export class FlushQueue {
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  #turn: Flushable[] = [];
  #loop: Flushable[] = [];
  /** What is flushed now is the last that is known of in this pass. */
  alone = false;
  readonly #flushTurn = (): void => {
    const due = this.#turn;
    this.#turn = [];
    for (const thing of due) this.#flush(thing);
  };
  readonly #flushLoop = (): void => {
    // A topic that flushes adds its sessions behind itself: they are still part of this pass, so each socket is written once.
    const due = this.#loop;
    for (let at = 0; at < due.length; at++) {
      this.alone = at === due.length - 1;
      this.#flush(due[at]!);
    }
    this.alone = false;
    this.#loop = [];
  };

  /** `failed` is told of what breaks its promise not to throw; all others are flushed even so. */
  constructor(clock: Clock, failed: (error: unknown) => void = () => {}) {
    this.#clock = clock;
    this.#failed = failed;
  }

  #flush(thing: Flushable): void {
    try {
      thing.flush();
    } catch (error) {
      this.#failed(error);
    }
  }
  atTurnEnd(thing: Flushable): void {
    if (this.#turn.push(thing) === 1) this.#clock.turnEnd(this.#flushTurn);
  }
  atLoopEnd(thing: Flushable): void {
    if (this.#loop.push(thing) === 1) this.#clock.loopEnd(this.#flushLoop);
  }
}
