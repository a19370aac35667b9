// What must be true of what was said and heard, kept beside the system under test: sequences, single runs, topics, signals.
import { Violation } from "./violation.ts";

/** Numbers from 1 on: each once, in order. */
export class Sequence {
  last = 0;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  took(value: number): void {
    if (value !== this.last + 1)
      throw new Violation(
        "order",
        `${this.#name}: ${value} came ${value <= this.last ? "again" : "too early"}, after ${this.last}`,
      );
    this.last = value;
  }

  ended(count: number): void {
    if (this.last !== count)
      throw new Violation("order", `${this.#name}: ended in good order after ${this.last} of ${count}`);
  }
}

/** How often handlers ran, by what was asked. */
export class Runs {
  readonly #runs = new Map<string, number>();

  /** A handler begins: throws if it may not run so often. */
  begin(what: string, most: number): void {
    const count = (this.#runs.get(what) ?? 0) + 1;
    this.#runs.set(what, count);
    if (count > most) throw new Violation("once", `the handler of ${what} runs for the ${count}. time`);
  }
  of(what: string): number {
    return this.#runs.get(what) ?? 0;
  }
}

/** An event as the log has it. */
export interface Logged {
  readonly epoch: string;
  readonly offset: number;
  readonly value: number;
}

/** What was published to one topic, in the order of the log. */
export class TopicModel {
  readonly address: string;
  readonly #byValue = new Map<number, Logged>();
  /** Epoch → offset of its newest event. */
  readonly heads: Map<string, number> = new Map();
  epoch = "";

  constructor(address: string) {
    this.address = address;
  }

  published(value: number, position: { readonly epoch: string; readonly offset: number }): void {
    const head = this.heads.get(position.epoch) ?? 0;
    if (position.offset !== head + 1)
      throw new Violation("topic", `${this.address}: event ${value} got offset ${position.offset} after ${head}`);
    this.heads.set(position.epoch, position.offset);
    this.epoch = position.epoch;
    this.#byValue.set(value, { ...position, value });
  }

  find(value: number): Logged | undefined {
    return this.#byValue.get(value);
  }
}

/** One subscriber of a topic, and how far he is. */
export class Reader {
  epoch = "";
  offset = 0;
  count = 0;
  readonly #topic: TopicModel;
  readonly #name: string;
  readonly #fromStart: boolean;
  /** Told of a reset: the next event may be any. */
  #told = false;

  constructor(
    topic: TopicModel,
    name: string,
    from: "start" | "now" | { readonly epoch: string; readonly offset: number },
  ) {
    this.#topic = topic;
    this.#name = name;
    this.#fromStart = from === "start";
    if (typeof from === "object") {
      this.epoch = from.epoch;
      this.offset = from.offset;
    }
  }

  reset(first: number, epoch: string): void {
    this.#told = true;
    this.epoch = epoch;
    this.offset = first - 1;
  }

  /** An event that was read. Its publication may not be confirmed yet: then `later` is asked again. */
  took(value: number, position: { readonly epoch: string; readonly offset: number } | undefined): void {
    const where = `${this.#name} of ${this.#topic.address}`;
    const logged = this.#topic.find(value);
    if (logged === undefined) throw new Violation("topic", `${where}: event ${value} was never published`);
    if (position === undefined || position.epoch !== logged.epoch || position.offset !== logged.offset)
      throw new Violation(
        "topic",
        `${where}: event ${value} is ${logged.epoch}/${logged.offset} in the log, and came as ${position?.epoch}/${position?.offset}`,
      );
    if (this.epoch === "" && this.#fromStart && logged.offset !== 1 && !this.#told)
      throw new Violation("topic", `${where}: wanted all from the start, and began at ${logged.offset}`);
    if (this.epoch !== "" && (logged.epoch !== this.epoch || logged.offset !== this.offset + 1))
      throw new Violation(
        "topic",
        `${where}: after ${this.epoch}/${this.offset} came ${logged.epoch}/${logged.offset} (event ${value}) without a word of a gap`,
      );
    this.epoch = logged.epoch;
    this.offset = logged.offset;
    this.count++;
  }

  get caughtUp(): boolean {
    return this.epoch === this.#topic.epoch && this.offset === (this.#topic.heads.get(this.epoch) ?? 0);
  }
}
