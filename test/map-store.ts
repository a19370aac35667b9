// The store that docs/plugins/backplane.md shows, word by word.
import { CONTRACT, type StorePart } from "@raceway/core";

/** Keys and buckets in two maps of this process. */
export function mapStore(): StorePart {
  return {
    name: "map-store",
    contract: CONTRACT,
    traits: { durability: "memory", shared: false },
    async start({ clock }) {
      const keys = new Map<string, { readonly value: Uint8Array; readonly until: number }>();
      const buckets = new Map<string, { readonly tokens: number; readonly at: number; readonly fullAt: number }>();
      const alive = (key: string): Uint8Array | undefined => {
        const found = keys.get(key);
        if (found !== undefined && found.until > clock.now()) return found.value;
        keys.delete(key);
        return undefined;
      };
      const sweep = (): void => {
        for (const key of keys.keys()) alive(key);
        for (const [key, { fullAt }] of buckets) if (fullAt <= clock.now()) buckets.delete(key); // as good as new
        timer = clock.after(30_000, sweep);
      };
      let timer = clock.after(30_000, sweep);
      return {
        async get(key) {
          return alive(key);
        },
        async put(key, value, { ttlMs, ifAbsent }) {
          if (ifAbsent === true && alive(key) !== undefined) return false;
          keys.set(key, { value: value.slice(), until: clock.now() + ttlMs }); // a copy: the caller may use its bytes again
          return true;
        },
        async delete(key) {
          keys.delete(key);
        },
        async take(key, cost, { perSecond, burst }) {
          const now = clock.now();
          const { tokens, at } = buckets.get(key) ?? { tokens: burst, at: now };
          const filled = Math.min(burst, tokens + ((now - at) / 1_000) * perSecond);
          const ok = filled >= cost;
          const left = ok ? filled - cost : filled;
          buckets.set(key, { tokens: left, at: now, fullAt: now + ((burst - left) / perSecond) * 1_000 });
          return { ok, retryAfterMs: ok ? 0 : Math.ceil(((cost - filled) / perSecond) * 1_000) };
        },
        async [Symbol.asyncDispose]() {
          timer[Symbol.dispose]();
        },
      };
    },
  };
}
