// What is particular to SQLite: the file and its errors, several processes, what is left on disk.
import { fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Store, errorInfo, reasonOf, retryAfterMs, silentLogger } from "@raceway/core";
import { type VirtualClock, testHost, virtualClock } from "@raceway/testkit";
import { afterAll, describe, expect, it } from "vitest";
import { type SqliteStoreOptions, sqliteStore } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "raceway-store-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = (): string => join(folder, `${++files}.sqlite`);

const long = { ttlMs: 600_000 };
const absent = { ...long, ifAbsent: true };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

type Opened = Store & AsyncDisposable & { readonly clock: VirtualClock };
async function open(options: SqliteStoreOptions, clock = virtualClock()): Promise<Opened> {
  const store = await sqliteStore(options).start({ ...testHost("server"), clock });
  return Object.assign(store, { clock });
}
const failure = (promise: Promise<unknown>): Promise<ConnectError> =>
  promise.then(
    () => new ConnectError("nothing failed"),
    (error: unknown) => error as ConnectError,
  );
async function told(promise: Promise<unknown>): Promise<[reason: string | undefined, code: string]> {
  const error = await failure(promise);
  return [reasonOf(error), Code[error.code]];
}

describe("options", () => {
  it("want a file: a database in memory is no durable store", () => {
    for (const file of ["", ":memory:"]) expect(() => sqliteStore({ file })).toThrow(/expected the path of a file/);
    expect(() => sqliteStore({ file: newFile(), synchronous: "off" as never })).toThrow(/expected one of full, normal/);
  });

  it("say what survives", () => {
    const durability = (options?: object): string => sqliteStore({ file: "x", ...options }).traits.durability;
    expect(durability()).toBe("power-loss");
    expect(durability({ synchronous: "full" })).toBe("power-loss");
    expect(durability({ synchronous: "normal" })).toBe("process-crash");
  });
});

describe("a file that cannot be a store", () => {
  it("is named, with the reason: no folder, a folder, no right to write", async () => {
    const nowhere = join(folder, "nowhere", "a.sqlite");
    expect((await failure(open({ file: nowhere }))).rawMessage).toBe(
      `${nowhere} cannot be opened: unable to open database file. Give a file in a folder that exists and may be written to, on a local disk.`,
    );
    const unfit = join(folder, "unfit");
    mkdirSync(unfit);
    expect(await told(open({ file: unfit }))).toEqual(["store_unopenable", "FailedPrecondition"]);
    expect(await told(open({ file: "/proc/version" }))).toEqual(["store_unopenable", "FailedPrecondition"]); // root may not write there either
  });

  it("is refused when it is something else, and left as it is", async () => {
    const file = newFile();
    writeFileSync(file, "Dear diary, ".repeat(1_000));
    expect(await told(open({ file }))).toEqual(["store_corrupt", "DataLoss"]);
    expect(statSync(file).size).toBe(12_000);
  });

  it("is refused when it was written by a newer release, and left as it is", async () => {
    const file = newFile();
    await (await open({ file }))[Symbol.asyncDispose]();
    const database = new DatabaseSync(file);
    database.exec("update raceway_schema set version = 99");
    database.close();
    const error = await failure(open({ file }));
    expect([reasonOf(error), errorInfo(error)?.metadata]).toEqual(["store_newer", { file, version: "99", known: "1" }]);
  });

  it("that was damaged says so when it is read, without telling the path to whoever asked", async () => {
    const file = newFile();
    const store = await open({ file });
    for (let at = 0; at < 200; at++) await store.put(`key ${at}`, new Uint8Array(1_000), long);
    await store[Symbol.asyncDispose]();
    const handle = openSync(file, "r+");
    writeSync(handle, new Uint8Array(120_000).fill(0x5a), 0, 120_000, 40_960);
    closeSync(handle);
    const error = await failure(
      (async () => {
        await using damaged = await open({ file });
        for (let at = 0; at < 200; at++) await damaged.get(`key ${at}`);
      })(),
    );
    expect([reasonOf(error), error.code]).toEqual(["store_corrupt", Code.DataLoss]);
    expect(error.rawMessage).not.toContain(folder);
  });
});

