// Calls that take too long end: the whole call, or one attempt of it; which have a limit, and whose word counts.
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { callUnary, connect } from "@raceway/client";
import { type PluginList, memoryTransport, reasonOf } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { attemptTimeout, timeLimitMs, timeout } from "@raceway/middleware/timeout";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { type Lab, from, lab, take } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labPeekChannel } from "../gen/lab/v1/lab.contract.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { outcome, stage } from "./stage.ts";
import { type Troubles, middle, troubles } from "./trouble.ts";

async function timeoutLab(use: PluginList): Promise<{ it: Lab; server: Troubles } & AsyncDisposable> {
  const clock = virtualClock();
  const server = troubles(clock);
  const it = await lab({ server: { use: [server.plugin], clock }, client: { use, random: middle, clock } });
  return { it: { ...it, clock }, server, [Symbol.asyncDispose]: () => it[Symbol.asyncDispose]() };
}
/** After how many milliseconds of at most 1,000 a call is over, and what became of it. */
async function over(world: { it: Lab }, call: Promise<unknown>): Promise<[ms: number, result: unknown]> {
  let result: unknown;
  void outcome(call).then((value) => (result = value === "ok" ? "ok" : (reasonOf(value) ?? value)));
  for (let ms = 0; ms <= 1_000; ms += 50) {
    await world.it.clock.advance(ms === 0 ? 0 : 50);
    if (result !== undefined) return [ms, result];
  }
  return [Infinity, "still waiting"];
}

describe("timeout", () => {
  it("ends a call that takes too long, and the server hears of it", async () => {
    await using world = await timeoutLab([timeout({ ms: 200 })]);
    world.server.next("Echo", 5_000);
    expect(await over(world, world.it.client.echo({}))).toEqual([200, "call_deadline"]);
    await world.it.clock.settle();
    expect(world.server.cancelled).toEqual(["Echo"]);
  });

  it("leaves alone what is in time, and leaves no timer behind", async () => {
    await using world = await timeoutLab([timeout({ ms: 200 })]);
    await world.it.client.echo({});
    const { timers } = world.it.clock;
    world.server.next("Echo", 100);
    expect(await over(world, world.it.client.echo({}))).toEqual([100, "ok"]);
    await world.it.clock.settle();
    expect(world.it.clock.timers).toBe(timers);
  });

  it("ends uploads, and not streams that have no end of their own", async () => {
    await using world = await timeoutLab([timeout({ ms: 200 })]);
    world.server.always("Sum", 5_000);
    world.server.always("Count", 500);
    expect(await over(world, world.it.client.sum(from([{ value: 1 }])))).toEqual([200, "call_deadline"]);
    expect(await over(world, take(world.it.client.count({ from: 1, to: 2 }), 2))).toEqual([500, "ok"]);
  });

  it("ends a stream if it is told a limit for it, the whole of it, in the middle", async () => {
    await using world = await timeoutLab([timeout({ channels: { "lab.v1.LabService/Ticks": 300 } })]);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { sequence } of world.it.client.ticks({ board: "tea" }, { from: "start" })) seen.push(sequence);
    })();
    await world.it.clock.settle();
    await world.it.topics.ticks.publish({ board: "tea" }, { sequence: 1 });
    expect(await over(world, reading)).toEqual([300, "call_deadline"]);
    expect(seen).toEqual([1]);
  });

  it("takes the exact channel before its service, the service before the default, and 0 for none", async () => {
    const channels = { "lab.v1.LabService/Peek": 100, "lab.v1.LabService/*": 300, "lab.v1.LabService/Add": 0 };
    await using world = await timeoutLab([timeout({ ms: 50, channels })]);
    for (const method of ["Peek", "Echo", "Add"]) world.server.always(method, 800);
    expect(await over(world, world.it.client.peek({}))).toEqual([100, "call_deadline"]);
    expect(await over(world, world.it.client.echo({}))).toEqual([300, "call_deadline"]);
    expect(await over(world, world.it.client.add({}))).toEqual([800, "ok"]);
  });

  it("keeps to the schema's timeout_ms, whatever the default", async () => {
    await using world = await timeoutLab([timeout({ ms: 10 })]);
    world.server.next("Peek", 5_000);
    // As generated code does for a schema with the option.
    const contract = { ...labPeekChannel, timeoutMs: 250 };
    const call = callUnary(world.it.connection, LabService.method.peek, contract, {});
    expect(await over(world, call)).toEqual([250, "call_deadline"]);
  });

  it("takes the caller's word for one call, in its context", async () => {
    await using world = await timeoutLab([timeout({ ms: 100 })]);
    world.server.always("Echo", 400);
    const within = (ms: number): Promise<unknown> =>
      world.it.client.echo({}, { contextValues: createContextValues().set(timeLimitMs, ms) });
    expect(await over(world, within(50))).toEqual([50, "call_deadline"]);
    expect(await over(world, within(500))).toEqual([400, "ok"]);
    expect(await over(world, within(0))).toEqual([400, "ok"]);
    expect(await over(world, within(Infinity))).toEqual([400, "ok"]);
    expect(await over(world, within(Number.NaN))).toEqual([0, "option_invalid"]);
  });

  it("leaves the caller's own signal what it is", async () => {
    await using world = await timeoutLab([timeout({ ms: 500 })]);
    world.server.next("Echo", 5_000);
    const abort = new AbortController();
    const call = outcome(world.it.client.echo({}, { signal: abort.signal }));
    await world.it.clock.advance(100);
    abort.abort();
    expect(ConnectError.from(await call).code).toBe(Code.Canceled);
  });

  it("counts the time without a connection, too", async () => {
    const clock = virtualClock();
    const nobody = memoryTransport().client;
    const connection = connect("http://nobody", { transports: [nobody], use: [timeout({ ms: 200 })], clock });
    const call = outcome(labClient(connection).echo({}));
    await clock.advance(200);
    expect(reasonOf(await call)).toBe("call_deadline");
    await connection.close();
  });
});

describe("attemptTimeout", () => {
  it("ends an attempt without an answer", async () => {
    await using world = await timeoutLab([attemptTimeout({ attemptMs: 100 })]);
    world.server.next("Peek", 5_000);
    expect(await over(world, world.it.client.peek({}))).toEqual([100, "call_deadline"]);
  });

  it("of streams only limits how long they take to begin, and only if told", async () => {
    await using world = await timeoutLab([attemptTimeout({ channels: { "lab.v1.LabService/Count": 100 } })]);
    world.server.next("Count", 5_000);
    expect(await over(world, take(world.it.client.count({ from: 1, to: 1 }), 1))).toEqual([100, "call_deadline"]);
    const seen: unknown[] = [];
    for await (const { value } of world.it.client.count({ from: 1, to: 2 })) {
      seen.push(value);
      await world.it.clock.advance(200);
    }
    expect(seen).toEqual([1, 2]);
  });
});

it("a slow call ends over poll", async () => {
  const server = troubles(nodeClock());
  await using it = await stage({ use: [server.plugin], clientUse: [timeout({ ms: 100 })] });
  server.next("Echo", 3_000);
  expect(reasonOf(await outcome(it.client("poll").echo({})))).toBe("call_deadline");
});

it("options out of range are refused where they are written", () => {
  expect(() => timeout({ ms: -1 })).toThrow("ms");
  expect(() => timeout({ channels: { nope: 1 } })).toThrow("channels");
  expect(() => attemptTimeout({ attemptMs: Number.NaN })).toThrow("attemptMs");
  expect(() => timeout({ attemptMs: 1 } as never)).toThrow("attemptMs");
});
