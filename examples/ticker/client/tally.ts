// Holds the sequence numbers that came against those that should have come.
export class Tally {
  received = 0;
  /** Quotes that never came. */
  missing = 0;
  /** Quotes that came again. */
  duplicates = 0;
  #last: number | undefined;

  /** `first`: the sequence number that should come first; undefined: whatever comes. */
  constructor(first?: number) {
    if (first !== undefined) this.#last = first - 1;
  }

  get last(): number {
    return this.#last ?? 0;
  }

  add(sequence: number): void {
    this.received++;
    if (this.#last !== undefined && sequence <= this.#last) {
      this.duplicates++;
      return;
    }
    if (this.#last !== undefined) this.missing += sequence - this.#last - 1;
    this.#last = sequence;
  }
}
