// The default backplane: everything in the memory of this process.
import { type Backplane, type Bus, CONTRACT } from "@raceway/core";
import { MemoryLog, MemoryStorage } from "./memory-log.ts";
import { MemoryStore } from "./memory-store.ts";

export interface MemoryOptions {
  /** Histories to go on with; a new, empty storage by default. */
  readonly storage?: MemoryStorage;
}

/** One node, nothing survives the process. With a `storage` of your own, histories survive a stop and start of the server within the process. */
export function memory(options: MemoryOptions = {}): Backplane {
  return {
    name: "memory",
    contract: CONTRACT,
    traits: { durability: "memory", shared: false },
    start(host) {
      const log = new MemoryLog(host.clock, host.random, options.storage ?? new MemoryStorage());
      const store = new MemoryStore(host.clock);
      return {
        log,
        store,
        bus: localBus(),
        [Symbol.asyncDispose]: () => {
          log[Symbol.dispose]();
          store[Symbol.dispose]();
          return Promise.resolve();
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
      return await answer(message, self);
    },
    serve(subject, answer) {
      answers.set(subject, answer);
      return { [Symbol.dispose]: () => void answers.delete(subject) };
    },
  };
}
