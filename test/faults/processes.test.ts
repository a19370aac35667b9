// Processes that are stopped, killed and started again, over each transport: what can go on goes on, what cannot says so.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as passing } from "node:timers/promises";
import type { Gap } from "@raceway/client";
import { reasonOf } from "@raceway/core";
import { memory, MemoryStorage } from "@raceway/server";
import { faultProxy } from "@raceway/testkit/node";
import { describe, expect, it } from "vitest";
import { Child } from "../chaos/child.ts";
import type { Plan, SessionResult } from "../chaos/clients.ts";
import type { ServerSetup } from "../chaos/server.ts";
import { chaosServer } from "../chaos/service.ts";
import type { Rates } from "../chaos/session.ts";
import { Tally } from "../chaos/tally.ts";
import { type Way, ways } from "../chaos/transports.ts";
import { type Bench, benchOf, fast, traffic, whole } from "./bench.ts";

/** Longer than a silent link is borne; the only way to be asleep for so long is to be so. */
const ASLEEP_MS = 500;
const timeout = 30_000;
/** The forms of these are the same to what happens here. */
const mains: readonly Way[] = ["websocket", "sse", "poll", "grpc"];

interface Remote extends Bench {
  readonly port: number;
  readonly child: Child;
  /** Kills the server, and starts another in its place. */
  restart(): Promise<void>;
}

async function remote(way: Way, setup: ServerSetup = {}): Promise<Remote> {
  let child = new Child("server.ts");
  const port = await child.ask<number>("listen", { limits: fast, ...setup });
  const bench = await benchOf(
    way,
    port,
    {},
    {
      server: { publish: (topic, count, perSecond) => child.ask("publish", [topic], count, perSecond) },
      release() {},
      [Symbol.asyncDispose]: () => child.kill(),
    },
  );
  return {
    ...bench,
    port,
    get child() {
      return child;
    },
    async restart() {
      await child.kill();
      child = new Child("server.ts");
      await child.ask("listen", { limits: fast, ...setup, port });
    },
  };
}

const isDown = ({ status }: { readonly status: string }): boolean => status === "resuming" || status === "offline";
const ended = (messages: AsyncIterable<unknown>): Promise<string | undefined> =>
  (async () => {
    for await (const _ of messages);
    return "in good order";
  })().catch(reasonOf);

