// An operator on one of two servers that share a Redis: what he does holds at both, by every way in; one key publishes once.
import { redisStore } from "@raceway/backplane-redis";
import { reasonOf } from "@raceway/core";
import { memory } from "@raceway/server";
import { describe, expect, it, vi } from "vitest";
import { missingMessage, needService } from "../../tools/services.mjs";
import { adminStage } from "../admin/admin-stage.ts";
import { outcome, wayNames } from "../middleware/stage.ts";
import { redisServer } from "./redis-server.ts";

const program = needService("redis");
const leftOut = program === undefined ? ` (${missingMessage("redis")})` : "";
vi.setConfig({ testTimeout: 60_000 }); // a server and sockets by every way in, on a busy machine

const ADDRESS = "boards/tea/ticks";

describe.skipIf(program === undefined)(`the admin service over Redis${leftOut}`, () => {
  it("sends a principal away from the other server, by every way in, and nobody else", async () => {
    await using redis = await redisServer(program!);
    const server = (): ReturnType<typeof adminStage> =>
      adminStage({
        backplane: memory({ store: redisStore({ url: redis.url }) }),
        handlers: {
          async *count(_, { signal }) {
            yield { value: 1 };
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          },
        },
      });
    await using north = await server();
    await using south = await server();
    const open = async (who: string): Promise<AsyncIterator<unknown>[]> => {
      const streams = wayNames.map((way) => south.client(way, who).count({})[Symbol.asyncIterator]());
      for (const stream of streams) expect((await stream.next()).value).toMatchObject({ value: 1 });
      return streams;
    };
    const [anns, bobs] = [await open("ann"), await open("bob")];
    const ended: unknown[] = [];
    for (const stream of bobs) void outcome(stream.next()).then((end) => ended.push(end));
    const ends = anns.map((stream) => outcome(stream.next()));
    const began = performance.now();
    const whom = { case: "principal", value: "ann" } as const;
    const stayAway = { seconds: 600n, nanos: 0 };
    expect(await north.operator("Connect door").disconnect({ whom, stayAway })).toMatchObject({
      sessions: 0,
      nativeCalls: 0,
      toldOthers: true,
    });
    expect((await Promise.all(ends)).map((error) => reasonOf(error))).toEqual(wayNames.map(() => "stays_away"));
    expect(performance.now() - began).toBeLessThan(10_000); // a second on a quiet machine
    expect(ended).toEqual([]);
    for (const it of [north, south])
      for (const way of wayNames)
        expect(reasonOf(await outcome(it.client(way, "ann").peek({ text: "x" }))), way).toBe("stays_away");
    expect(await south.operator().disconnect({ whom })).toMatchObject({ toldOthers: true });
    for (const it of [north, south]) expect(await outcome(it.client("poll", "ann").peek({ text: "x" }))).toBe("ok");
  });

  it("publishes once with one key, whichever server is asked", async () => {
    await using redis = await redisServer(program!);
    const server = (): ReturnType<typeof adminStage> =>
      adminStage({ backplane: memory({ store: redisStore({ url: redis.url }) }) });
    await using north = await server();
    await using south = await server();
    const headers = { "idempotency-key": "once" };
    const answers = await Promise.all(
      [north, south, north, south].map((it) => it.operator().publish({ address: ADDRESS }, { headers })),
    );
    expect(new Set(answers.map(({ epoch, offset }) => `${epoch}:${offset}`)).size).toBe(1);
    expect((await north.operator().publish({ address: ADDRESS })).offset).toBeLessThanOrEqual(2n);
  });
});
