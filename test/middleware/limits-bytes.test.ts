// Bytes per second: who uses more is slowed down, by every way in, loses nothing, and cannot get around it.
import { connect } from "@raceway/client";
import { memoryTransport, reasonOf, retryAfterMs } from "@raceway/core";
import { limits } from "@raceway/middleware/limits";
import { memory as memoryBackplane, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { from, handlers, take } from "../app/lab.ts";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { type SharedStore, sharedStore } from "./shared-store.ts";
import { names, outcome, stage, wayNames } from "./stage.ts";

const KB = 1_000;
const text = "x".repeat(1_000);

interface Paced extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly cut: () => void;
  readonly topics: LabPublishers;
  readonly calls: string[];
  readonly client: (credential: string) => LabClient;
}

async function paced(
  options: Parameters<typeof limits>[0],
  more: { clock?: VirtualClock; store?: SharedStore } = {},
): Promise<Paced> {
  const clock = more.clock ?? virtualClock();
  const memory = memoryTransport();
  const calls: string[] = [];
  const app = raceway({
    transports: [memory.server],
    clock,
    use: [names, limits(options)],
    ...(more.store && { backplane: memoryBackplane({ store: more.store.part }) }),
  });
  const topics = app.serve(labService, {
    ...handlers(calls, clock),
    async *chat(requests) {
      let count = 0;
      for await (const request of requests) calls.push(`chat ${++count} ${request.text.length}`);
      yield { text: String(count) };
    },
    async *count({ from, to }) {
      for (let value = from; value <= to; value++) yield { value, padding: text } as never;
    },
    async echo({ text: size }) {
      return { text: "x".repeat(Number(size)) };
    },
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const closers: (() => Promise<void>)[] = [];
  return {
    clock,
    cut: () => memory.cut(),
    topics,
    calls,
    client(credential) {
      const shows = {
        name: "shows",
        contract: 1 as const,
        start: () => ({ introduce: (i: { credential: string }) => void (i.credential = credential) }),
      };
      const connection = connect("http://lab", { transports: [memory.client], clock, probeMs: 0, use: [shows] });
      closers.push(() => connection.close());
      return labClient(connection);
    },
    async [Symbol.asyncDispose]() {
      for (const close of closers) await close();
      const closing = app.close(0);
      await clock.advance(100);
      await closing;
    },
  };
}

/** Asks for replies of 1 KB, one after the other, as fast as they come. */
function replies(client: LabClient): { count: number; readonly over: Promise<void>; stop(): void } {
  let stopped = false;
  const it = { count: 0, over: Promise.resolve(), stop: () => void (stopped = true) };
  it.over = (async () => {
    while (!stopped) {
      expect((await client.echo({ text: "1000" })).text).toHaveLength(1_000);
      it.count++;
    }
  })();
  return it;
}

async function rateOf(it: Paced, asked: readonly { count: number }[], seconds: number): Promise<number> {
  const sum = (): number => asked.reduce((total, { count }) => total + count, 0);
  const before = sum();
  for (let at = 0; at < seconds * 20; at++) await it.clock.advance(50);
  return (sum() - before) / seconds;
}

async function ended(it: Paced, asked: readonly ReturnType<typeof replies>[]): Promise<void> {
  for (const each of asked) each.stop();
  for (let at = 0; at < 40; at++) await it.clock.advance(500);
  await Promise.all(asked.map(({ over }) => over));
}

describe("bytes that go out", () => {
  it("come at once up to the burst, then at the average, and none is lost", async () => {
    await using it = await paced({ bytesOutPerSecond: 50 * KB, bytesBurst: 200 * KB });
    const asked = [replies(it.client("ann"))];
    const first = await rateOf(it, asked, 1);
    expect(first).toBeGreaterThan(190);
    expect(first).toBeLessThan(260);
    await rateOf(it, asked, 2);
    const average = await rateOf(it, asked, 10);
    expect(average).toBeGreaterThan(40);
    expect(average).toBeLessThan(51);
    await ended(it, asked);
  });

  it("are counted over all sessions of a principal, whatever is resumed, and not with those of another", async () => {
    await using it = await paced({ bytesOutPerSecond: 50 * KB, bytesBurst: 50 * KB });
    const asked = [replies(it.client("ann")), replies(it.client("ann")), replies(it.client("bob"))];
    await rateOf(it, asked, 5);
    for (let times = 0; times < 5; times++) {
      it.cut();
      const [ann, bob] = [asked.slice(0, 2), asked.slice(2)];
      const before = bob[0]!.count;
      expect(await rateOf(it, ann, 4)).toBeLessThan(55);
      expect(bob[0]!.count - before).toBeGreaterThan(120);
    }
    await ended(it, asked);
  });

  it("of a topic wait in its log: a slow subscriber gets every event, in order", async () => {
    await using it = await paced({ bytesOutPerSecond: 20 * KB, bytesBurst: 10 * KB });
    const client = it.client("ann");
    const heard: number[] = [];
    const reading = (async () => {
      for await (const { sequence } of client.ticks({ board: "b" })) {
        heard.push(sequence);
        if (sequence === 300) return;
      }
    })();
    await it.clock.advance(1_000);
    for (let sequence = 1; sequence <= 300; sequence++) {
      await it.topics.ticks.publish({ board: "b" }, { sequence, symbol: text });
      await it.clock.advance(5);
    }
    expect(heard.length).toBeGreaterThan(10);
    expect(heard.length).toBeLessThan(200);
    for (let at = 0; at < 100 && heard.length < 300; at++) await it.clock.advance(500);
    await reading;
    expect(heard).toEqual(Array.from({ length: 300 }, (_, at) => at + 1));
  });

  it("keep a link alive, however far above the average one batch was", async () => {
    await using it = await paced({ bytesOutPerSecond: 1 * KB, bytesBurst: 2 * KB });
    const connection = it.client("ann");
    const large = outcome(connection.echo({ text: "900000" })); // fifteen minutes' worth
    await it.clock.advance(1_000);
    expect(await large).toBe("ok");
    const next = outcome(connection.echo({ text: "1" }));
    await it.clock.advance(60_000); // longer than any silence that is borne
    expect(await next).toBe("ok");
  });
});

describe("bytes that come in", () => {
  it("are read at the average: what a client uploads waits at the client", async () => {
    await using it = await paced({ bytesInPerSecond: 20 * KB, bytesBurst: 20 * KB });
    const client = it.client("ann");
    const upload = (async function* () {
      for (let at = 0; at < 400; at++) yield { text };
    })();
    const answered = (async () => {
      for await (const reply of client.chat(upload)) return reply.text;
      return undefined;
    })();
    await it.clock.advance(500);
    const early = it.calls.length;
    expect(early).toBeLessThan(200);
    for (let at = 0; at < 100; at++) await it.clock.advance(100);
    const later = it.calls.length - early;
    expect(later).toBeGreaterThan(100);
    expect(later).toBeLessThan(260);
    for (let at = 0; at < 60; at++) await it.clock.advance(500);
    expect(await answered).toBe("400");
  });
});

describe("the store", () => {
  it("counts for all servers that have it", async () => {
    const clock = virtualClock();
    using store = await sharedStore(clock);
    const options = { bytesOutPerSecond: 50 * KB, bytesBurst: 50 * KB };
    await using one = await paced(options, { clock, store });
    await using two = await paced(options, { clock, store });
    const asked = [replies(one.client("ann")), replies(two.client("ann"))];
    await rateOf(one, asked, 3);
    const together = await rateOf(one, asked, 10);
    expect(together).toBeGreaterThan(35);
    expect(together).toBeLessThan(52);
    await ended(one, asked);
  });

  it("that is away stops nobody: each server keeps the average by itself", async () => {
    const clock = virtualClock();
    using store = await sharedStore(clock);
    await using it = await paced({ bytesOutPerSecond: 50 * KB, bytesBurst: 50 * KB }, { clock, store });
    const asked = [replies(it.client("ann"))];
    await rateOf(it, asked, 3);
    store.fails = true;
    const average = await rateOf(it, asked, 10);
    expect(average).toBeGreaterThan(35);
    expect(average).toBeLessThan(55);
    store.fails = false;
    await ended(it, asked);
  });
});

describe.each(wayNames)("by %s", { timeout: 30_000 }, (way) => {
  it("a stream of more than the burst takes its time, and comes whole", async () => {
    await using it = await stage({
      use: [names, limits({ bytesOutPerSecond: 200 * KB, bytesBurst: 50 * KB })],
      handlers: {
        async *count({ to }) {
          for (let value = 1; value <= to; value++) yield { value, text: "" };
        },
        async *chat() {
          for (let at = 0; at < 200; at++) yield { text: `${at} ${text}` };
        },
      },
    });
    const began = performance.now();
    const got: string[] = [];
    const none = (async function* () {})();
    // Connect and gRPC-web carry a conversation over HTTP/2 where Node is the client.
    for await (const { text: said } of it.client(way, "ann").chat(none)) got.push(said.split(" ")[0]!);
    expect(got).toEqual(Array.from({ length: 200 }, (_, at) => String(at)));
    expect(performance.now() - began).toBeGreaterThan(500); // 150 KB above the burst, at 200 KB/s
  });

  it("what is uploaded above the burst is read at the average, and comes whole", async () => {
    await using it = await stage({
      use: [names, limits({ bytesInPerSecond: 200 * KB, bytesBurst: 50 * KB })],
      handlers: {
        async *chat(requests) {
          let count = 0;
          for await (const request of requests) count += request.text.length;
          yield { text: String(count) };
        },
      },
    });
    const began = performance.now();
    const upload = from(Array.from({ length: 200 }, () => ({ text })));
    const [reply] = await take(it.client(way, "ann").chat(upload), 1);
    expect(reply?.text).toBe("200000");
    expect(performance.now() - began).toBeGreaterThan(500);
  });
});

describe.each(wayNames.filter((way) => way.includes("door")))("by %s", { timeout: 30_000 }, (way) => {
  it("a call that begins above the average is refused, and told when to come again", async () => {
    await using it = await stage({
      use: [names, limits({ bytesInPerSecond: 1 * KB, bytesBurst: 10 * KB })],
    });
    const client = it.client(way, "ann");
    expect(await outcome(client.echo({ text: text.repeat(30) }))).toBe("ok");
    await expect.poll(async () => reasonOf(await outcome(client.peek({}))), { timeout: 15_000 }).toBe("bytes_limited");
    const refused = await outcome(client.peek({}));
    expect(retryAfterMs(refused)).toBeGreaterThan(1_000);
    expect(String(refused)).toContain("More than 1000 bytes a second per principal.");
    expect(
      reasonOf(
        await outcome(
          (async () => {
            for await (const _ of client.ticks({ board: "b" })) return;
          })(),
        ),
      ),
    ).toBe("bytes_limited");
    expect(await outcome(it.client(way, "bob").peek({}))).toBe("ok");
  });
});
