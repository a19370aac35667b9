// The default backplane: everything in the memory of this process.
import { type Backplane, type Bus, CONTRACT, type StorePart } from "@raceway/core";
import { MemoryLog, MemoryStorage } from "./memory-log.ts";
import { MemoryStore } from "./memory-store.ts";

export interface MemoryOptions {
  /** Histories to go on with; a new, empty storage by default. */
  readonly storage?: MemoryStorage;
  /** Keys and values that the store holds at most, in bytes; default 64 MiB. */
  readonly storeBytes?: number;
  /** A store that outlives the process, in place of the one in memory: replies to idempotent calls survive a restart. */
  readonly store?: StorePart;
}

/** One node, nothing survives the process. With a `storage` of your own, histories survive a stop and start of the server within the process. */
export function memory(options: MemoryOptions = {}): Backplane {
  return {
    name: "memory",
    contract: CONTRACT,
    traits: {
      durability: "memory",
      shared: false,
      ...(options.store === undefined ? {} : { store: options.store.traits }),
    },
    async start(host) {
      // First what can fail: a log that was begun would have to be ended.
      const store =
        options.store === undefined
          ? new MemoryStore(host.clock, options.storeBytes ?? 67_108_864)
          : await options.store.start(host);
      const log = new MemoryLog(host.clock, host.random, options.storage ?? new MemoryStorage());
      return {
        log,
        store,
        bus: localBus(),
        async [Symbol.asyncDispose]() {
          log[Symbol.dispose]();
          if (Symbol.asyncDispose in store) await store[Symbol.asyncDispose]();
          else store[Symbol.dispose]();
        },
      };
    },
  };
}

/** A bus with one node on it. */
function localBus(): Bus {
  const self = "local";
  const receivers = new Map<string, Set<(message: Uint8Array, from: string) => void>>();
  const answers = new Map<string, (message: Uint8Array, from: string) => Promise<Uint8Array>>();
  return {
    self,
    publish(subject, message) {
      for (const receive of receivers.get(subject) ?? []) receive(message, self);
      return Promise.resolve();
    },
    subscribe(subject, receive) {
      const set = receivers.get(subject) ?? new Set();
      receivers.set(subject, set.add(receive));
      return {
        [Symbol.dispose]() {
          set.delete(receive);
          if (set.size === 0) receivers.delete(subject);
        },
      };
    },
    async request(node, subject, message, signal) {
      signal.throwIfAborted();
      const answer = node === self ? answers.get(subject) : undefined;
      if (answer === undefined) throw new Error(`Nobody serves ${subject} on node ${node}.`);
      return answer(message, self);
    },
    serve(subject, answer) {
      answers.set(subject, answer);
      return { [Symbol.dispose]: () => void answers.delete(subject) };
    },
  };
}
