// A host for plugins under test: the platform's own time and chance, a store in memory, a log that goes nowhere.
import { type Host, silentLogger, type Store, systemClock, systemRandom } from "@raceway/core";

export interface TestHost extends Host {
  /** Aborts `draining`. */
  drain(): void;
}

export function testHost(side: Host["side"]): TestHost {
  const draining = new AbortController();
  return {
    side,
    clock: systemClock(),
    random: systemRandom,
    log: silentLogger,
    store: mapStore(),
    draining: draining.signal,
    drain: () => draining.abort(),
  };
}

/** Keys that never expire and buckets that never fill again: enough for a test, which is over before. */
function mapStore(): Store {
  const held = new Map<string, Uint8Array>();
  const taken = new Map<string, number>();
  return {
    async get(key) {
      return held.get(key);
    },
    async put(key, value, { ifAbsent }) {
      if (ifAbsent === true && held.has(key)) return false;
      held.set(key, value);
      return true;
    },
    async delete(key) {
      held.delete(key);
    },
    async take(key, cost, { perSecond, burst }) {
      const after = (taken.get(key) ?? 0) + cost;
      if (after > burst) return { ok: false, retryAfterMs: Math.ceil(((after - burst) / perSecond) * 1000) };
      taken.set(key, after);
      return { ok: true, retryAfterMs: 0 };
    },
  };
}
