// Messages of a call between the session, which pushes payloads, and a reader, who takes them as an async iterable.

interface Waiter<T> {
  resolve(result: IteratorResult<T>): void;
  reject(error: unknown): void;
}

/** What a queue asks of its owner. */
export interface QueueOwner<T> {
  /** Turns a payload into a message, when it is read and not before. May throw: the reader gets the error, and the queue is over. */
  decode(payload: Uint8Array): T;
  /** A message was read: so many bytes may be sent again. */
  consumed(bytes: number): void;
  /** The reader left before the end. */
  abandoned(): void;
}

/** Unbounded by itself: credit bounds what the other side may have sent. One reader; several `next` at once are answered in order. */
export class MessageQueue<T> implements AsyncIterableIterator<T> {
  readonly #owner: QueueOwner<T>;
  #payloads: Uint8Array[] = [];
  #head = 0;
  #waiters: Waiter<T>[] = [];
  #ended = false;
  #error: unknown;

  constructor(owner: QueueOwner<T>) {
    this.#owner = owner;
  }

  /** Messages that wait. */
  get length(): number {
    return this.#payloads.length - this.#head;
  }

  push(payload: Uint8Array): void {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#payloads.push(payload);
      return;
    }
    const taken = this.#take(payload);
    if (taken.ok) waiter.resolve({ done: false, value: taken.value });
    else waiter.reject(taken.error);
  }

  /** What comes from now on is written otherwise: what waits is made like it. If `change` throws, so does this; then what came before that payload waits still, and nothing else. */
  rewrite(change: (payload: Uint8Array) => Uint8Array): void {
    for (const payload of this.#payloads.splice(this.#head)) this.#payloads.push(change(payload));
  }

  /** No more will come; with an error, the reader gets it after what is there. */
  finish(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) this.#over(waiter);
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#head < this.#payloads.length) {
      const payload = this.#payloads[this.#head]!;
      this.#payloads[this.#head++] = undefined as unknown as Uint8Array; // never read again; frees the bytes now
      if (this.#head === this.#payloads.length) {
        this.#payloads.length = 0;
        this.#head = 0;
      } else if (this.#head > 1024 && this.#head * 2 > this.#payloads.length) {
        this.#payloads.splice(0, this.#head);
        this.#head = 0;
      }
      const taken = this.#take(payload);
      return taken.ok ? Promise.resolve({ done: false, value: taken.value }) : Promise.reject(taken.error);
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      if (this.#ended) this.#over(waiter);
      else this.#waiters.push(waiter);
    });
  }

  return(): Promise<IteratorResult<T>> {
    const live = !this.#ended;
    this.#payloads = [];
    this.#head = 0;
    this.finish();
    if (live) this.#owner.abandoned();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(payload: Uint8Array): { ok: true; value: T } | { ok: false; error: unknown } {
    try {
      const value = this.#owner.decode(payload);
      this.#owner.consumed(payload.length); // not of one that could not be read: whoever goes on later begins with it
      return { ok: true, value };
    } catch (error) {
      this.#payloads = [];
      this.#head = 0;
      this.finish();
      this.#owner.abandoned();
      return { ok: false, error };
    }
  }

  #over(waiter: Waiter<T>): void {
    const error = this.#error;
    if (error === undefined) waiter.resolve({ done: true, value: undefined });
    else {
      this.#error = undefined; // told once; after that the queue is simply at its end
      waiter.reject(error);
    }
  }
}