describe("limits", () => {
  it("refuses what exceeds maxBytes, leaves the rest as it was, and goes on when room was made", async () => {
    await using store = await open({ file: newFile(), maxBytes: 1_048_576 });
    await store.put("small", bytes("kept"), long);
    await store.put("brief", new Uint8Array(700_000), { ttlMs: 1_000 });
    const error = await failure(store.put("small", new Uint8Array(600_000), long));
    expect([reasonOf(error), error.code]).toEqual(["store_full", Code.ResourceExhausted]);
    expect(errorInfo(error)?.metadata["limit"]).toBe("1048576");
    expect(await store.get("small")).toEqual(bytes("kept"));
    await store.clock.advance(1_000); // "brief" expires, and is cleared away for the next
    expect(await store.put("small", new Uint8Array(600_000), long)).toBe(true);
  });

  it("one value that is too large for the file spoils nothing that was put in the same turn", async () => {
    await using store = await open({ file: newFile(), maxBytes: 1_048_576 });
    const [before, tooLarge, after] = await Promise.allSettled([
      store.put("before", bytes("1"), absent),
      store.put("too large", new Uint8Array(2_000_000), absent),
      store.put("after", bytes("2"), absent),
    ]);
    expect([before, after]).toEqual([
      { status: "fulfilled", value: true },
      { status: "fulfilled", value: true },
    ]);
    expect(tooLarge.status === "rejected" && reasonOf(tooLarge.reason)).toBe("store_full");
    expect(await store.get("too large")).toBeUndefined();
  });

  it("does not grow with keys that come and go", async () => {
    const file = newFile();
    await using store = await open({ file });
    const round = async (): Promise<number> => {
      const keys = Array.from({ length: 500 }, (_, at) => `${store.clock.now()} ${at}`);
      await Promise.all(keys.map((key) => store.put(key, new Uint8Array(1_000), { ttlMs: 1_000 })));
      await Promise.all(keys.map((key) => store.take(key, 1, { perSecond: 1, burst: 1 })));
      await store.clock.advance(1_000);
      const database = new DatabaseSync(file, { readOnly: true });
      const { count } = database
        .prepare("select (select count(*) from raceway_store) + (select count(*) from raceway_bucket) as count")
        .get() as { count: number };
      database.close();
      return count;
    };
    const rows: number[] = [];
    for (let at = 0; at < 10; at++) rows.push(await round());
    expect(Math.max(...rows)).toBeLessThanOrEqual(2_000); // this round's 1,000, and what the one before left
    await store.clock.advance(60_000);
    expect(store.clock.timers).toBe(1); // one for all keys
    const database = new DatabaseSync(file, { readOnly: true });
    expect(database.prepare("select count(*) as count from raceway_store").get()).toEqual({ count: 0 });
    database.close();
  });
});

describe("several users of one file", () => {
  it("a write that waits longer than busyMs fails with a time to try again, and nothing is written", async () => {
    const file = newFile();
    await using store = await open({ file, busyMs: 5 });
    const other = new DatabaseSync(file);
    other.exec("begin immediate");
    const error = await failure(store.put("a", bytes("1"), long));
    expect([reasonOf(error), error.code, retryAfterMs(error)]).toEqual(["store_failed", Code.Unavailable, 100]);
    expect(await store.get("a")).toBeUndefined(); // readers do not wait for writers
    other.exec("commit");
    other.close();
    expect(await store.put("a", bytes("1"), long)).toBe(true);
  });

  it("may start at once on a file that is not there yet", async () => {
    const file = newFile();
    const stores = await Promise.all(Array.from({ length: 8 }, () => open({ file })));
    const won = await Promise.all(stores.map((store, at) => store.put("a", bytes(String(at)), absent)));
    expect(won.filter(Boolean)).toHaveLength(1);
    for (const store of stores) await store[Symbol.asyncDispose]();
  });

  it("leaves tables of others in the file alone", async () => {
    const file = newFile();
    const mine = new DatabaseSync(file);
    mine.exec("create table users (name text); insert into users values ('Ada')");
    await using store = await open({ file });
    await store.put("a", bytes("1"), long);
    expect(mine.prepare("select name from users").all()).toEqual([{ name: "Ada" }]);
    mine.close();
  });
});

