// Feeds as queries, which begin anew each time that they are opened; states, and streams over transports that are not Raceway's.
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { reasonOf } from "@raceway/core";
import { topicQueries } from "@raceway/query";
import { QueryClient } from "@tanstack/query-core";
import { describe, expect, it, vi } from "vitest";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { BOARD, numbers, stage, watch } from "./stage.ts";

describe("a feed", () => {
  it("is done when its handler is, and is not opened again by whoever looks at it", async () => {
    await using it = await stage();
    const options = it.queries.count.accumulated({ from: 1, to: 3 });
    const first = watch(it.cache, options);
    await it.clock.settle();
    expect(first.result).toMatchObject({ data: [{ value: 1 }, { value: 2 }, { value: 3 }], isStale: false });
    first[Symbol.dispose]();
    await it.clock.advance(60_000);
    using again = watch(it.cache, options);
    await it.clock.settle();
    expect(again.result.data).toHaveLength(3);
    expect(it.calls).toEqual(["counted 1"]);
    void again.result.refetch();
    await it.clock.settle();
    expect(again.result.data).toHaveLength(3);
    expect(it.calls).toEqual(["counted 1", "counted 1"]);
  });

  it("that is done and was invalidated is opened again by who looks at it next", async () => {
    await using it = await stage();
    const options = it.queries.count.accumulated({ from: 1, to: 3 });
    const first = watch(it.cache, options);
    await it.clock.settle();
    first[Symbol.dispose]();
    await it.cache.invalidateQueries({ queryKey: it.queries.count.key() });
    using again = watch(it.cache, options);
    await it.clock.settle();
    expect(again.result.data).toHaveLength(3);
    expect(it.calls).toEqual(["counted 1", "counted 1"]);
  });

  it("of nothing is an empty list, and no newest message", async () => {
    await using it = await stage();
    using all = watch(it.cache, it.queries.count.accumulated({ from: 2, to: 1 }));
    using newest = watch(it.cache, it.queries.count.live({ from: 2, to: 1 }));
    await it.clock.settle();
    expect(all.result.data).toEqual([]);
    expect(newest.result.status).toBe("error");
    expect(reasonOf(newest.result.error)).toBe("reply_missing");
  });

  it("ends on the server when nobody looks, and begins anew when somebody does", async () => {
    let runs = 0;
    await using it = await stage({
      handlers: {
        async *count(_, { signal }) {
          runs++;
          yield { value: runs };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          runs += 100;
        },
      },
    });
    const options = it.queries.count.accumulated({ from: 1 });
    const first = watch(it.cache, options);
    await it.clock.settle();
    first[Symbol.dispose]();
    await it.clock.advance(1_000);
    expect(runs).toBe(101);
    using again = watch(it.cache, options);
    await it.clock.settle();
    expect(again.result.data).toMatchObject([{ value: 102 }]);
  });

  it("that fails after its first message has the error that the message does not hide", async () => {
    await using it = await stage({
      handlers: {
        async *count() {
          yield { value: 1 };
          throw new ConnectError("The counter broke.", Code.DataLoss);
        },
      },
    });
    using all = watch(it.cache, it.queries.count.accumulated({ from: 1 }));
    await it.clock.settle();
    expect(all.result).toMatchObject({ status: "error", data: [{ value: 1 }], error: { code: Code.DataLoss } });
  });
});

it("a state is followed as a topic is, and any Connect transport will do, though it knows no positions", async () => {
  const transport = createRouterTransport(({ service }) => {
    service(LabService, {
      async *ticks({ board }) {
        yield { symbol: board, sequence: 1 };
        yield { symbol: board, sequence: 2 };
      },
    });
  });
  const board = topicQueries(transport, LabService.method.ticks, { kind: "state", address: "boards/{board}" });
  const cache = new QueryClient();
  using all = watch(cache, board.accumulated(BOARD));
  await vi.waitFor(() => expect(numbers(all.result.data)).toEqual([1, 2]));
  cache.clear();
});
