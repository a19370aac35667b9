// Fills the disk it is given beside a store, and prints what the store made of it.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { testHost } from "@raceway/testkit";
import { sqliteStore } from "../src/index.ts";

const folder = process.argv[2]!;
const part = sqliteStore({ file: join(folder, "a.sqlite") });
await using store = await part.start({ ...testHost("server"), clock: nodeClock() });
const put = (at: number): Promise<boolean> =>
  store.put(`key ${at}`, new Uint8Array(1_000).fill(at % 256), { ttlMs: 600_000, ifAbsent: true });

const ballast = join(folder, "ballast");
writeFileSync(ballast, new Uint8Array(1_000_000));
let written = 0;
let error: unknown;
try {
  while (written < 5_000) {
    await put(written);
    written++;
  }
} catch (cause) {
  error = cause;
}
let lost = 0;
for (let at = 0; at < written; at++) if ((await store.get(`key ${at}`))?.[999] !== at % 256) lost++;
rmSync(ballast);
const afterRoom = await put(written);
process.stdout.write(
  JSON.stringify({
    refused: [reasonOf(error), error instanceof ConnectError ? Code[error.code] : String(error)],
    message: error instanceof ConnectError ? error.rawMessage : "",
    lost: written < 10 ? "nothing was written" : lost,
    afterRoom,
  }),
);
