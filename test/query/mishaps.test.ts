// What goes wrong with queries that stay live, and what else TanStack does with them: errors, gaps, resets, cancellation, hydration.
import { Code, ConnectError } from "@connectrpc/connect";
import type { Gap } from "@raceway/client";
import { reasonOf } from "@raceway/core";
import { dehydrate, hydrate, MutationObserver, onlineManager, QueryCache, QueryClient } from "@tanstack/query-core";
import { describe, expect, it, vi } from "vitest";
import { BOARD, numbers, range, stage, watch } from "./stage.ts";

describe("what goes wrong", () => {
  it("is the query's error if nothing came before, and is not tried again by TanStack", async () => {
    await using it = await stage();
    it.door.closed = true;
    using all = watch(it.cache, it.queries.ticks.accumulated(BOARD));
    await it.clock.advance(60_000);
    expect(all.result).toMatchObject({ status: "error", failureCount: 1, fetchStatus: "idle", data: undefined });
    expect(all.result.error).toBeInstanceOf(ConnectError);
    expect(all.result.error?.code).toBe(Code.PermissionDenied);
    it.door.closed = false;
    void all.result.refetch();
    await it.clock.settle();
    await it.tell(1);
    expect(numbers(all.result.data)).toEqual([1]);
    expect(all.result.error).toBeNull();
  });

  it("is its error beside the data if something did; asked again, it goes on by position", async () => {
    const onError = vi.fn<() => void>();
    await using it = await stage();
    const cache = new QueryClient({ queryCache: new QueryCache({ onError }) });
    const options = it.queries.ticks.accumulated(BOARD);
    using all = watch(cache, options);
    await it.clock.settle();
    await it.tell(1);
    it.door.closed = true;
    it.memory.cut();
    await it.clock.advance(1_000); // the session comes back, and is asked anew
    expect(all.result).toMatchObject({ status: "error", isRefetchError: true, isStale: true, fetchStatus: "idle" });
    expect(cache.getQueryState(options.queryKey)?.isInvalidated).toBe(true);
    expect(all.result.error?.code).toBe(Code.PermissionDenied);
    expect(numbers(all.result.data)).toEqual([1]);
    expect(onError).toHaveBeenCalledExactlyOnceWith(all.result.error, cache.getQueryCache().find(options));
    await it.tell(2);
    it.door.closed = false;
    void all.result.refetch();
    await it.clock.settle();
    expect(all.result).toMatchObject({ status: "success", error: null, isStale: false });
    expect(numbers(all.result.data)).toEqual([1, 2]);
  });

  it("is not shown again to who comes, leaves and comes at once, as StrictMode has it, while it is tried again", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD);
    const before = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1);
    it.door.closed = true;
    it.memory.cut();
    await it.clock.advance(1_000);
    before[Symbol.dispose]();
    it.door.closed = false;
    watch(it.cache, options)[Symbol.dispose]();
    using again = watch(it.cache, options);
    expect(again.result.isFetching).toBe(true); // what an error boundary goes by
    await it.clock.settle();
    expect(again.result).toMatchObject({ status: "success", error: null });
    expect(it.door.opened).toBe(2);
  });

  it("goes on over lost links and sessions by itself", async () => {
    await using it = await stage({ server: { limits: { resumeMs: 1_000 } } });
    using all = watch(it.cache, it.queries.ticks.accumulated(BOARD));
    await it.clock.settle();
    await it.tell(1);
    it.memory.cut();
    await it.tell(2);
    await it.clock.advance(10_000);
    expect(numbers(all.result.data)).toEqual([1, 2]);
    expect(all.result.error).toBeNull();
  });

  it("tells that events are gone that were to come, and begins anew when it is asked again", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD);
    const before = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1);
    before[Symbol.dispose]();
    await it.clock.advance(1_000);
    await it.tell(...range(2, 1_500)); // a thousand are kept
    using all = watch(it.cache, options);
    await it.clock.settle();
    expect(reasonOf(all.result.error)).toBe("history_gone");
    expect(numbers(all.result.data)).toEqual([1]);
    void all.result.refetch();
    await it.clock.settle();
    await it.tell(2_000);
    expect(all.result.error).toBeNull();
    expect(numbers(all.result.data)).toEqual([2_000]);
  });

  it("begins anew at once with `onReset`, which is told what is missing", async () => {
    await using it = await stage();
    const gaps: Gap[] = [];
    const options = it.queries.ticks.accumulated(BOARD, { onReset: (gap) => void gaps.push(gap) });
    const before = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1);
    before[Symbol.dispose]();
    await it.clock.advance(1_000);
    await it.tell(...range(2, 1_500));
    using all = watch(it.cache, options);
    await it.clock.settle();
    expect(gaps).toMatchObject([{ after: { offset: 1 }, first: 501 }]);
    expect(numbers(all.result.data)).toEqual(range(501, 1_500));
    expect(all.result.error).toBeNull();
  });

  it("shows that nothing is left of what was said, if the server lost it all: a list is empty, the newest is the last that was seen", async () => {
    await using it = await stage();
    const { ticks } = it.queries;
    const onReset = (): void => {};
    const list = ticks.accumulated(BOARD, { onReset });
    const newest = ticks.live(BOARD, { onReset });
    const before = [watch(it.cache, list), watch(it.cache, newest)];
    await it.clock.settle();
    await it.tell(1);
    for (const one of before) one[Symbol.dispose]();
    await it.clock.advance(1_000);
    await using other = await stage(); // another server, whose log never had any of it
    const queries = other.queries.ticks;
    using all = watch(it.cache, queries.accumulated(BOARD, { onReset }));
    using last = watch(it.cache, queries.live(BOARD, { onReset }));
    await other.clock.settle();
    expect(numbers(all.result.data)).toEqual([]);
    expect(last.result.data?.sequence).toBe(1);
    expect([all, last].map(({ result }) => result.fetchStatus)).toEqual(["idle", "idle"]);
    await other.tell(7);
    expect(numbers(all.result.data)).toEqual([7]);
    expect(last.result.data?.sequence).toBe(7);
  });

  it("fails by a function of the user's own that throws", async () => {
    await using it = await stage();
    using sum = watch(
      it.cache,
      it.queries.ticks.accumulated(BOARD, {
        name: "strict",
        initial: 0,
        reduce: (total, { sequence }) => {
          if (sequence === 13) throw new RangeError("unlucky");
          return total + sequence;
        },
      }),
    );
    await it.clock.settle();
    await it.tell(1);
    await it.tell(13);
    expect(sum.result).toMatchObject({ status: "error", data: 1 });
    expect(sum.result.error?.cause).toBeInstanceOf(RangeError);
    await it.clock.settle();
    expect(it.door.open).toBe(0);
  });
});

