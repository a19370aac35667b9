// The cases of stores, tested on stores that are broken on purpose: each fault must be caught by the case that is meant for it.
import { CONTRACT, type Store, type StorePart } from "@raceway/core";
import { describe, expect, test } from "vitest";
import { RuleBroken } from "./case.ts";
import { runCases } from "./run-cases.ts";
import { storeCases } from "./store-cases.ts";

interface Held {
  readonly value: Uint8Array;
  readonly until: number;
}
type Options = Parameters<Store["put"]>[2];
type Bucket = Parameters<Store["take"]>[2];

/** A store as it should be, over maps that outlive it. The steps are there to be broken. */
class Whole {
  readonly held = new Map<string, Held>();
  readonly buckets = new Map<string, { tokens: number; at: number }>();

  get(key: string, now: number): Uint8Array | undefined {
    const held = this.held.get(key);
    return held !== undefined && held.until > now ? held.value : undefined;
  }
  put(key: string, value: Uint8Array, { ttlMs, ifAbsent }: Options, now: number): boolean | Promise<boolean> {
    if (ifAbsent === true && this.get(key, now) !== undefined) return false;
    this.held.set(key, { value: value.slice(), until: now + ttlMs });
    return true;
  }
  delete(key: string): void {
    this.held.delete(key);
  }
  take(key: string, cost: number, { perSecond, burst }: Bucket, now: number): ReturnType<Store["take"]> {
    const known = this.buckets.get(key) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, known.tokens + ((now - known.at) * perSecond) / 1000);
    const ok = tokens >= cost;
    this.buckets.set(key, { tokens: ok ? tokens - cost : tokens, at: now });
    return Promise.resolve({ ok, retryAfterMs: ok ? 0 : Math.ceil(((cost - tokens) * 1000) / perSecond) });
  }
  /** Another start. */
  started(): void {}
}

function partOf(whole: Whole): StorePart {
  return {
    name: "broken-store",
    contract: CONTRACT,
    traits: { durability: "process-crash", shared: true },
    start: ({ clock }) => {
      whole.started();
      return Promise.resolve({
        get: (key) => Promise.resolve(whole.get(key, clock.now())),
        put: async (key, value, options) => whole.put(key, value, options, clock.now()),
        delete: (key) => Promise.resolve(whole.delete(key)),
        take: (key, cost, bucket) => whole.take(key, cost, bucket, clock.now()),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
  };
}

const faults: readonly [fault: string, caughtBy: RegExp, broken: () => Whole][] = [
  [
    "ends values at a NUL",
    /keeps bytes exactly/,
    () =>
      new (class extends Whole {
        override get(key: string, now: number): Uint8Array | undefined {
          const value = super.get(key, now);
          return value?.includes(0) ? value.subarray(0, value.indexOf(0)) : value;
        }
      })(),
  ],
  [
    "keeps the caller's array",
    /as it is when put is called/,
    () =>
      new (class extends Whole {
        override put(key: string, value: Uint8Array, { ttlMs }: Options, now: number): boolean {
          this.held.set(key, { value, until: now + ttlMs });
          return true;
        }
      })(),
  ],
  [
    "takes keys as UTF-8, in which lone surrogates are all the same",
    /keys of odd characters/,
    () =>
      new (class extends Whole {
        override get(key: string, now: number): Uint8Array | undefined {
          return super.get(key.toWellFormed(), now);
        }
        override put(key: string, ...rest: [Uint8Array, Options, number]): boolean | Promise<boolean> {
          return super.put(key.toWellFormed(), ...rest);
        }
      })(),
  ],
  [
    "looks first and puts later",
    /ifAbsent: of 100 at once/,
    () =>
      new (class extends Whole {
        override async put(key: string, value: Uint8Array, options: Options, now: number): Promise<boolean> {
          const copy = value.slice();
          if (options.ifAbsent === true && this.get(key, now) !== undefined) return false;
          await Promise.resolve();
          return super.put(key, copy, { ttlMs: options.ttlMs }, now);
        }
      })(),
  ],
  [
    "lets a refused put prolong the time",
    /not with one that was refused/,
    () =>
      new (class extends Whole {
        override put(key: string, value: Uint8Array, options: Options, now: number): boolean | Promise<boolean> {
          const known = this.get(key, now);
          const put = super.put(key, value, options, now);
          if (put === false) this.held.set(key, { value: known!, until: now + options.ttlMs });
          return put;
        }
      })(),
  ],
  [
    "forgets a millisecond late",
    /when its time is over, and not before/,
    () =>
      new (class extends Whole {
        override put(key: string, value: Uint8Array, options: Options, now: number): boolean | Promise<boolean> {
          return super.put(key, value, { ...options, ttlMs: options.ttlMs + 1 }, now);
        }
      })(),
  ],
  [
    "lets buckets grow above their burst",
    /no further/,
    () =>
      new (class extends Whole {
        override take(key: string, cost: number, bucket: Bucket, now: number): ReturnType<Store["take"]> {
          return super.take(key, cost, { ...bucket, burst: this.buckets.has(key) ? 1e9 : bucket.burst }, now);
        }
      })(),
  ],
  [
    "takes for what it refuses",
    /costs nothing/,
    () =>
      new (class extends Whole {
        override async take(key: string, cost: number, bucket: Bucket, now: number): ReturnType<Store["take"]> {
          const taken = await super.take(key, cost, bucket, now);
          if (!taken.ok) this.buckets.get(key)!.tokens = 0;
          return taken;
        }
      })(),
  ],
  [
    "deletes the bucket of the same name",
    /apart from each other and from keys/,
    () =>
      new (class extends Whole {
        override delete(key: string): void {
          super.delete(key);
          this.buckets.delete(key);
        }
      })(),
  ],
  [
    "begins anew at each start",
    /goes on after its end/,
    () =>
      new (class extends Whole {
        override started(): void {
          this.held.clear();
        }
      })(),
  ],
  [
    "fills buckets at each start",
    /a new start fills no bucket/,
    () =>
      new (class extends Whole {
        override started(): void {
          this.buckets.clear();
        }
      })(),
  ],
];

describe("the cases of stores", () => {
  const failing = async (make: () => Whole): Promise<string[]> => {
    const cases = storeCases({ traits: partOf(make()).traits, fresh: () => partOf(make()) });
    const { results } = await runCases(cases, () => {});
    return results.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
  };

  test("find no fault in a store that has none", async () => {
    expect(await failing(() => new Whole())).toEqual([]);
  });

  test.each(faults)("catch a store that %s", async (_, caughtBy, broken) => {
    expect(await failing(broken)).toContainEqual(expect.stringMatching(caughtBy));
  });

  test("say what is wrong in words for the author of the store", async () => {
    const [, , broken] = faults[5]!;
    const one = storeCases({ traits: partOf(broken()).traits, fresh: () => partOf(broken()) }).find(({ name }) =>
      name.startsWith("forgets a key"),
    );
    await expect(one!.run()).rejects.toThrow(new RuleBroken('key "a" has "1" in place of nothing'));
  });
});
