// Tokens taken back on one server, on another that shares its Redis: out within two seconds by every way in, and not in again.
import { token } from "@raceway/auth-token/server";
import { redisStore } from "@raceway/backplane-redis";
import { reasonOf } from "@raceway/core";
import { memory } from "@raceway/server";
import { SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { missingMessage, needService } from "../../tools/services.mjs";
import { outcome, stage, wayNames } from "../middleware/stage.ts";
import { redisServer } from "./redis-server.ts";

const program = needService("redis");
const leftOut = program === undefined ? ` (${missingMessage("redis")})` : "";
const secret = new TextEncoder().encode("thirty-two bytes that nobody knows");

const signed = (sub: string, iat: number): Promise<string> =>
  new SignJWT({ sub, iat, aud: "lab", exp: iat + 600 }).setProtectedHeader({ alg: "HS256" }).sign(secret);

describe.skipIf(program === undefined)(`revocations over Redis${leftOut}`, () => {
  it("end streams on the other server, by every way in, and no others", async () => {
    await using redis = await redisServer(program!);
    const server = (): Parameters<typeof stage>[0] & { tokens: ReturnType<typeof token> } => {
      const tokens = token({ audience: "lab", secret });
      return {
        tokens,
        use: [tokens],
        backplane: memory({ store: redisStore({ url: redis.url }) }),
        handlers: {
          async *count(_, { signal }) {
            yield { value: 1 };
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          },
        },
      };
    };
    const [north, south] = [server(), server()];
    await using one = await stage(north);
    await using two = await stage(south);
    const iat = Math.floor(Date.now() / 1_000) - 10;
    const [ann, bob] = [await signed("ann", iat), await signed("bob", iat)];
    const open = async (who: string): Promise<AsyncIterator<unknown>[]> => {
      const streams = wayNames.map((way) => two.client(way, who).count({})[Symbol.asyncIterator]());
      for (const stream of streams) expect((await stream.next()).value).toMatchObject({ value: 1 });
      return streams;
    };
    const [anns, bobs] = [await open(ann), await open(bob)];
    const ended: unknown[] = [];
    const noteEnd = (end: unknown): void => void ended.push(end);
    for (const stream of bobs) void outcome(stream.next()).then(noteEnd);
    const ends = anns.map((stream) => outcome(stream.next()));
    const began = performance.now();
    await north.tokens.revoke("ann");
    const reasons = (await Promise.all(ends)).map((error) => reasonOf(error));
    expect(reasons).toEqual(wayNames.map(() => "credential_revoked"));
    expect(performance.now() - began).toBeLessThan(5_000); // a second on a quiet machine
    expect(ended).toEqual([]);
    for (const it of [one, two])
      for (const way of wayNames)
        expect(reasonOf(await outcome(it.client(way, ann).peek({ text: "x" }))), way).toBe("credential_revoked");
    expect(await outcome(two.client("poll", bob).peek({ text: "x" }))).toBe("ok");
  });
});
