// What has failed too often of late is not called, until it is given another chance; the state is there to see.
import { Code, ConnectError } from "@connectrpc/connect";
import { fail, reasonOf, retryAfterMs } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { type CircuitBreaker, type CircuitBreakerOptions, circuitBreaker } from "@raceway/middleware/circuit-breaker";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { type Lab, lab, take } from "../app/lab.ts";
import { outcome, stage } from "./stage.ts";
import { type Troubles, middle, troubles } from "./trouble.ts";

const PEEK = "lab.v1.LabService/Peek";
const down = fail("draining", {});

interface World extends AsyncDisposable {
  readonly it: Lab;
  readonly server: Troubles;
  readonly breaker: CircuitBreaker;
  /** What the listener was told, as "circuit state". */
  readonly told: string[];
  /** So many calls of Peek, one after the other: what became of each. */
  peeks(count: number): Promise<unknown[]>;
}

async function breakerLab(options: CircuitBreakerOptions = {}): Promise<World> {
  const clock = virtualClock();
  const server = troubles(clock);
  const breaker = circuitBreaker({ leastCalls: 4, ...options });
  const it = await lab({
    server: { use: [server.plugin], clock },
    client: { use: [breaker], random: middle, clock },
  });
  const told: string[] = [];
  breaker.subscribe(({ circuit, state }) => told.push(`${circuit} ${state}`));
  return {
    it: { ...it, clock },
    server,
    breaker,
    told,
    async peeks(count) {
      const results: unknown[] = [];
      for (let done = 0; done < count; done++) {
        const result = await outcome(it.client.peek({}));
        results.push(result === "ok" ? "ok" : (reasonOf(result) ?? result));
      }
      return results;
    },
    [Symbol.asyncDispose]: () => it[Symbol.asyncDispose](),
  };
}

