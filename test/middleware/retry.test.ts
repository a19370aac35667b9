// Calls that failed for a passing reason are made again: which, how often, when; and that a server sees one key for all attempts.
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { fail, memoryTransport, reasonOf } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { type RetryOptions, retry } from "@raceway/middleware/retry";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { type Lab, handlers, lab, take } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabHandlers, labService } from "../gen/lab/v1/lab.server.ts";
import { outcome, stage } from "./stage.ts";
import { type Troubles, middle, troubles } from "./trouble.ts";

const away = (retryAfterMs?: number): ConnectError =>
  fail("draining", retryAfterMs === undefined ? {} : { retryAfterMs });

async function retryLab(
  options: RetryOptions = {},
  use: readonly unknown[] = [],
): Promise<{ it: Lab; server: Troubles } & AsyncDisposable> {
  const clock = virtualClock();
  const server = troubles(clock);
  const it = await lab({
    server: { use: [server.plugin], clock },
    client: { use: [retry(options), ...(use as [])], random: middle, clock },
  });
  return { it: { ...it, clock }, server, [Symbol.asyncDispose]: () => it[Symbol.asyncDispose]() };
}

describe("which calls are made again", () => {
  it("those without side effects, after a code that passes", async () => {
    await using world = await retryLab();
    world.server.next("Peek", away(), away());
    const call = world.it.client.peek({ text: "tea" });
    await world.it.clock.advance(1_000);
    expect(await call).toMatchObject({ text: "tea" });
    expect(world.server.came).toEqual(["Peek", "Peek", "Peek"]);
  });

  it("idempotent ones, all attempts with the same key, so that the handler runs once", async () => {
    await using world = await retryLab();
    world.server.next("Add", away());
    const call = world.it.client.add({ a: 1, b: 2 });
    await world.it.clock.advance(1_000);
    expect(await call).toMatchObject({ sum: 3 });
    const keys = world.server.headers.map((header) => header.get("idempotency-key"));
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys[1]).toBe(keys[0]);
    expect(world.it.calls).toEqual(["add 1 2"]);
  });

  it("with the caller's own key, if he gave one", async () => {
    await using world = await retryLab();
    world.server.next("Add", away());
    const call = world.it.client.add({ a: 1, b: 2 }, { headers: { "idempotency-key": "mine" } });
    await world.it.clock.advance(1_000);
    await call;
    expect(world.server.headers.map((header) => header.get("idempotency-key"))).toEqual(["mine", "mine"]);
  });

  it("no others, unless told", async () => {
    for (const [unsafe, came] of [
      [[], 1],
      [["lab.v1.LabService/Echo"], 2],
      [["lab.v1.LabService/*"], 2],
    ] as const) {
      await using world = await retryLab({ unsafe });
      world.server.next("Echo", away());
      const call = outcome(world.it.client.echo({ text: "tea" }));
      await world.it.clock.advance(1_000);
      expect(world.server.came).toHaveLength(came);
      expect(await call).toEqual(came === 1 ? expect.any(ConnectError) : "ok");
    }
  });

  it.each([Code.InvalidArgument, Code.NotFound, Code.Internal, Code.DeadlineExceeded, Code.Unauthenticated])(
    "not after code %i",
    async (code) => {
      await using world = await retryLab();
      world.server.next("Peek", new ConnectError("no", code));
      expect(ConnectError.from(await outcome(world.it.client.peek({}))).code).toBe(code);
      expect(world.server.came).toEqual(["Peek"]);
    },
  );

  it("not what is exhausted for good, only what will be there again: what is too large stays so", async () => {
    await using world = await retryLab();
    world.server.next("Peek", fail("message_too_large", { bytes: 2, limit: 1 }));
    expect(reasonOf(await outcome(world.it.client.peek({})))).toBe("message_too_large");
    world.server.next("Peek", fail("too_many_calls", { count: 1, limit: 1, retryAfterMs: 100 }));
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(1_000);
    expect(await call).toBe("ok");
  });

  it("other codes, if told, and codes that do not exist are refused where they are written", async () => {
    await using world = await retryLab({ codes: ["not_found"] });
    world.server.next("Peek", new ConnectError("not yet", Code.NotFound));
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(1_000);
    expect(await call).toBe("ok");
    expect(() => retry({ codes: ["nope"] })).toThrow("codes");
  });

  it("a stream that a server writes, as long as nothing of it has come", async () => {
    await using world = await retryLab({ unsafe: ["lab.v1.LabService/Count"] });
    world.server.next("Count", away());
    const counting = take(world.it.client.count({ from: 1, to: 3 }), 3);
    await world.it.clock.advance(1_000);
    expect((await counting).map(({ value }) => value)).toEqual([1, 2, 3]);
    expect(world.server.came).toEqual(["Count", "Count"]);
  });
});

