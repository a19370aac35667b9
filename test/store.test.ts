// The store in memory held against the compliance kit of stores.
import { CONTRACT } from "@raceway/core";
import { memory } from "@raceway/server";
import { storeCases, testHost } from "@raceway/testkit";
import { registerCases } from "@raceway/testkit/vitest";
import { describe } from "vitest";

const traits = { durability: "memory", shared: false } as const;

describe("the store in memory", () =>
  registerCases(
    storeCases({
      traits,
      fresh: () => ({
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
      }),
    }),
  ));
