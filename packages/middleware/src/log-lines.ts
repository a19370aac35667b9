// Lines of a log, within a rate: what is above it is counted, and the count is a line of its own.
import type { Clock, Logger, Timer } from "@raceway/core";

export type Level = "debug" | "info" | "warn" | "error";

export class Lines implements Disposable {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #perSecond: number;
  #since = Number.NEGATIVE_INFINITY;
  #written = 0;
  #leftOut = 0;
  #timer: Timer | undefined;

  /** 0 for no limit. */
  constructor(log: Logger, clock: Clock, perSecond: number) {
    this.#log = log;
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  write(level: Level, message: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#perSecond > 0) {
      const now = this.#clock.now();
      if (now - this.#since >= 1_000) {
        this.#since = now;
        this.#written = 0;
      }
      if (this.#written >= this.#perSecond) {
        this.#leftOut++;
        this.#timer ??= this.#clock.after(1_000, () => this.#tell());
        return;
      }
      this.#written++;
    }
    this.#log[level](message, fields);
  }

  #tell(): void {
    this.#timer = undefined;
    if (this.#leftOut > 0) this.#log.warn("lines were left out", { lines: this.#leftOut, perSecond: this.#perSecond });
    this.#leftOut = 0;
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#tell();
  }
}
