// A process that puts keys until it is killed, and tells each one that the store has acknowledged.
import { nodeClock } from "@raceway/core/node";
import { testHost } from "@raceway/testkit";
import { sqliteStore } from "../src/index.ts";

const [, , file = "", synchronous] = process.argv;
const part = sqliteStore({ file, synchronous: synchronous === "normal" ? "normal" : "full" });
const store = await part.start({ ...testHost("server"), clock: nodeClock() });
const puts = async (lane: number): Promise<never> => {
  for (let at = 0; ; at++) {
    const key = `lane ${lane}, key ${at}`;
    await store.put(key, new TextEncoder().encode(key), { ttlMs: 600_000, ifAbsent: true });
    process.send!(key);
  }
};
await Promise.all(Array.from({ length: 8 }, (_, lane) => puts(lane)));
