// Rates: who is counted together, what comes back in time, and that no other way in is a way around.
import { sqliteStore } from "@raceway/backplane-sqlite";
import { connect } from "@raceway/client";
import { type ChannelPolicy, memoryTransport, reasonOf, retryAfterMs } from "@raceway/core";
import { ipFilter } from "@raceway/middleware/ip-filter";
import { rateLimit } from "@raceway/middleware/rate-limit";
import { memory as memoryBackplane, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { first, names, outcome, stage, wayNames } from "./stage.ts";

async function slow(options: {
  use: ReturnType<typeof rateLimit>;
  policy?: Readonly<Record<string, ChannelPolicy>>;
}): Promise<{
  clock: VirtualClock;
  client: (credential: string) => LabClient;
  publish: (by: string) => Promise<unknown>;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const clock = virtualClock();
  const memory = memoryTransport();
  const app = raceway({ transports: [memory.server], clock, use: [names, options.use] });
  const topics = app.serve(
    { ...labService, policy: options.policy ?? {} },
    {
      ...handlers([], clock),
      async echo({ text }, context) {
        await topics.ticks.publish({ board: text }, { sequence: 1 }, context);
        return {};
      },
    },
  );
  await app.listen({ port: 0, host: "127.0.0.1" });
  const closers: (() => Promise<void>)[] = [];
  return {
    clock,
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
    publish: () => topics.ticks.publish({ board: "x" }, { sequence: 1 }),
    async [Symbol.asyncDispose]() {
      for (const close of closers) await close();
      const closing = app.close(0);
      await clock.advance(100);
      await closing;
    },
  };
}

const add = async (client: LabClient, times: number): Promise<unknown[]> => {
  const answers: unknown[] = [];
  for (let at = 0; at < times; at++) answers.push(await outcome(client.peek({ text: "x" })));
  return answers;
};
const passed = (answers: readonly unknown[]): number => answers.filter((answer) => answer === "ok").length;

describe("a rate", () => {
  it("lets a burst through, then the average, and says when the next may come", async () => {
    await using it = await slow({ use: rateLimit({ perSecond: 2, burst: 5 }) });
    const client = it.client("ann");
    const answers = await add(client, 8);
    expect(passed(answers)).toBe(5);
    const refused = answers.at(-1);
    expect(reasonOf(refused)).toBe("rate_limited");
    expect(String(refused)).toContain("/lab.v1.LabService/Peek is used more than 2 times a second per principal");
    const waitMs = retryAfterMs(refused)!;
    expect(waitMs).toBe(500);
    await it.clock.advance(waitMs - 1);
    expect(passed(await add(client, 1))).toBe(0);
    await it.clock.advance(1);
    expect(passed(await add(client, 2))).toBe(1);
    await it.clock.advance(60_000);
    expect(passed(await add(client, 8))).toBe(5); // no more than a burst, however long it was quiet
  });

  it("is each principal's own, over all his sessions; those who are nobody share their address", async () => {
    await using it = await slow({ use: rateLimit({ perSecond: 1, burst: 3 }) });
    const [ann, again, bob, nobody, another] = ["ann", "ann", "bob", "", ""].map((who) => it.client(who));
    expect(passed(await add(ann!, 2)) + passed(await add(again!, 2))).toBe(3);
    expect(passed(await add(bob!, 4))).toBe(3);
    expect(passed(await add(nobody!, 2)) + passed(await add(another!, 2))).toBe(3);
  });

  it.each<["session" | "channel" | "address", number]>([
    ["session", 6],
    ["channel", 3],
    ["address", 3],
  ])("per %s: two principals may %i times", async (scope, times) => {
    await using it = await slow({ use: rateLimit({ perSecond: 1, burst: 3, scope }) });
    expect(passed(await add(it.client("ann"), 4)) + passed(await add(it.client("bob"), 4))).toBe(times);
  });

  it("of the schema takes the place of the options, and all of several hold", async () => {
    const policy: Record<string, ChannelPolicy> = {
      peek: {
        rateLimits: [
          { limit: 4, windowMs: 1_000 },
          { limit: 60, windowMs: 60_000, burst: 6, scope: "channel" },
        ],
      },
    };
    await using it = await slow({ policy, use: rateLimit({ perSecond: 1, burst: 1 }) });
    expect(passed(await add(it.client("ann"), 6))).toBe(4);
    expect(passed(await add(it.client("bob"), 6))).toBe(2); // the channel's six are used up
  });

  it("counts each topic by itself, if it says so, and publications apart from subscriptions", async () => {
    await using it = await slow({ use: rateLimit({ perSecond: 1, burst: 2, scope: "topic" }) });
    const client = it.client("ann");
    const subscribe = async (board: string): Promise<unknown> => {
      const abort = new AbortController();
      const reading = outcome(first(client.ticks({ board }, { signal: abort.signal })));
      await it.clock.settle();
      abort.abort();
      return reading;
    };
    const reasons = async (board: string, times: number): Promise<unknown[]> => {
      const all: unknown[] = [];
      for (let at = 0; at < times; at++) all.push(reasonOf(await subscribe(board)));
      return all;
    };
    expect(await reasons("x", 3)).toEqual(["call_cancelled", "call_cancelled", "rate_limited"]);
    expect(await reasons("y", 2)).toEqual(["call_cancelled", "call_cancelled"]);
    expect(await outcome(client.echo({ text: "x" }))).toBe("ok"); // publishes
    expect(await outcome(client.echo({ text: "x" }))).toBe("ok");
    expect(reasonOf(await outcome(client.echo({ text: "x" })))).toBe("rate_limited");
    for (let at = 0; at < 5; at++) await it.publish("the server itself");
  });

  it("is not there for whoever has none", () => {
    const plugin = rateLimit({ perSecond: 0 });
    expect(plugin.enforces).toEqual(["rateLimits"]);
    expect(() => rateLimit({ perSecond: -1 })).toThrow("perSecond");
    expect(() => rateLimit({ scope: "planet" as never })).toThrow("principal, address");
  });
});

describe("no way around", () => {
  it("a principal who has used up his rate by one transport is refused by every other, and at every door", async () => {
    await using it = await stage({ use: [names, rateLimit({ perSecond: 0.001, burst: 4 })] });
    const answers: unknown[] = [];
    for (const way of [...wayNames, ...wayNames])
      answers.push(await outcome(it.client(way, "ann").peek({ text: way })));
    expect(passed(answers)).toBe(4);
    expect(new Set(answers.slice(4).map((answer) => reasonOf(answer)))).toEqual(new Set(["rate_limited"]));
    expect(it.calls).toHaveLength(4);
  });

  it("two servers with one store count together", async () => {
    const open = () =>
      stage({
        use: [names, rateLimit({ perSecond: 0.001, burst: 3 })],
        backplane: memoryBackplane({ store: sqliteStore({ file }) }),
      });
    const { mkdtemp, rm } = await import("node:fs/promises");
    const folder = await mkdtemp("/tmp/raceway-rate-");
    const file = `${folder}/store.db`;
    try {
      await using one = await open();
      await using two = await open();
      const answers: unknown[] = [];
      for (const server of [one, two, one, two, one])
        answers.push(await outcome(server.client("websocket", "ann").peek({ text: "x" })));
      expect(answers.map((answer) => answer === "ok")).toEqual([true, true, true, false, false]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

it("whoever has a network of IPv6 to himself has one rate in it, and no more for each of its addresses", async () => {
  await using it = await stage({
    use: [rateLimit({ perSecond: 0.001, burst: 2, scope: "address" }), ipFilter({ trustedProxies: ["127.0.0.1"] })],
  });
  const from = async (address: string): Promise<unknown> => {
    const { client } = await it.behind("Connect door", "", { "x-forwarded-for": address });
    const answer = await outcome(client.peek({}));
    return reasonOf(answer) ?? answer;
  };
  expect([await from("2001:db8:0:7::1"), await from("2001:db8::7:1:2:3:4")]).toEqual(["ok", "ok"]);
  expect(await from("2001:0DB8:0000:0007:ffff::9")).toBe("rate_limited");
  expect([await from("2001:db8:0:8::1"), await from("::1"), await from("::ffff:198.51.100.1")]).toEqual([
    "ok",
    "ok",
    "ok",
  ]);
  // IPv4 is counted by each address, however it is written.
  expect([await from("::ffff:c633:6401"), await from("198.51.100.1"), await from("198.51.100.2")]).toEqual([
    "ok",
    "rate_limited",
    "ok",
  ]);
});
