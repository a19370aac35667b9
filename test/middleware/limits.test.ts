// How much of a channel is used at one time: calls that run, streams that are read, subscribers of one topic; and that all of it is given back.
import { Code, ConnectError } from "@connectrpc/connect";
import { definePlugin, reasonOf, retryAfterMs } from "@raceway/core";
import { limits } from "@raceway/middleware/limits";
import { describe, expect, it } from "vitest";
import { first, names, outcome, stage, wayNames } from "./stage.ts";

describe.each(wayNames)("by %s", (way) => {
  it("no more calls run than the schema allows, and the next may come when one is over", async () => {
    const running: (() => void)[] = [];
    await using it = await stage({
      policy: { echo: { maxConcurrent: 2 } },
      use: [names, limits()],
      handlers: { echo: () => new Promise((resolve) => running.push(() => resolve({}))) },
    });
    const client = it.client(way, "ann");
    const calls = [outcome(client.echo({})), outcome(client.echo({}))];
    await expect.poll(() => running.length).toBe(2);
    const refused = await outcome(client.echo({}));
    expect(reasonOf(refused)).toBe("channel_busy");
    expect(retryAfterMs(refused)).toBe(250);
    for (const end of running) end();
    expect(await Promise.all(calls)).toEqual(["ok", "ok"]);
    const next = outcome(client.echo({}));
    await expect.poll(() => running.length).toBe(3);
    running[2]!();
    expect(await next).toBe("ok");
  });

  it("streams count as long as they run, also when their reader leaves", async () => {
    await using it = await stage({
      policy: { count: { maxConcurrent: 1 } },
      use: [names, limits()],
      handlers: {
        async *count(_, { signal }) {
          yield { value: 1 };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
    });
    const client = it.client(way, "ann");
    const abort = new AbortController();
    const stream = client.count({}, { signal: abort.signal })[Symbol.asyncIterator]();
    await stream.next();
    expect(reasonOf(await outcome(first(client.count({}))))).toBe("channel_busy");
    abort.abort();
    await outcome(stream.next());
    await expect.poll(() => outcome(first(client.count({})))).toBe("ok");
  });

  it("a topic has no more subscribers than the schema allows, each address by itself", async () => {
    await using it = await stage({ policy: { ticks: { maxSubscribers: 1 } }, use: [names, limits()] });
    const client = it.client(way, "ann");
    /** Publishes until what waits for a message has its answer. */
    const answered = async <T>(board: string, waiting: Promise<T>): Promise<T> => {
      let over = false;
      void waiting.finally(() => (over = true));
      const published = async (): Promise<boolean> => {
        await it.topics.ticks.publish({ board }, { sequence: 1 });
        return over;
      };
      await expect.poll(published).toBe(true);
      return waiting;
    };
    const read = (board: string): Promise<unknown> => answered(board, outcome(first(client.ticks({ board }))));
    const abort = new AbortController();
    const holding = client.ticks({ board: "x" }, { signal: abort.signal })[Symbol.asyncIterator]();
    expect((await answered("x", holding.next())).value).toMatchObject({ sequence: 1 });
    expect(reasonOf(await read("x"))).toBe("topic_crowded");
    expect(await read("y")).toBe("ok");
    abort.abort();
    await outcome(holding.next());
    await expect.poll(() => read("x")).toBe("ok");
  });
});

it.each(["websocket", "Connect door"] as const)(
  "what is cancelled before it begins holds no place, by %s",
  async (way) => {
    const held: (() => void)[] = [];
    let holds = true;
    const slow = definePlugin({
      name: "slow",
      before: ["limits"],
      start: () => ({
        call: () => (next) => async (request) => {
          if (holds) await new Promise<void>((resolve) => held.push(resolve));
          return next(request);
        },
      }),
    });
    await using it = await stage({ policy: { echo: { maxConcurrent: 1 } }, use: [names, slow, limits()] });
    const client = it.client(way, "ann");
    for (let times = 1; times <= 3; times++) {
      const abort = new AbortController();
      const call = outcome(client.echo({ text: "cancelled" }, { signal: abort.signal }));
      await expect.poll(() => held.length).toBe(times);
      abort.abort();
      expect(ConnectError.from(await call).code).toBe(Code.Canceled);
    }
    holds = false;
    await client.peek({}); // by now the server has heard of it
    for (const go of held) go();
    await expect.poll(() => outcome(client.echo({ text: "next" }))).toBe("ok");
    expect(await outcome(client.echo({ text: "again" }))).toBe("ok");
  },
);

it("a principal has no more than his share of a channel", async () => {
  const running: (() => void)[] = [];
  await using it = await stage({
    use: [names, limits({ concurrent: 3, concurrentPerPrincipal: 2 })],
    handlers: { echo: () => new Promise((resolve) => running.push(() => resolve({}))) },
  });
  const [ann, again, bob] = ["ann", "ann", "bob"].map((who) => it.client("websocket", who));
  const calls = [outcome(ann!.echo({})), outcome(again!.echo({}))];
  await expect.poll(() => running.length).toBe(2);
  expect(reasonOf(await outcome(ann!.echo({})))).toBe("channel_busy");
  calls.push(outcome(bob!.echo({})));
  await expect.poll(() => running.length).toBe(3);
  expect(reasonOf(await outcome(bob!.echo({})))).toBe("channel_busy"); // the channel's three
  for (const end of running) end();
  expect(await Promise.all(calls)).toEqual(["ok", "ok", "ok"]);
});

it("options out of range are refused where they are written", () => {
  expect(() => limits({ concurrent: -1 })).toThrow("concurrent");
  expect(() => limits({ parallel: 1 } as never)).toThrow("parallel");
});
