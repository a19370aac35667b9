// Clocks that jump: a machine that slept, a virtual machine that was moved, somebody who set the time.
import { connect } from "@raceway/client";
import { type Clock, memoryTransport } from "@raceway/core";
import { raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { bench } from "./bench.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** A client and a server with a clock each, in the midst of a conversation. */
async function twoClocks() {
  const stack = new AsyncDisposableStack();
  const memory = memoryTransport();
  const time = { client: virtualClock(), server: virtualClock() };
  const wall = { client: 0, server: 0 };
  const own = (side: "client" | "server"): Clock => ({
    ...time[side],
    wallNow: () => time[side].wallNow() + wall[side],
  });
  const app = stack.use(raceway({ transports: [memory.server], clock: own("server") }));
  const topics = app.serve(labService, handlers([], time.server));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connection = stack.use(
    connect("http://lab", { transports: [memory.client], clock: own("client"), probeMs: 0 }),
  );
  const client = labClient(connection);
  const statuses: string[] = [];
  connection.state.subscribe(({ status }) => void (statuses.at(-1) === status || statuses.push(status)));
  let next = Promise.withResolvers<string>();
  async function* lines(): AsyncGenerator<{ text: string }> {
    for (;;) {
      const text = await next.promise;
      next = Promise.withResolvers();
      yield { text };
    }
  }
  const talk = client.chat(lines())[Symbol.asyncIterator]();
  const ticks = client.ticks({ board: "clock" }, { from: "start" })[Symbol.asyncIterator]();
  let sequence = 0;
  const goesOn = async (): Promise<void> => {
    const answer = talk.next();
    next.resolve(String(sequence));
    expect((await answer).value?.text).toBe(`${sequence}!`);
    await topics.ticks.publish({ board: "clock" }, { sequence: ++sequence });
    expect((await ticks.next()).value?.sequence).toBe(sequence);
    expect((await client.add({ a: sequence, b: 1 })).sum).toBe(sequence + 1);
  };
  /** Both clocks go on, in step. */
  const pass = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 1_000) for (const clock of Object.values(time)) await clock.advance(1_000);
  };
  await goesOn();
  return { time, wall, statuses, goesOn, pass, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

for (const [side, ms] of [
  ["client", DAY_MS],
  ["client", -DAY_MS],
  ["server", DAY_MS],
  ["server", -DAY_MS],
] as const) {
  it(`the time of the ${side} is set ${ms > 0 ? "forward" : "back"} by a day: nobody minds`, async () => {
    await using it = await twoClocks();
    it.wall[side] = ms;
    await it.goesOn();
    await it.pass(60_000);
    await it.goesOn();
    expect(it.statuses).toEqual(["connecting", "open"]);
  });
}

for (const side of ["client", "server"] as const) {
  it(`the ${side} loses an hour in which the other did not see it go: the link is kept, and nothing is lost`, async () => {
    await using it = await twoClocks();
    await it.time[side].leap(HOUR_MS);
    await it.goesOn();
    await it.pass(60_000);
    await it.goesOn();
    expect(it.statuses).toEqual(["connecting", "open"]);
  });
}

it("a laptop wakes up on a link that died while it slept: found within five seconds, and all goes on", async () => {
  const clock: VirtualClock = virtualClock();
  await using it = await bench("websocket", { clock }, { heartbeatMs: 25_000, silenceMs: 10_000 });
  const feed = it.client.feed({ count: 1_000 })[Symbol.asyncIterator]();
  expect((await feed.next()).value?.sequence).toBe(0);
  for (const connection of it.proxy.connections) connection.stall();
  const down = it.became(({ status }) => status === "resuming");
  await clock.leap(HOUR_MS);
  await clock.advance(5_010);
  expect((await down).reason?.rawMessage).toMatch(/^Nothing came for 5000 ms/);
  await clock.advance(200);
  for (let sequence = 1; sequence < 1_000; sequence++) expect((await feed.next()).value?.sequence).toBe(sequence);
  expect((await feed.next()).done).toBe(true);
});
