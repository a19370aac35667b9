// A session that changes its transport or its link in mid-call, mid-stream and mid-upload, both sides sending: nothing waits, nothing is lost.
import { type ConnectOptions, type ConnectionSnapshot, connect } from "@raceway/client";
import { memoryTransport } from "@raceway/core";
import { type RacewayOptions, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { gate } from "./gate.ts";
import { handlers } from "./lab.ts";

const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

async function setup(
  options: { server?: Partial<RacewayOptions>; client?: Partial<ConnectOptions>; shut?: boolean } = {},
) {
  const clock = virtualClock();
  const best = memoryTransport({ transport: "best" });
  const second = memoryTransport({ transport: "second" });
  const calls: string[] = [];
  const app = raceway({ transports: [best.server, second.server], clock, ...options.server });
  const topics = app.serve(labService, handlers(calls, clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const toBest = gate(best.client, options.shut);
  const toSecond = gate(second.client);
  const connection = connect("http://lab", {
    transports: [toBest.transport, toSecond.transport],
    clock,
    probeMs: 0,
    ...options.client,
  });
  const states: ConnectionSnapshot[] = [];
  const client = labClient(connection);
  await client.echo({ text: "first" });
  connection.state.subscribe((state) => states.push(state));
  return {
    clock,
    app,
    calls,
    topics,
    connection,
    client,
    toBest,
    toSecond,
    states,
    cutBest: () => best.cut(),
    /** Transports in the order in which they were in use; "nothing" while there was none. */
    get used(): string[] {
      const used: string[] = [];
      for (const { transport = "nothing" } of states) if (used.at(-1) !== transport) used.push(transport);
      return used;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await connection.close();
      await app.close(0);
    },
  };
}

/** Calls of all sorts that take four seconds, with something said in both directions every ten milliseconds; checks what came of them. */
async function fourSeconds(
  clock: VirtualClock,
  client: LabClient,
  topics: LabPublishers,
  calls: string[],
): Promise<void> {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));
  async function* slowly<T>(values: readonly T[]): AsyncGenerator<T> {
    for (const value of values) {
      yield value;
      await pause(10);
    }
  }
  const read = async <T, U>(messages: AsyncIterable<T>, of: (message: T) => U, count: number): Promise<U[]> => {
    const all: U[] = [];
    for await (const message of messages) if (all.push(of(message)) === count) break;
    return all;
  };
  const work = Promise.all([
    client.echo({ text: "long", delayMs: 4_000 }),
    client.sum(slowly(upTo(400).map((value) => ({ value })))),
    read(client.chat(slowly(upTo(400).map((value) => ({ text: String(value) })))), ({ text }) => text, 400),
    read(client.ticks({ board: "x" }, { from: "start" }), ({ sequence }) => sequence, 400),
    (async () => {
      for (const sequence of upTo(400)) {
        await topics.ticks.publish({ board: "x" }, { sequence });
        await pause(10);
      }
    })(),
    (async () => {
      for (const value of upTo(100)) {
        expect((await client.echo({ text: `short ${value}`, delayMs: 30 })).text).toBe(`short ${value}`);
        await pause(10);
      }
    })(),
  ]);
  let done = false;
  void work.then(() => (done = true));
  for (let step = 0; !done && step < 1_000; step++) await clock.advance(10);
  const [long, sum, chat, ticks] = await work;
  expect(long.text).toBe("long");
  expect(sum).toMatchObject({ sum: 80_200, count: 400 });
  expect(chat).toEqual(upTo(400).map((value) => `${value}!`));
  expect(ticks).toEqual(upTo(400));
  expect(calls.filter((call) => call === "echo long")).toHaveLength(1);
  for (const value of upTo(100)) expect(calls.filter((call) => call === `echo short ${value}`)).toHaveLength(1);
}

it("by the API: down, and up again, and again", async () => {
  await using its = await setup();
  for (const [at, transport] of ["second", "best", "second", "best"].entries())
    its.clock.after(700 * (at + 1), () => void its.connection.switchTo(transport));
  await fourSeconds(its.clock, its.client, its.topics, its.calls);
  expect(its.used).toEqual(["best", "second", "best", "second", "best"]);
  expect(its.app.sessions).toBe(1);
});

it("by the race: the better transport is taken when it comes back", async () => {
  await using its = await setup({ shut: true, client: { probeMs: 500 } });
  its.clock.after(1_200, () => (its.toBest.shut = false));
  await fourSeconds(its.clock, its.client, its.topics, its.calls);
  expect(its.used).toEqual(["second", "best"]);
  expect(its.app.sessions).toBe(1);
});

it("a link that is swallowed on its way holds up nothing, however fast the stream, either way", async () => {
  const limits = { replayBytes: 16_384 }; // full long before the handshake gives up, after ten seconds
  await using its = await setup({ server: { limits }, client: { limits } });
  its.toSecond.mute = true;
  const failure = its.connection.switchTo("second").catch((error: unknown) => String(error));
  const last = 5_000;
  let [down, up] = [0, 0];
  const reading = (async () => {
    for await (const { value } of its.client.count({ from: 1, to: last })) expect(value).toBe(++down);
  })();
  const writing = its.client
    .sum(
      (async function* () {
        for (; up < last; up++) yield { value: 1 };
      })(),
    )
    .then(({ count }) => expect(count).toBe(last));
  for (let step = 0; step < 300 && (down < last || up < last); step++) await its.clock.advance(10);
  expect([down, up]).toEqual([last, last]);
  await its.clock.advance(10_000); // until the handshake gives up
  await Promise.all([reading, writing]);
  expect(await failure).toContain("within 10000 ms");
  expect(its.used).toEqual(["best"]);
});

it("by a policy of the application, which changes its mind", async () => {
  let metered = false;
  const asked: (string | undefined)[] = [];
  await using its = await setup({
    client: {
      probeMs: 500,
      prefer: (transports, { transport }) => {
        asked.push(transport);
        return metered ? transports.toReversed() : transports;
      },
    },
  });
  its.clock.after(1_000, () => (metered = true));
  await fourSeconds(its.clock, its.client, its.topics, its.calls);
  expect(its.used).toEqual(["best", "second"]);
  expect(asked).toContain("best");
});

it("a transport that the policy leaves out is not tried", async () => {
  await using its = await setup({ client: { prefer: () => ["second"] } });
  expect(its.connection.state.current.transport).toBe("second");
  expect(its.toBest.attempts).toBe(0);
});

it("by age: each link is replaced before its time, and again if that fails", async () => {
  await using its = await setup({ server: { maxLinkAgeMs: 1_000 } });
  const first = its.toBest.attempts;
  its.clock.after(1_500, () => (its.toBest.shut = true)); // the second renewal fails at first
  its.clock.after(1_780, () => (its.toBest.shut = false));
  await fourSeconds(its.clock, its.client, its.topics, its.calls);
  expect(its.toBest.attempts - first).toBeGreaterThanOrEqual(4);
  expect(its.used).toEqual(["best"]);
  expect(its.app.sessions).toBe(1);
});

it("by failure: the link dies, and the other transport goes on", async () => {
  await using its = await setup({ client: { backoff: { firstMs: 20, capMs: 20 } } });
  its.clock.after(1_000, () => {
    its.toBest.shut = true;
    its.cutBest();
  });
  await fourSeconds(its.clock, its.client, its.topics, its.calls);
  expect(its.used).toEqual(["best", "nothing", "second"]);
});