describe("a circuit", () => {
  it("opens when half of the calls failed, and then refuses without asking the server, and says how long to wait", async () => {
    await using world = await breakerLab();
    world.server.next("Peek", down, down);
    expect(await world.peeks(4)).toEqual(["draining", "draining", "ok", "ok"]);
    expect(world.told).toEqual([]); // the fourth was well: it is a failure that opens
    world.server.next("Peek", down);
    expect(await world.peeks(2)).toEqual(["draining", "circuit_open"]);
    expect(world.server.came).toHaveLength(5);
    const refused = await outcome(world.it.client.peek({}));
    expect(ConnectError.from(refused).code).toBe(Code.Unavailable);
    expect(retryAfterMs(refused)).toBe(5_500); // five seconds, and by chance up to a fifth more
    expect(ConnectError.from(refused).rawMessage).toMatchInlineSnapshot(
      `"lab.v1.LabService/Peek failed too often of late, so the call was not sent. Wait as long as the error says, or change the options of circuit-breaker."`,
    );
  });

  it("lets one call through after that time, and closes if it goes well", async () => {
    await using world = await breakerLab();
    world.server.always("Peek", down);
    await world.peeks(4);
    await world.it.clock.advance(5_499);
    expect(await world.peeks(1)).toEqual(["circuit_open"]);
    await world.it.clock.advance(1);
    world.server.always("Peek", 1_000);
    const probe = outcome(world.it.client.peek({}));
    await world.it.clock.advance(500);
    const refused = await outcome(world.it.client.peek({}));
    expect(reasonOf(refused)).toBe("circuit_open");
    expect(retryAfterMs(refused)).toBe(250);
    await world.it.clock.advance(500);
    expect(await probe).toBe("ok");
    world.server.always("Peek", undefined);
    expect(await world.peeks(2)).toEqual(["ok", "ok"]);
    expect(world.told).toEqual([`${PEEK} open`, `${PEEK} half-open`, `${PEEK} closed`]);
  });

  it("opens again if it fails", async () => {
    await using world = await breakerLab({ openMs: 1_000 });
    world.server.always("Peek", down);
    await world.peeks(4);
    await world.it.clock.advance(1_100);
    expect(await world.peeks(2)).toEqual(["draining", "circuit_open"]);
    expect(world.breaker.circuits).toMatchObject([{ circuit: PEEK, state: "open", retryAfterMs: 1_100 }]);
  });

  it("wants as many good calls as it is told before it closes", async () => {
    await using world = await breakerLab({ probes: 2, openMs: 1_000 });
    world.server.next("Peek", down, down, down, down);
    await world.peeks(4);
    await world.it.clock.advance(1_100);
    await world.peeks(1);
    expect(world.breaker.circuits[0]!.state).toBe("half-open");
    await world.peeks(1);
    expect(world.breaker.circuits[0]!.state).toBe("closed");
    expect(world.breaker.circuits[0]!.calls).toBe(0); // what was before is forgotten
  });

  it("gives the place of a call that its caller cancelled to another", async () => {
    await using world = await breakerLab({ openMs: 1_000 });
    world.server.next("Peek", down, down, down, down, 10_000);
    await world.peeks(4);
    await world.it.clock.advance(1_100);
    const abort = new AbortController();
    const probe = outcome(world.it.client.peek({}, { signal: abort.signal }));
    await world.it.clock.settle();
    expect(await world.peeks(1)).toEqual(["circuit_open"]);
    abort.abort();
    expect(ConnectError.from(await probe).code).toBe(Code.Canceled);
    expect(await world.peeks(1)).toEqual(["ok"]);
  });

  it("stays closed below the least number of calls, and for failures that lie behind the window", async () => {
    await using world = await breakerLab({ windowMs: 1_000 });
    world.server.next("Peek", down, down, down);
    await world.peeks(3);
    await world.it.clock.advance(1_200);
    world.server.next("Peek", down);
    await world.peeks(3);
    expect(world.told).toEqual([]);
    expect(world.breaker.circuits).toMatchObject([{ calls: 3, failures: 1, state: "closed", retryAfterMs: 0 }]);
  });

  it("does not count what is no fault of the other side", async () => {
    await using world = await breakerLab();
    for (const code of [Code.InvalidArgument, Code.NotFound, Code.PermissionDenied, Code.ResourceExhausted])
      world.server.next("Peek", new ConnectError("no", code));
    await world.peeks(4);
    expect(world.breaker.circuits).toMatchObject([{ calls: 4, failures: 0, state: "closed" }]);
  });

  it("counts a deadline of the caller's, but not that he changed his mind", async () => {
    await using world = await breakerLab();
    world.server.always("Peek", 60_000);
    const late = Array.from({ length: 4 }, () => outcome(world.it.client.peek({}, { timeoutMs: 100 })));
    const abort = new AbortController();
    const left = outcome(world.it.client.peek({}, { signal: abort.signal }));
    await world.it.clock.advance(50);
    abort.abort();
    await left;
    await world.it.clock.advance(50);
    expect((await Promise.all(late)).map((error) => reasonOf(error))).toEqual(late.map(() => "call_deadline"));
    expect(world.breaker.circuits).toMatchObject([{ calls: 4, failures: 4, state: "open" }]);
  });

  it("counts `AbortSignal.timeout` as the deadline that it is", async () => {
    await using world = await breakerLab();
    world.server.always("Peek", 60_000);
    const abort = new AbortController();
    const late = Array.from({ length: 4 }, () => outcome(world.it.client.peek({}, { signal: abort.signal })));
    await world.it.clock.settle();
    abort.abort(new DOMException("signal timed out", "TimeoutError")); // what such a signal has for its reason
    await Promise.all(late);
    expect(world.breaker.circuits).toMatchObject([{ calls: 4, failures: 4, state: "open" }]);
  });

  it("a call that is let through and never ends does not keep it shut for ever", async () => {
    await using world = await breakerLab({ openMs: 1_000 });
    world.server.next("Peek", down, down, down, down, 3_600_000);
    await world.peeks(4);
    await world.it.clock.advance(1_100);
    const probe = outcome(world.it.client.peek({}));
    await world.it.clock.advance(999);
    expect(await world.peeks(1)).toEqual(["circuit_open"]);
    await world.it.clock.advance(1);
    expect(await world.peeks(2)).toEqual(["ok", "ok"]);
    expect(world.breaker.circuits).toMatchObject([{ state: "closed" }]);
    await world.it.clock.advance(3_600_000);
    expect(await probe).toBe("ok"); // late, and moves nothing
    expect(world.breaker.circuits).toMatchObject([{ state: "closed", failures: 0 }]);
  });

  it("is not moved by what began before it changed", async () => {
    await using world = await breakerLab({ openMs: 1_000 });
    world.server.next("Peek", 3_000); // begins now, ends well much later
    const old = outcome(world.it.client.peek({}));
    await world.it.clock.settle();
    world.server.next("Peek", down, down, down, down, 60_000);
    await world.peeks(4);
    await world.it.clock.advance(1_100);
    const probe = outcome(world.it.client.peek({}, { timeoutMs: 30_000 }));
    await world.it.clock.advance(2_000);
    expect(await old).toBe("ok");
    expect(world.breaker.circuits).toMatchObject([{ state: "half-open" }]);
    await world.it.clock.advance(30_000);
    await probe;
    expect(world.breaker.circuits).toMatchObject([{ state: "open" }]);
  });
});

