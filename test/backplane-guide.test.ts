// The guide to a backplane: the store that it shows is a file of the tests, word by word, which passes the kit and serves a rate limit.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rateLimit } from "@raceway/middleware/rate-limit";
import { memory } from "@raceway/server";
import { runCases, storeCases } from "@raceway/testkit";
import { expect, it } from "vitest";
import { lab } from "./app/lab.ts";
import { labClient } from "./gen/lab/v1/lab.client.ts";
import { mapStore } from "./map-store.ts";

it("shows what is tried here", () => {
  const guide = readFileSync(join(import.meta.dirname, "../docs/plugins/backplane.md"), "utf8");
  const [, shown] = /What a store looks like:\n[^]*?```ts\n([^]*?)```/.exec(guide)!;
  const [, ...lines] = readFileSync(join(import.meta.dirname, "map-store.ts"), "utf8").split("\n");
  expect(shown).toBe(lines.join("\n"));
});

it("shows a store that passes the kit", async () => {
  const cases = storeCases({ traits: mapStore().traits, fresh: () => mapStore() });
  const { results } = await runCases(cases, () => {});
  expect(results.filter(({ outcome }) => outcome === "failed")).toEqual([]);
  expect(results.filter(({ outcome }) => outcome === "passed").length).toBeGreaterThan(12);
});

it("shows a store by which a server counts", async () => {
  await using it = await lab({
    server: {
      backplane: memory({ store: mapStore() }),
      use: [rateLimit({ perSecond: 1, burst: 2, scope: "channel" })],
    },
  });
  const client = labClient(it.connect());
  for (let turn = 0; turn < 2; turn += 1) await client.add({ a: 1, b: 1 });
  await expect(client.add({ a: 1, b: 1 })).rejects.toMatchObject({ code: 8 }); // resource_exhausted
});
