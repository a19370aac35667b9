// The race of transports, fallback when one is blocked, and the way back up.
import { type ConnectionSnapshot, connect } from "@raceway/client";
import { type ClientTransport, fail, memoryTransport, reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { from, handlers, take } from "./lab.ts";

type Mood = "works" | "refuses" | "swallows";

/** A transport that can be told to fail at once, or to fail silently. */
function moody(inner: ClientTransport, mood: { now: Mood }): ClientTransport & { opened: number } {
  const transport = {
    ...inner,
    opened: 0,
    start(host: Parameters<ClientTransport["start"]>[0]) {
      const started = inner.start(host);
      return {
        async open(...[endpoint, opened, signal]: Parameters<typeof started.open>): Promise<void> {
          transport.opened++;
          if (mood.now === "refuses") throw fail("transport_failed", { transport: inner.name, detail: "blocked" });
          if (mood.now === "swallows") {
            return new Promise((_, reject) =>
              signal.addEventListener("abort", () =>
                reject(fail("transport_failed", { transport: inner.name, detail: "called off" })),
              ),
            );
          }
          return started.open(endpoint, opened, signal);
        },
      };
    },
  };
  return transport;
}

async function setup(moods: { best: Mood; second: Mood }, options: { probeMs?: number } = {}) {
  const clock = virtualClock();
  const best = memoryTransport({ transport: "best" });
  const second = memoryTransport({ transport: "second" });
  const bestMood = { now: moods.best };
  const secondMood = { now: moods.second };
  const calls: string[] = [];
  const app = raceway({ transports: [best.server, second.server], clock });
  const topics = app.serve(labService, handlers(calls, clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const startedAt = clock.now();
  const bestClient = moody(best.client, bestMood);
  const secondClient = moody(second.client, secondMood);
  const connection = connect("http://lab", {
    transports: [bestClient, secondClient],
    clock,
    probeMs: options.probeMs ?? 0,
  });
  const states: ConnectionSnapshot[] = [];
  connection.state.subscribe((state) => states.push(state));
  return {
    clock,
    best,
    second,
    bestMood,
    secondMood,
    bestClient,
    secondClient,
    app,
    topics,
    connection,
    states,
    calls,
    startedAt,
    client: labClient(connection),
    async [Symbol.asyncDispose](): Promise<void> {
      await connection.close();
      await app.close(0);
    },
  };
}

it("takes the best transport if it works, and opens no other", async () => {
  await using it = await setup({ best: "works", second: "works" });
  await it.client.echo({ text: "x" });
  expect(it.connection.state.current.transport).toBe("best");
  expect(it.secondClient.opened).toBe(0);
  await it.clock.advance(1_000);
  expect(it.app.sessions).toBe(1);
});

it("falls back at once when the best is refused", async () => {
  await using it = await setup({ best: "refuses", second: "works" });
  await it.clock.settle();
  expect(it.connection.state.current).toMatchObject({ status: "open", transport: "second" });
  expect(it.clock.now() - it.startedAt).toBeLessThan(50);
});

it("falls back after a quarter of a second when the best is swallowed silently", async () => {
  await using it = await setup({ best: "swallows", second: "works" });
  await it.clock.advance(200);
  expect(it.connection.state.current.status).toBe("connecting");
  await it.clock.advance(100);
  expect(it.connection.state.current).toMatchObject({ status: "open", transport: "second" });
  expect((await it.client.echo({ text: "x" })).text).toBe("x");
});

it("says what failed when nothing works, waits, and comes back", async () => {
  await using it = await setup({ best: "refuses", second: "refuses" });
  const call = it.client.echo({ text: "patient" });
  await it.clock.settle();
  const { status, reason, nextAttemptAt } = it.connection.state.current;
  expect(status).toBe("offline");
  expect(reasonOf(reason)).toBe("no_transport");
  expect(reason?.message).toMatch(/best: .*blocked.*; second: .*blocked/);
  expect(nextAttemptAt).toBeGreaterThanOrEqual(it.clock.wallNow());
  it.secondMood.now = "works";
  await it.clock.advance(5_000);
  expect((await call).text).toBe("patient");
});

it("prefers what won last when it comes back", async () => {
  await using it = await setup({ best: "swallows", second: "works" });
  await it.clock.advance(10_000);
  expect(it.connection.state.current.transport).toBe("second");
  const before = it.bestClient.opened;
  it.second.cut();
  await it.clock.advance(240);
  expect(it.connection.state.current).toMatchObject({ status: "open", transport: "second" });
  expect(it.bestClient.opened).toBe(before);
});

it("goes up to the better transport in mid-call when it works again", async () => {
  await using it = await setup({ best: "refuses", second: "works" }, { probeMs: 30_000 });
  await it.clock.settle();
  expect(it.connection.state.current.transport).toBe("second");
  const count = it.client.count({ from: 1, to: 50 })[Symbol.asyncIterator]();
  expect((await count.next()).value?.value).toBe(1);
  it.bestMood.now = "works";
  await it.clock.advance(31_000);
  expect(it.connection.state.current).toMatchObject({ status: "open", transport: "best" });
  expect(it.states.some(({ status }) => status === "switching")).toBe(true);
  expect(it.states.some(({ status }) => status === "resuming")).toBe(false);
  for (let value = 2; value <= 50; value++) expect((await count.next()).value?.value).toBe(value);
  expect((await count.next()).done).toBe(true);
  expect(it.app.sessions).toBe(1);
});

it("stays where it is when a switch fails, and loses nothing", async () => {
  await using it = await setup({ best: "works", second: "refuses" });
  await it.client.echo({ text: "x" });
  const sum = it.client.sum(
    (async function* () {
      for (let value = 1; value <= 10; value++) {
        if (value === 5) await it.connection.switchTo("second").catch(() => it.calls.push("failed"));
        yield { value };
      }
    })(),
  );
  expect(await sum).toMatchObject({ sum: 55 });
  expect(it.calls).toContain("failed");
  expect(it.connection.state.current).toMatchObject({ status: "open", transport: "best" });
  await expect(it.connection.switchTo("pigeon")).rejects.toMatchObject({
    message: expect.stringContaining("configured: best, second") as string,
  });
});

it("puts a transport that opens and dies at once behind the others", async () => {
  await using it = await setup({ best: "works", second: "works" });
  await it.client.echo({ text: "x" });
  for (let round = 0; round < 3; round++) {
    it.best.cut();
    await it.clock.advance(500);
  }
  expect(it.connection.state.current).toMatchObject({ status: "open", transport: "second" });
});

it("a client without a chance says so to its calls, and tries again with the next call", async () => {
  const clock = virtualClock();
  await using connection = connect("http://lab", { transports: [], clock });
  await expect(labClient(connection).echo({})).rejects.toMatchObject({
    message: expect.stringContaining("none of the transports supports it") as string,
  });
  await expect(labClient(connection).echo({})).rejects.toMatchObject({
    message: expect.stringContaining("none of the transports supports it") as string,
  });
  expect(connection.state.current.status).toBe("offline");
});

it("a closed connection ends its calls and takes no more", async () => {
  await using it = await setup({ best: "works", second: "works" });
  const call = it.client.echo({ text: "x", delayMs: 10_000 }).catch((error: unknown) => reasonOf(error));
  await it.clock.settle();
  await it.connection.close();
  expect(await call).toBe("connection_closed");
  await expect(it.client.echo({})).rejects.toMatchObject({
    message: expect.stringContaining("closed by its owner") as string,
  });
  await it.clock.settle();
  expect(it.app.sessions).toBe(0);
  expect(it.connection.state.current.status).toBe("closed");
});

it("refuses more than the outbox holds, while there is no link", async () => {
  const clock = virtualClock();
  const nowhere = memoryTransport();
  await using connection = connect("http://lab", {
    transports: [nowhere.client],
    clock,
    limits: { outboxMessages: 3 },
  });
  const client = labClient(connection);
  const calls = Array.from({ length: 5 }, () => client.echo({}).catch((error: unknown) => reasonOf(error)));
  expect(await calls[3]).toBe("outbox_full");
  expect(await calls[4]).toBe("outbox_full");
  await connection.close();
  expect(await calls[0]).toBe("connection_closed");
});

it("publishes the negotiation document, with an ETag", async () => {
  await using it = await setup({ best: "works", second: "works" });
  const first = await it.app.fetch(new Request("http://lab/.well-known/raceway"));
  expect(first.status).toBe(200);
  const document = (await first.json()) as {
    versions: number[];
    transports: { name: string }[];
    channels: Record<string, { kind: string; hash: string }>;
  };
  expect(document.versions).toEqual([1]);
  expect(document.transports.map(({ name }) => name)).toEqual(["best", "second"]);
  expect(document.channels["/lab.v1.LabService/Ticks"]).toMatchObject({
    kind: "topic",
    hash: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
  });
  const again = await it.app.fetch(
    new Request("http://lab/.well-known/raceway", { headers: { "if-none-match": first.headers.get("etag")! } }),
  );
  expect(again.status).toBe(304);
  expect(await take(it.client.chat(from([{ text: "still" }])), 1)).toMatchObject([{ text: "still!" }]);
});
