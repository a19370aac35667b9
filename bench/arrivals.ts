// Deliveries of one topic to many raw subscribers: counts them, checks each subscriber's order, measures their delay.
import { monotonicMicros, SEQ_BASE } from "./event.ts";
import { Histogram } from "./statistics.ts";

/** One subscriber's place in the series. */
export class Arrivals {
  readonly #all: AllArrivals;
  #last = 0;

  constructor(all: AllArrivals) {
    this.#all = all;
  }

  /** One delivery; `at` is when it was published. A number that is not the next one fails the measurement. */
  delivered(seq: number, at: number): void {
    if (seq === this.#last + 1) {
      this.#last = seq;
      this.#all.count(seq, at);
    } else if (this.#last === 0) {
      this.#last = seq; // the first that it sees; the series began before it subscribed
      this.#all.count(seq, at);
    } else {
      this.#all.fail(new Error(`Event ${seq - SEQ_BASE} came after ${this.#last - SEQ_BASE}.`));
    }
  }

  /** A chunk of bytes has arrived: called once per chunk, since asking the clock costs more than reading an event. */
  arrived(): void {
    this.#all.arrived();
  }

  failed(error: Error): void {
    this.#all.fail(error);
  }

  get last(): number {
    return this.#last;
  }
}

export class AllArrivals {
  readonly latency: Histogram = new Histogram();
  readonly #subscribers: Arrivals[] = [];
  #awaited = 0;
  #settle: { resolve(): void; reject(error: Error): void } | undefined;
  #failure: Error | undefined;
  #now = 0;

  subscriber(): Arrivals {
    const arrivals = new Arrivals(this);
    this.#subscribers.push(arrivals);
    return arrivals;
  }

  /** Resolves when `count` deliveries more have come; rejects when one is missing, repeated or out of order. */
  expect(count: number): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.#awaited = count;
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** Throws if something has gone wrong already. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Every subscriber must have got the same last event. */
  complete(seq: number): void {
    this.check();
    for (const { last } of this.#subscribers) {
      if (last !== seq)
        throw new Error(`A subscriber's last event is ${last - SEQ_BASE}, published was ${seq - SEQ_BASE}.`);
    }
  }

  arrived(): void {
    this.#now = monotonicMicros();
  }

  count(seq: number, at: number): void {
    this.latency.record(this.#now - at);
    if (--this.#awaited > 0) return;
    if (this.#awaited < 0) this.fail(new Error(`Event ${seq - SEQ_BASE} was not expected.`));
    else this.#settle?.resolve();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#settle?.reject(this.#failure);
  }
}
