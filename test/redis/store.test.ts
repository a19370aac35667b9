// The Redis store held against the compliance kit, and what it does when Redis is away, asleep, or new.
import { redisStore } from "@raceway/backplane-redis";
import { type Host, type Store, type StorePart, reasonOf, silentLogger, systemRandom } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { rateLimit } from "@raceway/middleware/rate-limit";
import { memory } from "@raceway/server";
import { storeCases } from "@raceway/testkit";
import { registerCases } from "@raceway/testkit/vitest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missingMessage, needService } from "../../tools/services.mjs";
import { names, outcome, stage } from "../middleware/stage.ts";
import { type RedisServer, redisServer } from "./redis-server.ts";

const program = needService("redis");
const leftOut = program === undefined ? ` (${missingMessage("redis")})` : "";

describe.skipIf(program === undefined)(`the redis store${leftOut}`, () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await redisServer(program!);
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  let stores = 0;
  const fresh = (): StorePart => redisStore({ url: redis.url, prefix: `case-${++stores}` });
  registerCases(storeCases({ traits: redisStore({ url: "redis://127.0.0.1" }).traits, fresh }));
});

const host: Omit<Host, "store"> = {
  side: "server",
  clock: nodeClock(),
  random: systemRandom,
  log: silentLogger,
  draining: new AbortController().signal,
};
const open = (redis: RedisServer, timeoutMs = 500): Promise<Store & AsyncDisposable> =>
  redisStore({ url: redis.url, timeoutMs }).start(host);
const value = Uint8Array.of(1);
const bucket = { perSecond: 0.001, burst: 2 };

describe.skipIf(program === undefined)(`outages${leftOut}`, () => {
  it("a server that is not there when the app starts is said so, in time", async () => {
    await using redis = await redisServer(program!);
    await redis.kill();
    const error: unknown = await open(redis).catch((cause: unknown) => cause);
    expect(reasonOf(error)).toBe("store_failed");
    expect(String(error)).not.toContain("127.0.0.1");
  });

  it("what is asked while it is away fails at once, and works again when it is back, without its scripts", async () => {
    await using redis = await redisServer(program!);
    await using store = await open(redis);
    await store.put("a", value, { ttlMs: 60_000 });
    await redis.kill();
    const failures = await Promise.all([
      outcome(store.get("a")),
      outcome(store.put("a", value, { ttlMs: 1_000 })),
      outcome(store.delete("a")),
      outcome(store.take("t", 1, bucket)),
    ]);
    expect(failures.map((error) => reasonOf(error))).toEqual(Array.from({ length: 4 }, () => "store_failed"));
    await redis.start();
    await expect.poll(() => outcome(store.put("b", value, { ttlMs: 60_000 })), { timeout: 10_000 }).toBe("ok");
    expect(await store.get("b")).toEqual(value);
    expect(await store.get("a")).toBeUndefined();
  });

  it("one that is asleep holds nobody up for longer than the timeout", async () => {
    await using redis = await redisServer(program!);
    await using store = await open(redis, 200);
    redis.sleep();
    const began = performance.now();
    expect(reasonOf(await outcome(store.take("t", 1, bucket)))).toBe("store_failed");
    expect(performance.now() - began).toBeLessThan(2_000);
    redis.wake();
    await expect.poll(() => outcome(store.get("a")), { timeout: 10_000 }).toBe("ok");
  });

  it("an app whose store is away refuses what it cannot count, and nothing hangs", async () => {
    await using redis = await redisServer(program!);
    const backplane = memory({ store: redisStore({ url: redis.url, timeoutMs: 500 }) });
    await using app = await stage({ use: [names, rateLimit({ perSecond: 10, burst: 10 })], backplane });
    const client = app.client("websocket", "ann");
    expect(await outcome(client.peek({}))).toBe("ok");
    await redis.kill();
    expect(reasonOf(await outcome(client.peek({})))).toBe("store_failed");
    await redis.start();
    await expect.poll(() => outcome(client.peek({})), { timeout: 10_000 }).toBe("ok");
  });
});

describe.skipIf(program === undefined)(`many servers${leftOut}`, () => {
  it("share one rate: no more get through than one bucket holds, whichever server they come to", async () => {
    await using redis = await redisServer(program!);
    const server = () =>
      stage({
        use: [names, rateLimit({ perSecond: 0.001, burst: 5 })],
        backplane: memory({ store: redisStore({ url: redis.url }) }),
      });
    await using one = await server();
    await using two = await server();
    const calls = Array.from({ length: 20 }, (_, at) =>
      outcome((at % 2 === 0 ? one : two).client(at % 3 === 0 ? "poll" : "websocket", "ann").peek({})),
    );
    const answers = await Promise.all(calls);
    expect(answers.filter((answer) => answer === "ok")).toHaveLength(5);
    expect(new Set(answers.filter((answer) => answer !== "ok").map((answer) => reasonOf(answer)))).toEqual(
      new Set(["rate_limited"]),
    );
  });
});

it("options that cannot work are refused where they are written, and a password is not shown", () => {
  for (const url of ["http://user:secret@host", "localhost", "redis://[bad"]) {
    let error: unknown;
    try {
      redisStore({ url });
    } catch (cause) {
      error = cause;
    }
    expect(reasonOf(error)).toBe("option_invalid");
    expect(String(error)).not.toContain("secret");
  }
  expect(() => redisStore({ url: "redis://host", timeoutMs: 0 })).toThrow("timeoutMs");
});
