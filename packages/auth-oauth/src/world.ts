// Time and chance for a plugin that several connections share: those of the first that starts, for times of different clocks do not compare.
import { type Clock, type Host, type Random, systemClock, systemRandom } from "@raceway/core";

export class SharedWorld {
  #host: Pick<Host, "clock" | "random"> | undefined;
  /** Before a connection starts. */
  #platform: Clock | undefined;

  adopt(host: Host): void {
    this.#host ??= host;
  }
  get clock(): Clock {
    return this.#host?.clock ?? (this.#platform ??= systemClock());
  }
  get random(): Random {
    return this.#host?.random ?? systemRandom;
  }
}
