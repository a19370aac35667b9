// A server process on a SQLite store, for tests that kill it. Each run of the handler is in a ledger on disk before anything else happens.
import { appendFileSync, closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { sqliteStore } from "@raceway/backplane-sqlite";
import type { StorePart } from "@raceway/core";
import { memory, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { websocket } from "@raceway/transport-websocket/server";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";

/** What it tells its parent. */
export type Told =
  | { readonly kind: "listening"; readonly port: number }
  /** A reply is in the store, as durable as it gets, and not yet on its way to the client. */
  | { readonly kind: "kept" };

const [, , file = "", ledger = "", port = "0"] = process.argv;
const tell = (told: Told): void => void process.send!(told);
process.on("disconnect", () => process.exit());

/** The store, telling what it has taken. */
function told(part: StorePart): StorePart {
  return {
    ...part,
    async start(host) {
      const store = await part.start(host);
      return {
        get: (key) => store.get(key),
        async put(key, value, options) {
          const put = await store.put(key, value, options);
          if (options.ifAbsent !== true && key.startsWith("once ")) tell({ kind: "kept" });
          return put;
        },
        delete: (key) => store.delete(key),
        take: (key, cost, bucket) => store.take(key, cost, bucket),
        [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
      };
    },
  };
}

/** Appends a line, and waits for the disk. */
function write(line: string): void {
  const handle = openSync(ledger, "a");
  writeSync(handle, `${line}\n`);
  fsyncSync(handle);
  closeSync(handle);
}
appendFileSync(ledger, "");

const app = raceway({
  transports: [websocket()],
  backplane: memory({ store: told(sqliteStore({ file })) }),
});
app.serve(labService, {
  ...handlers([], virtualClock()),
  async add({ a, b }, context) {
    write(`run ${a} by ${process.pid}`);
    // Some take a few turns, so that a kill finds them in all states; some never end by themselves.
    for (let turn = 0; turn < a % 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    if (b === -1) await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
    context.responseHeader.set("x-process", String(process.pid));
    return { sum: a + b };
  },
});
tell({ kind: "listening", port: (await app.listen({ port: Number(port), host: "127.0.0.1" })).port });
