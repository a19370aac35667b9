// Batches on their way out, from a link that pushes to a stream that pulls.
import { HIGH_WATER_BYTES } from "./protocol.ts";

export class BatchQueue {
  /** Bytes pushed and not yet taken by the network: what was given out counts until more is asked for. */
  buffered = 0;
  readonly #drained: () => void;
  #waiting: (() => void) | undefined;
  #batches: Uint8Array[] = [];
  /** Bytes that were given out last. */
  #givenBytes = 0;
  #full = false;
  #ended = false;
  #dropped = false;
  #error: Error | undefined;

  /** `drained` is called after a push that returned false, when there is room again; never from inside a push. */
  constructor(drained: () => void) {
    this.#drained = drained;
  }

  /** Somebody was told to stop, and will be told when there is room again. */
  get full(): boolean {
    return this.#full;
  }

  /** False: stop until `drained`. */
  push(batch: Uint8Array): boolean {
    if (this.#ended) return false;
    this.#batches.push(batch);
    this.buffered += batch.length;
    if (this.buffered > HIGH_WATER_BYTES) this.#full = true;
    this.#wake();
    return !this.#full;
  }

  /** Nothing will be pushed any more; what was is still given out. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Nothing is given out any more; with an error, that is the answer to who asks. */
  drop(error?: Error): void {
    this.#ended = true;
    this.#dropped = true;
    this.#error = error;
    this.#batches = [];
    this.buffered = 0;
    this.#givenBytes = 0;
    this.#wake();
  }

  /**
   * Resolves to the next batch, with further ones while they are at most `bytes` in all; to undefined at the end. To be called by one
   * consumer, one call at a time, and only when the network has taken what came before.
   */
  async next(bytes = 0): Promise<Uint8Array[] | undefined> {
    this.buffered -= this.#givenBytes;
    this.#givenBytes = 0;
    if (this.#full && !this.#ended && this.buffered <= HIGH_WATER_BYTES / 2) {
      this.#full = false;
      this.#drained();
    }
    if (this.#batches.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    if (this.#error !== undefined) throw this.#error;
    let count = 0;
    let given = 0;
    for (const batch of this.#batches) {
      if (count > 0 && given + batch.length > bytes) break;
      count++;
      given += batch.length;
    }
    if (count === 0) return undefined;
    this.#givenBytes = given;
    return this.#batches.splice(0, count);
  }

  /** The same, a batch at a time, as messages of a stream; and a last message, if it comes to a good end. */
  async *chunks<T extends object>(last?: T): AsyncGenerator<{ readonly batch: Uint8Array } | T, void> {
    for (let batches = await this.next(); batches !== undefined; batches = await this.next())
      yield { batch: batches[0]! };
    if (last !== undefined && !this.#dropped) yield last;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }
}