describe("how often and when", () => {
  it("three attempts by default, and the last error is the answer", async () => {
    await using world = await retryLab();
    world.server.always("Peek", away());
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(10_000);
    expect(reasonOf(await call)).toBe("draining");
    expect(world.server.came).toHaveLength(3);
  });

  it("as often as is said for a channel", async () => {
    for (const [channels, came] of [
      [{ "lab.v1.LabService/Peek": 5, "lab.v1.LabService/*": 2 }, 5],
      [{ "lab.v1.LabService/*": 2 }, 2],
      [{ "lab.v1.LabService/Peek": 1 }, 1],
    ] as const) {
      await using world = await retryLab({ channels });
      world.server.always("Peek", away());
      const call = outcome(world.it.client.peek({}));
      await world.it.clock.advance(10_000);
      await call;
      expect(world.server.came).toHaveLength(came);
    }
  });

  it("waits by chance up to a bound that doubles, up to a cap", async () => {
    await using world = await retryLab({ attempts: 5, firstMs: 100, capMs: 300 });
    world.server.always("Peek", away());
    const call = outcome(world.it.client.peek({}));
    const at: number[] = [];
    let seen = 0;
    for (let ms = 0; ms <= 600; ms += 10) {
      await world.it.clock.advance(ms === 0 ? 0 : 10);
      if (world.server.came.length > seen) at.push(ms);
      seen = world.server.came.length;
    }
    await call;
    expect(at).toEqual([0, 50, 150, 300, 450]); // halves of 100, 200, 300, 300
  });

  it("waits as long as the server asks, and does not if that is too long", async () => {
    await using world = await retryLab({ firstMs: 0, patienceMs: 5_000 });
    world.server.next("Peek", away(5_000), away(5_001));
    const call = outcome(world.it.client.peek({}));
    await world.it.clock.advance(4_999);
    expect(world.server.came).toHaveLength(1);
    await world.it.clock.advance(1);
    expect(world.server.came).toHaveLength(2);
    expect(reasonOf(await call)).toBe("draining");
  });

  it("within a budget over all calls, which calls earn again", async () => {
    await using world = await retryLab({ attempts: 2, budget: 2, budgetShare: 0.5 });
    world.server.always("Peek", away());
    const times = async (count: number): Promise<number> => {
      const before = world.server.came.length;
      const calls = Array.from({ length: count }, () => outcome(world.it.client.peek({})));
      await world.it.clock.advance(1_000);
      await Promise.all(calls);
      return world.server.came.length - before - count;
    };
    expect(await times(10)).toBe(2); // it was full
    expect(await times(1)).toBe(0);
    expect(await times(1)).toBe(1); // the second half
  });

  it("ends at once when the caller leaves, when his deadline comes, and when the connection closes", async () => {
    await using world = await retryLab({ firstMs: 60_000, capMs: 60_000 });
    const abort = new AbortController();
    world.server.always("Peek", away());
    const calls = [
      outcome(world.it.client.peek({}, { signal: abort.signal })),
      outcome(world.it.client.peek({}, { timeoutMs: 500 })),
      outcome(world.it.client.peek({})),
    ];
    await world.it.clock.advance(100);
    abort.abort();
    expect(ConnectError.from(await calls[0]).code).toBe(Code.Canceled);
    await world.it.clock.advance(400);
    expect(reasonOf(await calls[1])).toBe("call_deadline");
    await world.it.connection.close();
    expect(ConnectError.from(await calls[2]).code).toBe(Code.Canceled);
    expect(world.server.came).toHaveLength(3);
  });
});

it("a later attempt is told what is left of the caller's deadline, not all of it again", async () => {
  const clock = virtualClock();
  const server = troubles(clock);
  const memory = memoryTransport();
  await using app = raceway({ transports: [memory.server], use: [server.plugin], clock });
  const left: (number | undefined)[] = [];
  const peek: LabHandlers["peek"] = (_, context) => {
    left.push(context.timeoutMs());
    return {};
  };
  app.serve(labService, { ...handlers([], clock), peek });
  await app.fetch(new Request("http://lab/raceway/health"));
  await using connection = connect("http://lab", {
    transports: [memory.client],
    use: [retry()],
    random: middle,
    clock,
  });
  const client = labClient(connection);
  await client.peek({}, { timeoutMs: 1_000 });
  server.next("Peek", fail("too_many_calls", { count: 1, limit: 1, retryAfterMs: 400 }));
  const call = client.peek({}, { timeoutMs: 1_000 });
  await clock.advance(500);
  await call;
  expect(left).toEqual([1_000, 550]); // 400 as the server asked, 50 by chance
});

it.each(["websocket", "grpc"] as const)("a call without side effects is made again over %s", async (way) => {
  const server = troubles(nodeClock());
  await using it = await stage({ use: [server.plugin], clientUse: [retry({ firstMs: 5 })] });
  server.next("Peek", away(), away());
  expect(await it.client(way).peek({ text: "tea" })).toMatchObject({ text: "tea" });
  expect(server.came).toEqual(["Peek", "Peek", "Peek"]);
});

it("options out of range are refused where they are written", () => {
  expect(() => retry({ attempts: 0 })).toThrow("attempts");
  expect(() => retry({ channels: { "lab.v1.LabService/Peek": 0 } })).toThrow("channels");
  expect(() => retry({ channels: { Peek: 1 } })).toThrow("package.Service/Method");
  expect(() => retry({ unsafe: ["Peek"] })).toThrow("unsafe");
  expect(() => retry({ tries: 1 } as never)).toThrow("tries");
});
