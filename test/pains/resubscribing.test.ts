// Row 19 of what went wrong elsewhere, without a framework: whoever subscribes anew from within the handler of an event gets none twice and misses none.
import { QueryClient, QueryObserver, notifyManager } from "@tanstack/query-core";
import { describe, expect, it } from "vitest";
import { labQueries } from "../gen/lab/v1/lab.query.ts";
import { type World, worlds } from "./world.ts";

const BOARD = { board: "anew" };
const EVENTS = 20;
const all = Array.from({ length: EVENTS }, (_, at) => at + 1);

/** In turns of five, so that events wait while somebody subscribes anew. */
async function publish(it: World): Promise<void> {
  for (let first = 0; first < EVENTS; first += 5) {
    await Promise.all(all.slice(first, first + 5).map((sequence) => it.topics.ticks.publish(BOARD, { sequence })));
    await it.settle();
  }
}

describe.each(Object.entries(worlds))("over %s", (_, make) => {
  it("centrifuge-js PR 425: a subscription that is left and opened again at each of its events", async () => {
    await using it = await make();
    const seen: number[] = [];
    let subscriptions = 0;
    const read = async (from: "start" | { epoch: string; offset: number }): Promise<void> => {
      subscriptions++;
      const ticks = it.client.ticks(BOARD, { from });
      for await (const { sequence } of ticks) {
        seen.push(sequence);
        if (sequence < EVENTS) void read(ticks.position!);
        return; // which ends this one
      }
    };
    void read("start");
    await publish(it);
    await it.until(() => seen.length >= EVENTS);
    await it.settle();
    expect(seen).toEqual(all);
    expect(subscriptions).toBe(EVENTS);
  });

  it("centrifuge-js PR 425: a query whose only observer leaves and comes again when it is told of events", async () => {
    notifyManager.setScheduler(queueMicrotask);
    await using it = await make();
    const cache = new QueryClient();
    const options = labQueries(it.connection).ticks.accumulated(BOARD, { from: "start", graceMs: 0 });
    let comings = 0;
    let shown: readonly number[] = [];
    let stop = (): void => {};
    const look = (): void => {
      comings++;
      let told = 0;
      stop = new QueryObserver(cache, options).subscribe(({ data = [] }) => {
        shown = data.map(({ sequence }) => sequence);
        if (data.length === told || data.length === EVENTS) return;
        told = data.length;
        stop();
        look();
      });
    };
    look();
    const isShown = (sequence: number) => (): boolean => shown.length >= sequence;
    for (const sequence of all) {
      await it.topics.ticks.publish(BOARD, { sequence });
      await it.until(isShown(sequence));
    }
    await it.settle();
    expect(shown).toEqual(all);
    expect(comings).toBe(EVENTS);
    stop();
    cache.clear();
  });
});