it("each channel has a circuit of its own, or each service", async () => {
  await using apart = await breakerLab();
  apart.server.always("Peek", down);
  await apart.peeks(4);
  expect(await outcome(apart.it.client.add({}))).toBe("ok");
  await using together = await breakerLab({ scope: "service" });
  together.server.always("Peek", down);
  await together.peeks(4);
  expect(reasonOf(await outcome(together.it.client.add({})))).toBe("circuit_open");
  expect(together.breaker.circuits.map(({ circuit }) => circuit)).toEqual(["lab.v1.LabService"]);
});

it("streams count by how they begin", async () => {
  await using world = await breakerLab();
  world.server.always("Count", down);
  for (let count = 0; count < 4; count++) await outcome(take(world.it.client.count({ from: 1, to: 2 }), 1));
  expect(reasonOf(await outcome(take(world.it.client.count({ from: 1, to: 2 }), 1)))).toBe("circuit_open");
  expect(world.server.came).toHaveLength(4);
});

it("topics have none: they survive outages by themselves", async () => {
  await using world = await breakerLab({ scope: "service" });
  world.server.always("Peek", down);
  await world.peeks(5);
  const ticks = take(world.it.client.ticks({ board: "tea" }, { from: "start" }), 1);
  await world.it.clock.settle();
  await world.it.topics.ticks.publish({ board: "tea" }, { sequence: 7 });
  expect(await ticks).toMatchObject([{ sequence: 7 }]);
});

it("a listener that throws stops nothing, and one that left is told nothing", async () => {
  await using world = await breakerLab();
  const left: string[] = [];
  world.breaker.subscribe(() => {
    throw new Error("oops");
  });
  const end = world.breaker.subscribe(({ state }) => left.push(state));
  end();
  world.server.always("Peek", down);
  await world.peeks(4);
  expect(world.told).toEqual([`${PEEK} open`]);
  expect(left).toEqual([]);
});

it("the circuits of a connection go with it", async () => {
  const world = await breakerLab();
  await world.peeks(1);
  expect(world.breaker.circuits).toHaveLength(1);
  await world[Symbol.asyncDispose]();
  expect(world.breaker.circuits).toEqual([]);
});

it("opens over sse, too", async () => {
  const server = troubles(nodeClock());
  await using it = await stage({ use: [server.plugin], clientUse: [circuitBreaker({ leastCalls: 2 })] });
  const client = it.client("sse");
  server.always("Peek", down);
  const reasons: unknown[] = [];
  for (let count = 0; count < 3; count++) reasons.push(reasonOf(await outcome(client.peek({}))));
  expect(reasons).toEqual(["draining", "draining", "circuit_open"]);
});

it("options out of range are refused where they are written", () => {
  expect(() => circuitBreaker({ failureShare: 0 })).toThrow("failureShare");
  expect(() => circuitBreaker({ scope: "host" as never })).toThrow("scope");
  expect(() => circuitBreaker({ codes: ["bad"] })).toThrow("codes");
});
