// Turns: what was asked about in order goes on in order, however long each answer takes.

export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Settles as the answer does, but is not fulfilled before the turns of this name that were taken earlier are over; undefined: it may go on at once.
   * A refusal is told at once, and holds up nothing once it is there.
   */
  take(name: string, answer: void | Promise<void>): Promise<unknown> | undefined {
    const before = this.#last.get(name);
    if (before === undefined && answer === undefined) return undefined;
    const turn = Promise.all([before, answer]);
    const over = Promise.allSettled([before, answer]).then(() => {
      if (this.#last.get(name) === over) this.#last.delete(name);
    });
    this.#last.set(name, over);
    return turn;
  }
}
