// Topics as queries that stay live, by query-core alone: what is shown, how often, for how long, and what becomes of it when nobody looks.
import { describe, expect, it } from "vitest";
import { BOARD, numbers, range, stage, watch } from "./stage.ts";

describe("what is shown", () => {
  it("is pending until there is a message, then the newest, or all", async () => {
    await using it = await stage();
    const { ticks } = it.queries;
    using newest = watch(it.cache, ticks.live(BOARD));
    using all = watch(it.cache, ticks.accumulated(BOARD));
    using sum = watch(
      it.cache,
      ticks.accumulated(BOARD, { name: "sum", initial: 0, reduce: (total, { sequence }) => total + sequence }),
    );
    await it.clock.settle();
    expect([newest, all, sum].map(({ result }) => result.status)).toEqual(["pending", "pending", "pending"]);
    await it.tell(1);
    await it.tell(2, 3);
    expect(newest.result.data?.sequence).toBe(3);
    expect(numbers(all.result.data)).toEqual([1, 2, 3]);
    expect(sum.result.data).toBe(6);
    expect(newest.result).toMatchObject({ status: "success", fetchStatus: "idle", isStale: false });
  });

  it("is bounded: a list has the newest `limit` messages", async () => {
    await using it = await stage();
    using all = watch(it.cache, it.queries.ticks.accumulated(BOARD, { limit: 3 }));
    await it.clock.settle();
    await it.tell(1, 2);
    await it.tell(3, 4);
    expect(numbers(all.result.data)).toEqual([2, 3, 4]);
    await it.tell(...range(5, 12));
    expect(numbers(all.result.data)).toEqual([10, 11, 12]);
  });

  it("begins where it is told to", async () => {
    await using it = await stage();
    await it.tell(1, 2, 3);
    using kept = watch(it.cache, it.queries.ticks.accumulated(BOARD, { from: "start" }));
    using later = watch(it.cache, it.queries.ticks.accumulated(BOARD));
    await it.clock.settle();
    await it.tell(4);
    expect(numbers(kept.result.data)).toEqual([1, 2, 3, 4]);
    expect(numbers(later.result.data)).toEqual([4]);
  });

  it("is told once per turn: a thousand messages in one are one change, and none is missing", async () => {
    await using it = await stage();
    using all = watch(it.cache, it.queries.ticks.accumulated(BOARD));
    await it.clock.settle();
    await it.tell(0);
    const before = all.told.length;
    await it.tell(...range(1, 999));
    expect(numbers(all.result.data)).toEqual(range(0, 999));
    expect(all.told.length - before).toBe(1);
  });

  it("keeps what somebody writes into it, and goes on from there", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD, {
      name: "n",
      initial: 0,
      reduce: (count: number) => count + 1,
    });
    using counted = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1);
    it.cache.setQueryData(options.queryKey, 100);
    await it.tell(2);
    expect(counted.result.data).toBe(101);
  });

  it("refuses a bound that is none, on the user's own line", async () => {
    await using it = await stage();
    expect(() => it.queries.ticks.accumulated(BOARD, { limit: 0 })).toThrow(/option limit is 0/);
    expect(() => it.queries.ticks.live(BOARD, { graceMs: -1 })).toThrow(/option graceMs is -1/);
  });
});

