// How many calls more than were asked for may be made: a few at once, and over time a share of all.

export class Budget {
  readonly #most: number;
  readonly #share: number;
  #tokens: number;

  /** Full at first. */
  constructor(most: number, share: number) {
    this.#most = most;
    this.#share = share;
    this.#tokens = most;
  }

  /** A call was asked for: it earns its share. */
  earn(): void {
    this.#tokens = Math.min(this.#most, this.#tokens + this.#share);
  }

  /** May there be one more? */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