describe("what TanStack does with it", () => {
  it("asks again for what is live: nothing happens, since it is up to date", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD);
    using all = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1);
    await it.cache.invalidateQueries({ queryKey: it.queries.ticks.key() });
    await all.result.refetch();
    await it.tell(2);
    expect(numbers(all.result.data)).toEqual([1, 2]);
    expect(it.door.opened).toBe(1);
  });

  it("resets it: all begins anew", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD, { from: "start" });
    using all = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1);
    const reset = it.cache.resetQueries({ queryKey: it.queries.ticks.key(BOARD) });
    await it.clock.settle();
    await reset;
    await it.tell(2);
    expect(numbers(all.result.data)).toEqual([1, 2]);
    expect(it.door).toMatchObject({ opened: 2, open: 1 });
  });

  it("resets it while nobody looks: nothing is put into it any more", async () => {
    await using it = await stage();
    const options = it.queries.ticks.accumulated(BOARD);
    const before = watch(it.cache, options);
    await it.clock.settle();
    await it.tell(1);
    before[Symbol.dispose]();
    await it.cache.resetQueries(options);
    await it.tell(2);
    expect(it.cache.getQueryState(options.queryKey)).toMatchObject({ status: "pending", data: undefined });
    expect(it.door.open).toBe(0);
  });

  it("takes it for offline because the browser says so: what is live goes on, and mutations are made", async () => {
    await using it = await stage();
    onlineManager.setOnline(false);
    using _ = { [Symbol.dispose]: () => onlineManager.setOnline(true) };
    using newest = watch(it.cache, it.queries.ticks.live(BOARD));
    await it.clock.settle();
    await it.tell(1);
    expect(newest.result.data?.sequence).toBe(1);
    const added = new MutationObserver(it.cache, it.queries.add.mutation()).mutate({ a: 1, b: 2 });
    await it.clock.settle();
    expect(await added).toMatchObject({ sum: 3 });
  });

  it("cancels it while it waits for the first message, or removes it: the subscription ends", async () => {
    await using it = await stage();
    const options = it.queries.ticks.live(BOARD);
    using waiting = watch(it.cache, options);
    await it.clock.settle();
    await it.cache.cancelQueries(options);
    await it.clock.settle();
    expect(it.door).toMatchObject({ opened: 1, open: 0 });
    expect(waiting.result).toMatchObject({ status: "pending", fetchStatus: "idle" });
    void waiting.result.refetch();
    await it.clock.settle();
    await it.tell(1);
    it.cache.removeQueries(options);
    await it.clock.settle();
    expect(it.door).toMatchObject({ opened: 2, open: 0 });
  });

  it.each([true, false])(
    "cancels it while nobody looks, with or without revert (%s): the subscription ends",
    async (revert) => {
      await using it = await stage();
      const options = it.queries.ticks.live(BOARD);
      const asked = it.cache.query(options).catch(() => "cancelled");
      await it.clock.settle();
      await it.cache.cancelQueries(options, { revert });
      expect(await asked).toBe("cancelled");
      await it.clock.advance(1_000);
      expect(it.door).toMatchObject({ opened: 1, open: 0 });
    },
  );

  it.each([
    ["when it is mounted", false, {}],
    [
      "when it is mounted by a component that suspends, for which nothing is stale within a second",
      false,
      { staleTime: 1_000 },
    ],
    ["when a component that showed another moves to it", true, {}],
  ] as const)("hydrates a page with it: what the server sent is shown, and is live %s", async (_, moves, more) => {
    await using it = await stage();
    const { ticks } = it.queries;
    const options = { ...ticks.accumulated(BOARD, { from: "start" }), ...more };
    await it.tell(1);
    const asked = it.cache.query(options);
    await it.clock.settle();
    await asked;
    const page = new QueryClient();
    hydrate(page, JSON.parse(JSON.stringify(dehydrate(it.cache))));
    using all = watch(page, moves ? ticks.accumulated({ board: "other" }) : options);
    if (moves) all.setOptions(options);
    expect(numbers(all.result.data)).toEqual([1]);
    await it.clock.settle();
    await it.tell(2);
    expect(numbers(all.result.data)).toEqual([1, 2]);
    page.clear();
  });
});