it("on a full disk refuses writes, goes on reading, and writes again when there is room", (context) => {
  const disk = join(folder, "disk");
  mkdirSync(disk);
  // A disk of 2 MiB in a namespace of its own: it is gone with the process.
  const run = spawnSync(
    "unshare",
    ["-Urm", "sh", "-c", `mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" -C @raceway/source "$3" "$1"`, "sh"].concat(
      [disk, process.execPath, fileURLToPath(new URL("../test/full-disk.ts", import.meta.url))],
    ),
    { encoding: "utf8" },
  );
  if (run.error !== undefined || /unshare:|mount:/.test(run.stderr))
    context.skip(`needs a small disk: ${run.error?.message ?? run.stderr.trim()}`);
  expect(run.stderr).toBe("");
  expect(JSON.parse(run.stdout)).toEqual({
    refused: ["disk_full", "ResourceExhausted"],
    message: "There is no space left for a.sqlite. Nothing was written; make room, the store goes on by itself.",
    lost: 0,
    afterRoom: true,
  });
});

it("a write-ahead log that lost its end, as when power is lost, leaves a whole store with all that came before", async () => {
  const file = newFile();
  await using store = await open({ file });
  const sizes: number[] = [];
  for (let at = 0; at < 20; at++) {
    await store.put(`key ${at}`, bytes(`value ${at}`), long);
    sizes.push(statSync(`${file}-wal`).size);
  }
  const log = readFileSync(`${file}-wal`);
  let most = 0;
  for (let length = log.length; length > log.length - 12_000; length -= 331) {
    const copy = newFile();
    copyFileSync(file, copy);
    writeFileSync(`${copy}-wal`, log.subarray(0, length));
    await using after = await open({ file: copy }, virtualClock());
    const committed = sizes.filter((size) => size <= length).length;
    for (let at = 0; at < 20; at++)
      expect(await after.get(`key ${at}`)).toEqual(at < committed ? bytes(`value ${at}`) : undefined);
    expect(await after.put("key 19", bytes("again"), absent)).toBe(committed < 20);
    most = Math.max(most, 20 - committed);
  }
  expect(most).toBeGreaterThan(0); // the end was missed, too
});

it("a disk that stays full is told of in the log once in a while, not for each write", async () => {
  const told: string[] = [];
  const clock = virtualClock();
  const log = { ...silentLogger, error: (message: string) => void told.push(message) };
  const part = sqliteStore({ file: newFile(), maxBytes: 1_048_576 });
  await using store = await part.start({ ...testHost("server"), clock, log });
  const puts = Array.from({ length: 50 }, () => store.put("large", new Uint8Array(2_000_000), long));
  expect((await Promise.allSettled(puts)).every(({ status }) => status === "rejected")).toBe(true);
  expect(told).toHaveLength(1);
  await clock.advance(30_000);
  await failure(store.put("large", new Uint8Array(2_000_000), long));
  expect(told).toHaveLength(2);
});

it("after its end it takes nothing, and says so", async () => {
  const store = await open({ file: newFile() });
  await store[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  expect(await told(store.put("a", bytes("1"), long))).toEqual(["store_failed", "Unavailable"]);
  expect(await told(store.get("a"))).toEqual(["store_failed", "Unavailable"]);
  expect(store.clock.timers).toBe(0);
});

it.each(["full", "normal"] as const)(
  "what was acknowledged is there after SIGKILL, synchronous %s",
  async (synchronous) => {
    const file = newFile();
    const writer = fork(new URL("../test/writer.ts", import.meta.url), [file, synchronous], {
      execArgv: ["-C", "@raceway/source"],
    });
    const acknowledged: string[] = [];
    writer.on("message", (key: string) => {
      if (acknowledged.push(key) === 300) writer.kill("SIGKILL");
    });
    await once(writer, "exit");
    await using store = await open({ file }, Object.assign(virtualClock(), { wallNow: () => Date.now() }));
    expect(acknowledged.length).toBeGreaterThanOrEqual(300);
    for (const key of acknowledged) expect(await store.get(key)).toEqual(bytes(key));
  },
);
