// The store in memory held against the compliance kit of stores, and the durable one against the store in memory.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteStore } from "@raceway/backplane-sqlite";
import { CONTRACT, type StorePart } from "@raceway/core";
import { memory } from "@raceway/server";
import { storeCases, testHost, virtualClock } from "@raceway/testkit";
import { registerCases } from "@raceway/testkit/vitest";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";

const traits = { durability: "memory", shared: false } as const;
const memoryStore: StorePart = {
  name: "memory-store",
  contract: CONTRACT,
  traits,
  async start(host) {
    const backplane = await memory().start({ ...host, store: testHost("server").store });
    const { store } = backplane;
    return {
      get: (key) => store.get(key),
      put: (key, value, options) => store.put(key, value, options),
      delete: (key) => store.delete(key),
      take: (key, cost, bucket) => store.take(key, cost, bucket),
      [Symbol.asyncDispose]: () => backplane[Symbol.asyncDispose](),
    };
  },
};

describe("the store in memory", () => registerCases(storeCases({ traits, fresh: () => memoryStore })));

const folder = mkdtempSync(join(tmpdir(), "raceway-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What may be asked of a store, few keys, so that it comes to meetings; "wait" lets the answers so far come in. */
const key = fc.constantFrom("a", "b", "\ud83c");
const step = fc.oneof(
  fc.record({ ask: fc.constant("get" as const), key }),
  fc.record({
    ask: fc.constant("put" as const),
    key,
    value: fc.uint8Array({ maxLength: 8 }),
    ttlMs: fc.constantFrom(0, 1, 50, 10_000),
    ifAbsent: fc.boolean(),
  }),
  fc.record({ ask: fc.constant("delete" as const), key }),
  fc.record({ ask: fc.constant("take" as const), key, cost: fc.nat(4) }),
  fc.record({ ask: fc.constant("wait" as const), ms: fc.constantFrom(0, 1, 49, 400, 40_000) }),
  fc.record({ ask: fc.constant("restart" as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** All answers, in order. */
async function answers(part: StorePart, steps: readonly Step[], restarts: boolean): Promise<unknown[]> {
  const clock = virtualClock();
  const start = (): ReturnType<StorePart["start"]> => part.start({ ...testHost("server"), clock });
  let store = await start();
  const asked: Promise<unknown>[] = [];
  for (const one of steps) {
    if (one.ask === "get") asked.push(store.get(one.key).then((value) => value && [...value]));
    else if (one.ask === "put") asked.push(store.put(one.key, one.value, one));
    else if (one.ask === "delete") asked.push(store.delete(one.key));
    else if (one.ask === "take") asked.push(store.take(one.key, one.cost, { perSecond: 2, burst: 3 }));
    else {
      await Promise.all(asked);
      if (one.ask === "wait") await clock.advance(one.ms);
      else if (restarts) {
        await store[Symbol.asyncDispose]();
        store = await start();
      }
    }
  }
  const all = await Promise.all(asked);
  await store[Symbol.asyncDispose]();
  return all;
}

it("whatever is asked in whatever order, a SQLite store that is restarted at any time answers as one in memory that is not", async () => {
  let files = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const durable = sqliteStore({ file: join(folder, `${++files}.sqlite`), synchronous: "normal" });
      expect(await answers(durable, steps, true)).toEqual(await answers(memoryStore, steps, false));
    }),
    { numRuns: 60 },
  );
});
