// Servers that share a Redis: bytes per second of a principal are counted over all of them, and one whose Redis is away says that it is not ready, and goes on.
import { redisStore } from "@raceway/backplane-redis";
import { limits } from "@raceway/middleware/limits";
import { memory } from "@raceway/server";
import { describe, expect, it } from "vitest";
import { missingMessage, needService } from "../../tools/services.mjs";
import { take } from "../app/lab.ts";
import { names, stage } from "../middleware/stage.ts";
import { redisServer } from "./redis-server.ts";

const program = needService("redis");
const leftOut = program === undefined ? ` (${missingMessage("redis")})` : "";
const KB = 1_000;

describe.skipIf(program === undefined)(`limits over Redis${leftOut}`, { timeout: 60_000 }, () => {
  it("a principal who reads from two servers reads no faster than from one", async () => {
    await using redis = await redisServer(program!);
    const server = (): ReturnType<typeof stage> =>
      stage({
        use: [names, limits({ bytesOutPerSecond: 200 * KB, bytesBurst: 50 * KB })],
        backplane: memory({ store: redisStore({ url: redis.url }) }),
        handlers: {
          async *chat() {
            for (let at = 0; at < 200; at++) yield { text: "x".repeat(1_000) };
          },
        },
      });
    await using one = await server();
    await using two = await server();
    const read = async (it: typeof one, who: string): Promise<number> =>
      (await take(it.client("websocket", who).chat((async function* () {})()), 201)).length;
    const began = performance.now();
    expect(await Promise.all([read(one, "ann"), read(two, "ann")])).toEqual([200, 200]);
    const together = performance.now() - began;
    expect(together).toBeGreaterThan(1_500); // 350 KB above the burst, at 200 KB/s; each by itself takes 750 ms
  });

  it("a server whose Redis does not answer is not ready, serves all the same, and is ready again with it", async () => {
    await using redis = await redisServer(program!);
    await using it = await stage({
      use: [names, limits({ bytesOutPerSecond: 1_000 * KB })],
      backplane: memory({ store: redisStore({ url: redis.url }) }),
    });
    const ready = async (): Promise<unknown> => (await fetch(`${it.url}/readyz`)).json();
    expect(await ready()).toEqual({ status: "serving" });
    redis.sleep();
    await expect.poll(ready, { timeout: 20_000, interval: 250 }).toEqual({ status: "unready", failing: ["store"] });
    expect(await it.client("websocket", "ann").peek({ text: "tea" })).toMatchObject({ text: "tea" });
    expect((await fetch(`${it.url}/healthz`)).status).toBe(200);
    redis.wake();
    await expect.poll(ready, { timeout: 20_000, interval: 250 }).toEqual({ status: "serving" });
  });
});