for (const way of mains) {
  describe.concurrent(`over ${way}`, { timeout }, () => {
    it("a server that was stopped for longer than its silence is borne: nothing is lost", async () => {
      await using one = await remote(way);
      const outcome = traffic(one, async () => {
        one.child.sleep();
        await one.became(isDown);
        one.child.wake();
      });
      expect(await outcome).toEqual(whole);
    });

    it("a server that was killed and started again: what can be repeated is, all else ends with its reason", async () => {
      await using one = await remote(way);
      const { client } = one;
      await client.once({ client: "before", sequence: 0 });
      let gap: Gap | undefined;
      const events = client.events({ topic: "killed" }, { from: "start", onReset: (missing) => (gap = missing) });
      const reader = events[Symbol.asyncIterator]();
      await one.server.publish("killed", 3, 0);
      for (const sequence of [1, 2, 3]) expect((await reader.next()).value?.sequence).toBe(sequence);
      const strict = client.events({ topic: "killed" }, { from: "start" })[Symbol.asyncIterator]();
      await strict.next();
      async function* half(): AsyncGenerator<{ sequence: number }> {
        yield { sequence: 0 };
        await new Promise<never>(() => {});
      }
      const talk = client.talk(half())[Symbol.asyncIterator]();
      await talk.next(); // it is under way
      const upload = client.upload(half());
      const feed = client.feed({ count: 1_000_000, perSecond: 100 });
      const fed = feed[Symbol.asyncIterator]();
      await fed.next();
      one.child.sleep(); // so that the calls below have left, and are not answered
      const calls = [1, 2, 3].map((sequence) => client.once({ client: "during", sequence }));
      const fates = Promise.all([
        upload.then(() => "answered", reasonOf),
        ended({ [Symbol.asyncIterator]: () => fed }),
        ended({ [Symbol.asyncIterator]: () => talk }),
      ]);
      await one.restart();
      expect((await Promise.all(calls)).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
      expect(await fates).toEqual(["session_lost", "session_lost", "session_lost"]);
      expect(await client.audit({ client: "during" })).toMatchObject({ calls: 3, repeatedEffects: 0 });
      // The log went with the process: the one who asked is told and goes on, the other ends.
      const next = reader.next();
      await one.server.publish("killed", 1, 0);
      expect((await next).value?.sequence).toBe(1);
      expect(gap?.after.offset).toBe(3);
      expect(await ended({ [Symbol.asyncIterator]: () => strict })).toBe("history_gone");
    });

    it("a reply that was lost with the server comes from the store that outlived it; the handler runs once", async () => {
      const folder = await mkdtemp(join(tmpdir(), "raceway-"));
      try {
        await using one = await remote(way, { store: join(folder, "store.db") });
        const witness = await benchOf(way, one.port, {}, { ...one, [Symbol.asyncDispose]: () => Promise.resolve() });
        const effects = async (): Promise<number> => (await witness.client.audit({ client: "durable" })).calls;
        let call = one.client.once({ client: "durable", sequence: 0 });
        await call;
        // A call that took effect, and whose reply cannot come back. If the link is found dead before it even left, once more.
        for (let sequence = 1; ; sequence++) {
          one.proxy.stall("down");
          call = one.client.once({ client: "durable", sequence });
          let down = false;
          const noticed = one.became(isDown).then(() => (down = true));
          while ((await effects()) <= sequence && !down);
          if ((await effects()) > sequence) break;
          one.proxy.restore();
          await Promise.all([call, noticed]);
        }
        await witness[Symbol.asyncDispose]();
        await one.restart();
        one.proxy.restore();
        await call;
        expect(await one.client.audit({ client: "durable" })).toMatchObject({ calls: 0 }); // not here
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    it("a log that outlives the server: topics go on by position", async () => {
      const storage = new MemoryStorage();
      const first = chaosServer({ limits: fast, backplane: memory({ storage }) });
      const { port } = await first.app.listen({ port: 0, host: "127.0.0.1" });
      let server = first;
      await using one = await benchOf(
        way,
        port,
        {},
        {
          server: first,
          release() {},
          [Symbol.asyncDispose]: () => server.app.close(0),
        },
      );
      const tally = new Tally(1);
      const reader = one.client.events({ topic: "kept" }, { from: "start" })[Symbol.asyncIterator]();
      await first.publish("kept", 100, 0);
      while (tally.next <= 50) tally.take((await reader.next()).value!.sequence);
      one.proxy.stall(); // no goodbye gets through
      await first.publishers.events.publish({ topic: "kept" }, { sequence: 101 });
      await first.app.close(0);
      one.proxy.cut();
      server = chaosServer({ limits: fast, backplane: memory({ storage }) });
      await server.app.listen({ port, host: "127.0.0.1" });
      one.proxy.restore();
      await server.publishers.events.publish({ topic: "kept" }, { sequence: 102 });
      while (tally.next <= 102) tally.take((await reader.next()).value!.sequence);
      expect(tally.counts).toMatchObject({ taken: 102, lost: 0, duplicated: 0, reordered: 0 });
      await reader.return?.();
    });

    it("a client that slept for longer than the silence notices when it wakes, and goes on", async () => {
      await using server = new Child("server.ts");
      await using clients = new Child("clients.ts");
      await using proxy = await faultProxy(await server.ask<number>("listen", { limits: fast }));
      const urls = Object.fromEntries(ways.map((each) => [each, `http://127.0.0.1:${proxy.address}`])) as Plan["urls"];
      await clients.ask("connect", [{ name: "laptop", way, alone: true, urls, topic: "lid" } satisfies Plan]);
      const rates: Rates = { events: 100, feed: 100, upload: 100, talk: 100, once: 20 };
      const published = server.ask("publish", ["lid"], 100, 100);
      const run = clients.ask<readonly SessionResult[]>("run", 1, rates);
      await proxy.passed(5_000);
      clients.sleep();
      await passing(ASLEEP_MS);
      clients.wake();
      await published;
      const [result] = await run;
      for (const [kind, { taken, lost, duplicated, reordered, failed }] of Object.entries(result!.kinds))
        expect({ kind, taken, lost, duplicated, reordered, failed }).toEqual({
          kind,
          taken: rates[kind as keyof Rates],
          lost: 0,
          duplicated: 0,
          reordered: 0,
          failed: undefined,
        });
    });
  });
}
