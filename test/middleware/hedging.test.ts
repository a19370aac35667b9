// A call that has no answer after a while is made once more beside the first: the first answer counts, the others are cancelled.
import { Code, ConnectError } from "@connectrpc/connect";
import { fail, reasonOf } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { type HedgingOptions, hedging } from "@raceway/middleware/hedging";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { type Lab, lab } from "../app/lab.ts";
import { outcome, stage } from "./stage.ts";
import { type Troubles, middle, troubles } from "./trouble.ts";

async function hedgingLab(options: HedgingOptions = {}): Promise<{ it: Lab; server: Troubles } & AsyncDisposable> {
  const clock = virtualClock();
  const server = troubles(clock);
  const it = await lab({
    server: { use: [server.plugin], clock },
    client: { use: [hedging(options)], random: middle, clock },
  });
  return { it: { ...it, clock }, server, [Symbol.asyncDispose]: () => it[Symbol.asyncDispose]() };
}

describe("a second attempt", () => {
  it("begins after the delay; its answer counts if it is first, and the slow one is cancelled", async () => {
    await using world = await hedgingLab({ afterMs: 100 });
    world.server.next("Peek", 5_000);
    const call = world.it.client.peek({ text: "tea" });
    await world.it.clock.advance(99);
    expect(world.server.came).toHaveLength(1);
    await world.it.clock.advance(1);
    expect(await call).toMatchObject({ text: "tea" });
    expect(world.server.came).toHaveLength(2);
    await world.it.clock.settle();
    expect(world.server.cancelled).toEqual(["Peek"]);
  });

  it("is cancelled if the first answers after all", async () => {
    await using world = await hedgingLab({ afterMs: 100 });
    world.server.next("Peek", 150, 5_000);
    const call = world.it.client.peek({ text: "tea" });
    await world.it.clock.advance(150);
    expect(await call).toMatchObject({ text: "tea" });
    await world.it.clock.settle();
    expect(world.server.cancelled).toEqual(["Peek"]);
  });

  it("is not made if the answer comes in time, and leaves no timer behind", async () => {
    await using world = await hedgingLab({ afterMs: 100 });
    await world.it.client.peek({});
    const { timers } = world.it.clock;
    world.server.next("Peek", 50);
    const call = world.it.client.peek({});
    await world.it.clock.advance(50);
    await call;
    await world.it.clock.settle();
    expect(world.it.clock.timers).toBe(timers);
    expect(world.server.came).toHaveLength(2);
  });

  it.each(["add", "echo"] as const)(
    "is made of calls that may have effects under no circumstances: %s",
    async (name) => {
      await using world = await hedgingLab({ afterMs: 1, channels: { "lab.v1.LabService/*": 1 } });
      world.server.always(name === "add" ? "Add" : "Echo", 1_000);
      const call = outcome(world.it.client[name]({}));
      await world.it.clock.advance(2_000);
      expect(await call).toBe("ok");
      expect(world.server.came).toHaveLength(1);
    },
  );

  it("and a third, if so many are allowed, each after as long", async () => {
    await using world = await hedgingLab({ afterMs: 100, attempts: 3 });
    world.server.always("Peek", 10_000);
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(150);
    expect(world.server.came).toHaveLength(2);
    await world.it.clock.advance(100);
    expect(world.server.came).toHaveLength(3);
    await world.it.clock.advance(10_000);
    expect(await call).toBe("ok");
    expect(world.server.came).toHaveLength(3);
  });

  it("is not made of a channel that is left out", async () => {
    await using world = await hedgingLab({ afterMs: 100, channels: { "lab.v1.LabService/Peek": 0 } });
    world.server.next("Peek", 1_000);
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(1_000);
    expect(await call).toBe("ok");
    expect(world.server.came).toHaveLength(1);
  });
});

