// Keyed calls whose caller is gone: they run on for the retry, bounded in number and time.
import type { Clock, Limits } from "@raceway/core";

export class Orphans implements Disposable {
  readonly #limits: Limits;
  readonly #clock: Clock;
  /** Oldest first. */
  readonly #held = new Set<Disposable & { stop(): void }>();

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** `stop` is called when nobody can ask for the reply any more, or too many others have come; unless what is returned was disposed before. */
  add(stop: () => void): Disposable {
    const drop = (): void => {
      this.#held.delete(orphan);
      timer[Symbol.dispose]();
    };
    const orphan = {
      stop(): void {
        drop();
        stop();
      },
      [Symbol.dispose]: drop,
    };
    const timer = this.#clock.after(this.#limits.dedupMs, () => orphan.stop());
    this.#held.add(orphan);
    if (this.#held.size > this.#limits.detachedCalls) {
      const [oldest] = this.#held;
      oldest?.stop();
    }
    return orphan;
  }

  /** Stops all. */
  [Symbol.dispose](): void {
    for (const orphan of [...this.#held]) orphan.stop();
  }
}