describe("who looks", () => {
  it("shares one subscription, which ends a second after the last has left", async () => {
    await using it = await stage();
    const one = watch(it.cache, it.queries.ticks.live(BOARD));
    const other = watch(it.cache, it.queries.ticks.live(BOARD));
    await it.clock.settle();
    await it.tell(1);
    one[Symbol.dispose]();
    await it.clock.advance(5_000);
    await it.tell(2);
    expect(other.result.data?.sequence).toBe(2);
    other[Symbol.dispose]();
    await it.clock.advance(999);
    expect(it.door).toMatchObject({ opened: 1, open: 1 });
    expect(it.cache.getQueryCache().hasListeners()).toBe(true);
    await it.clock.advance(1);
    expect(it.door).toMatchObject({ opened: 1, open: 0 });
    expect(it.cache.getQueryCache().hasListeners()).toBe(false);
  });

  it("may leave and come at once, before there is anything or after, as StrictMode has it", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD);
    watch(it.cache, options)[Symbol.dispose]();
    const all = watch(it.cache, options);
    await it.clock.advance(5_000);
    await it.tell(1);
    expect(numbers(all.result.data)).toEqual([1]);
    all[Symbol.dispose]();
    using again = watch(it.cache, options);
    await it.clock.advance(5_000);
    await it.tell(2);
    expect(numbers(again.result.data)).toEqual([1, 2]);
    expect(it.door).toMatchObject({ opened: 1, open: 1 });
  });

  it("leaves before there is anything, and comes back within the grace: what came meanwhile is there", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD);
    const first = watch(it.cache, options);
    await it.clock.settle();
    first[Symbol.dispose]();
    await it.tell(1);
    using again = watch(it.cache, options);
    expect(numbers(again.result.data)).toEqual([1]);
    await it.tell(2);
    expect(numbers(again.result.data)).toEqual([1, 2]);
    expect(it.door).toMatchObject({ opened: 1, open: 1 });
  });

  it("leaves before there is anything: the subscription ends, and the query is as if it had not been", async () => {
    await using it = await stage();
    const options = it.queries.ticks.live(BOARD);
    watch(it.cache, options)[Symbol.dispose]();
    await it.clock.advance(1_000);
    expect(it.door).toMatchObject({ opened: 1, open: 0 });
    expect(it.cache.getQueryState(options.queryKey)).toMatchObject({ status: "pending", fetchStatus: "idle" });
    using again = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1);
    expect(again.result.data?.sequence).toBe(1);
  });

  it("comes back: it goes on after what it saw last, with nothing missing and nothing twice", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD);
    const first = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1, 2);
    first[Symbol.dispose]();
    await it.clock.advance(500);
    await it.tell(3); // within the grace
    await it.clock.advance(500);
    await it.tell(4, 5); // nobody is there
    expect(numbers(it.cache.getQueryData(options.queryKey))).toEqual([1, 2, 3]);
    expect(it.cache.getQueryState(options.queryKey)?.isInvalidated).toBe(true);
    using again = watch(it.cache, options);
    expect(numbers(again.result.data)).toEqual([1, 2, 3]); // there at once
    await it.clock.settle();
    await it.tell(6);
    expect(numbers(again.result.data)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(again.result).toMatchObject({ isStale: false, fetchStatus: "idle" });
    expect(it.door).toMatchObject({ opened: 2, open: 1 });
  });

  it("looks at another key and back: that goes on, too", async () => {
    await using it = await stage();
    const { ticks } = it.queries;
    using looking = watch(it.cache, ticks.accumulated(BOARD));
    await it.clock.settle();
    await it.tell(1);
    looking.setOptions(ticks.accumulated({ board: "other" }));
    await it.clock.advance(2_000);
    await it.tell(2);
    looking.setOptions(ticks.accumulated(BOARD));
    await it.clock.settle();
    await it.tell(3);
    expect(numbers(looking.result.data)).toEqual([1, 2, 3]);
    expect(it.door.open).toBe(2); // the other one has its grace
  });

  it("says that it does not want to for now: the subscription ends, and goes on when it wants to", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD);
    using all = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1);
    all.setOptions({ ...options, enabled: false });
    await it.clock.advance(1_000);
    expect(it.door.open).toBe(0);
    await it.tell(2);
    all.setOptions(options);
    await it.clock.settle();
    expect(numbers(all.result.data)).toEqual([1, 2]);
  });

  it("is nobody yet, as when a component suspends: what is asked for is waited for as long as it takes", async () => {
    await using it = await stage();
    const asked = it.cache.query(it.queries.ticks.live(BOARD));
    await it.clock.advance(60_000);
    expect(it.door.open).toBe(1);
    await it.tell(1);
    expect((await asked).sequence).toBe(1);
    await it.clock.advance(1_000);
    expect(it.door.open).toBe(0);
  });

  it("is nobody yet: what was asked for ahead is kept for a second, and goes on by position later", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD, { from: "start" });
    await it.tell(1);
    const asked = it.cache.query(options);
    await it.clock.advance(10_000); // as a page that waits
    await asked;
    expect(numbers(it.cache.getQueryData(options.queryKey))).toEqual([1]);
    expect(it.door.open).toBe(0);
    await it.tell(2);
    using all = watch(it.cache, options);
    await it.clock.settle();
    expect(numbers(all.result.data)).toEqual([1, 2]);
  });
});
