// What happens when links die, are switched, or the server restarts: nothing lost, nothing twice.
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { jsonCodec, memoryTransport, protoCodec, reasonOf } from "@raceway/core";
import { MemoryStorage, memory, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { handlers, lab, take } from "./lab.ts";

const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

/** A small repeatable generator (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

describe.each(upTo(Number(process.env["RACEWAY_SEEDS"] ?? 30)))("with faults from seed %i", (seed) => {
  it("loses, repeats and reorders nothing while links die and the session is switched in mid-stream", async () => {
    const chance = seeded(seed);
    const clock = virtualClock();
    const a = memoryTransport({ transport: "a" });
    const b = memoryTransport({ transport: "b", text: seed % 2 === 0 });
    const calls: string[] = [];
    await using app = raceway({ transports: [a.server, b.server], clock });
    const topics = app.serve(labService, handlers(calls, clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    await using connection = connect("http://lab", {
      transports: [a.client, b.client],
      clock,
      codecs: [seed % 3 === 0 ? jsonCodec() : protoCodec()],
      random: { next: chance, bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
      limits: { windowMessages: 8, topicQueueMessages: 16 },
      probeMs: 0,
      backoff: { firstMs: 20, capMs: 60 },
    });
    const client = labClient(connection);
    const pause = (): Promise<void> => new Promise((resolve) => clock.after(Math.floor(chance() * 40), resolve));

    async function* values(): AsyncGenerator<{ value: number }> {
      for (const value of upTo(200)) {
        if (value % 10 === 0) await pause();
        yield { value };
      }
    }
    async function* lines(): AsyncGenerator<{ text: string }> {
      for (const value of upTo(100)) {
        if (value % 5 === 0) await pause();
        yield { text: String(value) };
      }
    }
    const slowly = async <T>(messages: AsyncIterable<T>, count: number): Promise<T[]> => {
      const taken: T[] = [];
      for await (const message of messages) {
        if (taken.length % 20 === 0) await pause();
        if (taken.push(message) === count) break;
      }
      return taken;
    };
    const echoes = async (): Promise<string[]> => {
      const replies: string[] = [];
      for (const value of upTo(60))
        replies.push((await client.echo({ text: String(value), delayMs: Math.floor(chance() * 30) })).text);
      return replies;
    };
    const publish = async (): Promise<void> => {
      for (const sequence of upTo(300)) {
        await topics.ticks.publish({ board: "x" }, { sequence });
        if (sequence % 8 === 0) await pause();
      }
    };
    const all = Promise.all([
      client.sum(values()),
      slowly(client.count({ from: 1, to: 300 }), 300),
      slowly(client.chat(lines()), 100),
      slowly(client.ticks({ board: "x" }, { from: "start" }), 300),
      echoes(),
      publish(),
    ]);
    let done = false;
    const finished = all.then(() => (done = true));
    let faults = 0;
    for (let step = 0; !done && step < 4_000; step++) {
      await clock.advance(5);
      const dice = chance();
      if (dice < 0.06) {
        a.cut();
        faults++;
      } else if (dice < 0.12) {
        b.cut();
        faults++;
      } else if (dice < 0.2) {
        connection.switchTo(chance() < 0.5 ? "a" : "b").catch(() => {}); // there may be no link to switch from, or the new one dies: both are part of the game
        faults++;
      }
    }
    await finished;
    const [sum, counted, chatted, ticks, echoed] = await all;
    expect(faults).toBeGreaterThan(5);
    expect(sum).toMatchObject({ sum: 20_100, count: 200 });
    expect(counted.map(({ value }) => value)).toEqual(upTo(300));
    expect(chatted.map(({ text }) => text)).toEqual(upTo(100).map((value) => `${value}!`));
    expect(ticks.map(({ sequence }) => sequence)).toEqual(upTo(300));
    expect(echoed).toEqual(upTo(60).map(String));
    // Each handler ran once for each call.
    expect(calls.filter((call) => call.startsWith("echo"))).toEqual(upTo(60).map((value) => `echo ${value}`));
    expect(calls.filter((call) => call.startsWith("sum"))).toHaveLength(1);
    expect(app.sessions).toBe(1);
  });
});

it("goes on with a topic after the server was restarted, and keeps what it can of calls", async () => {
  const clock = virtualClock();
  const link = memoryTransport();
  const storage = new MemoryStorage();
  const calls: string[] = [];
  const start = async () => {
    const app = raceway({ transports: [link.server], clock, backplane: memory({ storage }) });
    const topics = app.serve(labService, handlers(calls, clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    return { app, topics };
  };
  const first = await start();
  await using connection = connect("http://lab", { transports: [link.client], clock });
  const client = labClient(connection);
  const reading = take(client.ticks({ board: "x" }, { from: "start" }), 6);
  for (const sequence of [1, 2, 3]) await first.topics.ticks.publish({ board: "x" }, { sequence });
  await clock.settle();
  const unsafe = client.echo({ text: "in flight", delayMs: 60_000 });
  const failure = unsafe.then(
    () => undefined,
    (error: unknown) => ConnectError.from(error),
  );
  await clock.settle();
  const closing = first.app.close(0);
  await clock.advance(100);
  await closing;
  // Made while there is no server: it was never sent, so it may wait.
  const waiting = client.echo({ text: "waited" });
  const second = await start();
  await second.topics.ticks.publish({ board: "x" }, { sequence: 4 });
  await clock.advance(5_000);
  for (const sequence of [5, 6]) await second.topics.ticks.publish({ board: "x" }, { sequence });
  await clock.advance(100);
  expect((await reading).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6]);
  expect((await waiting).text).toBe("waited");
  const error = await failure;
  expect(error?.code).toBe(Code.Unavailable);
  expect(reasonOf(error)).toBe("session_lost");
  expect(calls.filter((call) => call === "echo in flight")).toHaveLength(1);
  const ending = second.app.close(0);
  await clock.advance(100);
  await ending;
});

describe("when the history is gone", () => {
  async function restarted(onReset: boolean): Promise<{ seen: number[]; gaps: unknown[]; error: unknown }> {
    const clock = virtualClock();
    const link = memoryTransport();
    const seen: number[] = [];
    const gaps: unknown[] = [];
    let error: unknown;
    const start = async () => {
      const app = raceway({ transports: [link.server], clock }); // each with a memory of its own
      const topics = app.serve(labService, handlers([], clock));
      await app.listen({ port: 0, host: "127.0.0.1" });
      return { app, topics };
    };
    const first = await start();
    await using connection = connect("http://lab", { transports: [link.client], clock });
    const reading = (async () => {
      try {
        const options = onReset ? { onReset: (gap: unknown) => void gaps.push(gap) } : {};
        for await (const { sequence } of labClient(connection).ticks({ board: "x" }, options)) seen.push(sequence);
      } catch (cause) {
        error = cause;
      }
    })();
    await clock.settle();
    await first.topics.ticks.publish({ board: "x" }, { sequence: 1 });
    await clock.settle();
    const closing = first.app.close(0);
    await clock.advance(100);
    await closing;
    const second = await start();
    await second.topics.ticks.publish({ board: "x" }, { sequence: 2 });
    await clock.advance(5_000);
    await connection.close();
    await reading;
    const ending = second.app.close(0);
    await clock.advance(100);
    await ending;
    return { seen, gaps, error };
  }

  it("says so: reading ends with history_gone", async () => {
    const { seen, error } = await restarted(false);
    expect(seen).toEqual([1]);
    expect(reasonOf(error)).toBe("history_gone");
    expect((error as ConnectError).code).toBe(Code.DataLoss);
  });

  it("goes on from the oldest that is kept if the subscriber says what to do", async () => {
    const { seen, gaps } = await restarted(true);
    expect(seen).toEqual([1, 2]);
    expect(gaps).toMatchObject([{ after: { offset: 1 }, first: 1 }]);
  });
});

it("reads on from a position, in another connection", async () => {
  await using it = await lab();
  for (const sequence of upTo(10)) await it.topics.ticks.publish({ board: "x" }, { sequence });
  const subscription = it.client.ticks({ board: "x" }, { from: "start" });
  expect((await take(subscription, 4)).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
  const { position } = subscription;
  expect(position).toMatchObject({ offset: 4 });
  const other = labClient(it.connect());
  expect((await take(other.ticks({ board: "x" }, { from: position! }), 6)).map(({ sequence }) => sequence)).toEqual([
    5, 6, 7, 8, 9, 10,
  ]);
});

it("ends a session that waited too long for a link, and frees what it held", async () => {
  await using it = await lab({
    server: { limits: { resumeMs: 1_000 } },
    client: {
      backoff: { firstMs: 100_000, capMs: 100_000 },
      // By chance the client would be back in time once in seventy runs.
      random: { next: () => 1, bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    },
  });
  const failed = it.client.echo({ text: "x", delayMs: 500_000 }).then(
    () => undefined,
    (error: unknown) => error,
  );
  await it.clock.settle();
  expect(it.app.sessions).toBe(1);
  it.memory.cut();
  await it.clock.advance(1_500);
  expect(it.app.sessions).toBe(0);
  await it.clock.advance(100_000);
  expect(reasonOf(await failed)).toBe("session_lost");
  expect((await it.client.echo({ text: "on" })).text).toBe("on");
});

it("a reader that lags far behind gets everything, from the log", async () => {
  await using it = await lab({ client: { limits: { topicQueueMessages: 10 } } });
  const reader = it.client.ticks({ board: "x" }, { from: "start" })[Symbol.asyncIterator]();
  await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
  expect((await reader.next()).value?.sequence).toBe(1);
  for (const sequence of upTo(500).slice(1)) {
    await it.topics.ticks.publish({ board: "x" }, { sequence });
    if (sequence % 50 === 0) await it.clock.settle();
  }
  for (const sequence of upTo(500).slice(1)) expect((await reader.next()).value?.sequence).toBe(sequence);
  await reader.return?.();
});