describe("the delay", () => {
  it("is what 95 of 100 of the last calls took, once 20 were answered", async () => {
    await using world = await hedgingLab({ afterMs: 1_000, budget: 100 });
    for (let count = 0; count < 20; count++) {
      world.server.next("Peek", 50);
      const call = world.it.client.peek({});
      await world.it.clock.advance(50);
      await call;
    }
    expect(world.server.came).toHaveLength(20);
    world.server.next("Peek", 5_000);
    const call = world.it.client.peek({});
    await world.it.clock.advance(49);
    expect(world.server.came).toHaveLength(21);
    await world.it.clock.advance(1);
    await call;
    expect(world.server.came).toHaveLength(22);
  });

  it("is never shorter than the least", async () => {
    await using world = await hedgingLab({ afterMs: 0, leastMs: 30 });
    for (let count = 0; count < 20; count++) await world.it.client.peek({}); // at once
    world.server.next("Peek", 5_000);
    const call = world.it.client.peek({});
    await world.it.clock.advance(29);
    expect(world.server.came).toHaveLength(21);
    await world.it.clock.advance(1);
    await call;
  });

  it("is endless as long as nothing is known, if none is given", async () => {
    await using world = await hedgingLab({ afterMs: 0 });
    world.server.next("Peek", 60_000);
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(60_000);
    expect(await call).toBe("ok");
    expect(world.server.came).toHaveLength(1);
  });
});

describe("errors", () => {
  it("an answer that no other attempt would change counts at once", async () => {
    await using world = await hedgingLab({ afterMs: 100 });
    world.server.next("Peek", 5_000, new ConnectError("no such tea", Code.NotFound));
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(100);
    expect(ConnectError.from(await call).code).toBe(Code.NotFound);
    await world.it.clock.settle();
    expect(world.server.cancelled).toEqual(["Peek"]);
  });

  it("a passing one does not, while another attempt is under way", async () => {
    await using world = await hedgingLab({ afterMs: 100 });
    world.server.next("Peek", 200, fail("draining", {}));
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(200);
    expect(await call).toBe("ok");
  });

  it("before the delay they are the answer: to try again is the business of retry", async () => {
    await using world = await hedgingLab({ afterMs: 100 });
    world.server.next("Peek", fail("draining", {}));
    expect(reasonOf(await outcome(world.it.client.peek({})))).toBe("draining");
    expect(world.server.came).toHaveLength(1);
  });

  it("a server that asks to wait gets no more attempts of the call", async () => {
    await using world = await hedgingLab({ afterMs: 100, attempts: 3 });
    world.server.next("Peek", 1_000, fail("too_many_calls", { count: 1, limit: 1, retryAfterMs: 5_000 }));
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(1_000);
    expect(await call).toBe("ok");
    expect(world.server.came).toHaveLength(2);
  });
});

it("second attempts are within a budget over all calls, which calls earn again", async () => {
  await using world = await hedgingLab({ afterMs: 100, budget: 1, budgetShare: 0.5 });
  world.server.always("Peek", 1_000);
  const times = async (count: number): Promise<number> => {
    const before = world.server.came.length;
    const calls = Array.from({ length: count }, () => outcome(world.it.client.peek({})));
    await world.it.clock.advance(2_000);
    expect(await Promise.all(calls)).toEqual(calls.map(() => "ok"));
    return world.server.came.length - before - count;
  };
  expect(await times(5)).toBe(1);
  expect(await times(1)).toBe(0);
  expect(await times(1)).toBe(1);
});

it("a caller who leaves ends all attempts", async () => {
  await using world = await hedgingLab({ afterMs: 100 });
  world.server.always("Peek", 5_000);
  const abort = new AbortController();
  const call = outcome(world.it.client.peek({}, { signal: abort.signal }));
  await world.it.clock.advance(200);
  abort.abort();
  expect(ConnectError.from(await call).code).toBe(Code.Canceled);
  await world.it.clock.settle();
  expect(world.server.cancelled).toEqual(["Peek", "Peek"]);
});

it("a slow call is overtaken over websocket", async () => {
  const server = troubles(nodeClock());
  await using it = await stage({ use: [server.plugin], clientUse: [hedging({ afterMs: 20 })] });
  server.next("Peek", 2_000);
  const begun = performance.now();
  expect(await it.client("websocket").peek({ text: "tea" })).toMatchObject({ text: "tea" });
  expect(performance.now() - begun).toBeLessThan(1_500);
  expect(server.came).toHaveLength(2);
  await expect.poll(() => server.cancelled).toEqual(["Peek"]);
});

it("options out of range are refused where they are written", () => {
  expect(() => hedging({ attempts: 0 })).toThrow("attempts");
  expect(() => hedging({ percentile: 101 })).toThrow("percentile");
  expect(() => hedging({ channels: { "lab.v1.LabService/Peek": -1 } })).toThrow("channels");
  expect(() => hedging({ after: 1 } as never)).toThrow("after");
});
