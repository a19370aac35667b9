// The topics of a node: which are alive, and the way of a publication into the log.
import {
  type BatchStation,
  type ChannelContract,
  type Clock,
  type Codec,
  type Limits,
  type Log,
  type Observer,
  type Position,
  type Retention,
  type Timer,
  fail,
} from "@raceway/core";
import { FlushQueue, type Flushable } from "@raceway/core/internal";
import type { Channel } from "./channel.ts";
import { TopicCoders } from "./topic-coding.ts";
import { Topic } from "./topic.ts";

interface Publishing {
  readonly resolve: (position: Position) => void;
  readonly reject: (error: unknown) => void;
}

/** What one turn publishes to one address: appended in one go. */
class Appending implements Flushable {
  readonly address: string;
  readonly #retention: Retention;
  readonly #hub: Topics;
  #payloads: { payload: Uint8Array }[] = [];
  #waiting: Publishing[] = [];

  constructor(hub: Topics, address: string, retention: Retention) {
    this.#hub = hub;
    this.address = address;
    this.#retention = retention;
  }

  add(payload: Uint8Array): Promise<Position> {
    this.#payloads.push({ payload });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  flush(): void {
    this.#hub.appended(this);
    const waiting = this.#waiting;
    this.#hub.log.append(this.address, this.#payloads, this.#retention).then(
      (positions) => waiting.forEach((each, at) => each.resolve(positions[at]!)),
      (error: unknown) => {
        const failure = fail("backplane_failed", { detail: error instanceof Error ? error.message : String(error) });
        for (const each of waiting) each.reject(failure);
      },
    );
  }
}

/** A topic without subscribers is kept for a while, so that one who comes back at once finds it. */
const LINGER_MS = 5_000;

/** By one who releases it. */
export interface TopicUse {
  readonly topic: Topic;
  release(): void;
}

export interface UsedTopic {
  readonly topic: Topic;
  readonly subscribers: number;
}

export class Topics implements Disposable {
  readonly log: Log;
  readonly #queue: FlushQueue;
  readonly #limits: Limits;
  readonly #coders: TopicCoders | undefined;
  readonly #clock: Clock;
  readonly #fannedOut: Observer["fanOut"];
  readonly #proto: Codec;
  readonly #topics = new Map<string, Topic>();
  readonly #users = new Map<Topic, number>();
  /** Those that nobody uses at present, and when they go. */
  readonly #lingering = new Map<Topic, Timer>();
  readonly #appending = new Map<string, Appending>();
  #handles = 0;

  constructor(init: {
    log: Log;
    queue: FlushQueue;
    limits: Limits;
    /** Codes what topics say, once for all subscribers. */
    coding: BatchStation | undefined;
    clock: Clock;
    /** Undefined: nobody wants to know. */
    fannedOut: Observer["fanOut"];
    /** What payloads in the log are written with. */
    proto: Codec;
  }) {
    this.log = init.log;
    this.#coders = init.coding && new TopicCoders(init.coding);
    this.#queue = init.queue;
    this.#limits = init.limits;
    this.#clock = init.clock;
    this.#fannedOut = init.fannedOut;
    this.#proto = init.proto;
  }

  /** Appends with what else is published in this turn; resolves with the position once the backplane has it. */
  publish(channel: Channel, address: string, payload: Uint8Array): Promise<Position> {
    if (payload.length > this.#limits.messageBytesOut)
      throw fail("message_too_large", { bytes: payload.length, limit: this.#limits.messageBytesOut });
    let appending = this.#appending.get(address);
    if (appending === undefined) {
      appending = new Appending(this, address, retentionOf(channel.contract, this.#limits));
      this.#appending.set(address, appending);
      this.#queue.atTurnEnd(appending);
    }
    return appending.add(payload);
  }

  /** By an Appending that goes to the log now. */
  appended(appending: Appending): void {
    this.#appending.delete(appending.address);
  }

  /** The topic that a request names. */
  of(channel: Channel, request: unknown): TopicUse {
    const topic = this.use(channel, channel.addressOf!(request as Record<string, unknown>));
    return { topic, release: () => this.release(topic) };
  }

  /** The topic of an address; each `use` wants one `release`. */
  use(channel: Channel, address: string): Topic {
    let topic = this.#topics.get(address);
    if (topic === undefined) {
      this.#makeRoom();
      topic = new Topic({
        address,
        channel,
        handle: ++this.#handles,
        log: this.log,
        queue: this.#queue,
        proto: this.#proto,
        coders: this.#coders,
        clock: this.#clock,
        fannedOut: this.#fannedOut,
      });
      this.#topics.set(address, topic);
      const made = topic;
      made.ready.catch(() => this.#unlist(made)); // the next subscriber tries anew
    }
    this.#users.set(topic, (this.#users.get(topic) ?? 0) + 1);
    this.#lingering.get(topic)?.[Symbol.dispose]();
    this.#lingering.delete(topic);
    return topic;
  }

  release(topic: Topic): void {
    const before = this.#users.get(topic);
    if (before === undefined) return; // all is over
    this.#users.set(topic, before - 1);
    if (before > 1) return;
    this.#lingering.set(
      topic,
      this.#clock.after(LINGER_MS, () => this.#forget(topic)),
    );
  }

  /** What nobody uses goes first: who comes and goes, or is not let in, takes nobody's place. Throws `too_many_topics`. */
  #makeRoom(): void {
    const { topics: limit } = this.#limits;
    while (this.#topics.size >= limit) {
      const [oldest] = this.#lingering.keys();
      if (oldest === undefined) throw fail("too_many_topics", { count: this.#topics.size, limit });
      this.#forget(oldest);
    }
  }
  #forget(topic: Topic): void {
    this.#lingering.get(topic)?.[Symbol.dispose]();
    this.#lingering.delete(topic);
    this.#users.delete(topic);
    this.#unlist(topic);
    topic[Symbol.dispose]();
  }
  #unlist(topic: Topic): void {
    if (this.#topics.get(topic.address) === topic) this.#topics.delete(topic.address);
  }

  get size(): number {
    return this.#topics.size;
  }
  /** Those with subscribers, and how many they have. */
  *used(): Generator<UsedTopic> {
    for (const [topic, subscribers] of this.#users) if (subscribers > 0) yield { topic, subscribers };
  }

  [Symbol.dispose](): void {
    for (const topic of this.#topics.values()) topic[Symbol.dispose]();
    this.#topics.clear();
    this.#users.clear();
    for (const timer of this.#lingering.values()) timer[Symbol.dispose]();
    this.#lingering.clear();
  }
}

export function retentionOf(contract: ChannelContract, limits: Limits): Retention {
  return {
    maxEvents: contract.history?.maxEvents ?? limits.historyEvents,
    maxBytes: contract.history?.maxBytes ?? limits.historyBytes,
    maxAgeMs: contract.history?.maxAgeMs ?? limits.historyMs,
  };
}
