// `sqliteStore()`: keys with expiry and token buckets in one SQLite file, which several processes may share.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { CONTRACT, type Host, type Store, type StorePart, type Timer } from "@raceway/core";
import { CommitQueue } from "./commit-queue.ts";
import { openDatabase } from "./database.ts";
import { runningError } from "./failure.ts";
import { type ResolvedSqliteStore, type SqliteStoreOptions, resolveSqliteStore } from "./options.ts";

/** Looks for what has expired this often, in milliseconds, on top of what each commit clears away. */
const SWEEP_MS = 30_000;
/** Most rows that one look clears away: about 10 ms of work. When there were as many, the next look is soon. */
const SWEEP_ROWS = 1_000;
const SOON_MS = 1_000;

/** A durable store for a backplane: `memory({ store: sqliteStore({ file }) })`. */
export function sqliteStore(given: SqliteStoreOptions): StorePart {
  const options = resolveSqliteStore(given);
  return {
    name: "sqlite-store",
    contract: CONTRACT,
    traits: { durability: options.synchronous === "full" ? "power-loss" : "process-crash", shared: true },
    start: async (host) => new SqliteStore(openDatabase(options), options, host),
  };
}

type Key = string | Uint8Array;
interface Bucket {
  readonly tokens: number;
  readonly at: number;
}

class SqliteStore implements Store, AsyncDisposable {
  readonly #database: DatabaseSync;
  readonly #host: Omit<Host, "store">;
  readonly #file: string;
  readonly #queue: CommitQueue;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #putIfAbsent: StatementSync;
  readonly #delete: StatementSync;
  readonly #bucket: StatementSync;
  readonly #putBucket: StatementSync;
  readonly #expire: readonly StatementSync[];
  #sweep: Timer;
  #open = true;
  /** Since the last look: a disk that is full must not fill the log as well. */
  #complained = false;

  constructor(database: DatabaseSync, options: ResolvedSqliteStore, host: Omit<Host, "store">) {
    this.#database = database;
    this.#host = host;
    this.#file = options.file;
    this.#get = database.prepare("select value from raceway_store where key = ? and until > ?");
    const put = `insert into raceway_store (key, value, until) values (?, ?, ?)
                 on conflict (key) do update set value = excluded.value, until = excluded.until`;
    this.#put = database.prepare(put);
    this.#putIfAbsent = database.prepare(`${put} where raceway_store.until <= ?`);
    this.#delete = database.prepare("delete from raceway_store where key = ?");
    this.#bucket = database.prepare("select tokens, at from raceway_bucket where key = ?");
    this.#putBucket = database.prepare(
      "insert or replace into raceway_bucket (key, tokens, at, until) values (?, ?, ?, ?)",
    );
    this.#expire = ["raceway_store", "raceway_bucket"].map((table) =>
      database.prepare(
        `delete from ${table} where rowid in (select rowid from ${table} where until <= ? order by until limit ?)`,
      ),
    );
    this.#queue = new CommitQueue({
      database,
      clock: host.clock,
      // Twice as many as were written: so there is never much more of what has expired than of what has not.
      housekeeping: (now, works) => void this.#clear(now, 2 * works),
      failure: (error, bytes) => this.#failure(error, bytes),
      makeRoom: () => this.#clearNow() > 0,
    });
    this.#sweep = host.clock.after(SWEEP_MS, this.#sweepNow);
  }

  get(key: string): Promise<Uint8Array | undefined> {
    const read = (now: number): Uint8Array | undefined =>
      (this.#get.get(keyOf(key), now) as { readonly value: Uint8Array } | undefined)?.value;
    // What was asked for before comes before; without that, there is nothing to wait for.
    if (!this.#queue.idle || !this.#open) return this.#queue.add(0, read);
    try {
      return Promise.resolve(read(Math.floor(this.#host.clock.wallNow())));
    } catch (error) {
      return Promise.reject(this.#failure(error, 0));
    }
  }

  put(
    key: string,
    value: Uint8Array,
    { ttlMs, ifAbsent }: { readonly ttlMs: number; readonly ifAbsent?: boolean },
  ): Promise<boolean> {
    const own = value.slice(); // the caller's again as soon as this returns
    const stored = keyOf(key);
    return this.#queue.add(own.length, (now) => {
      const until = untilOf(now, ttlMs);
      if (ifAbsent === true) return this.#putIfAbsent.run(stored, own, until, now).changes !== 0;
      this.#put.run(stored, own, until);
      return true;
    });
  }

  delete(key: string): Promise<void> {
    return this.#queue.add(0, () => void this.#delete.run(keyOf(key)));
  }

  take(
    key: string,
    cost: number,
    { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
  ): Promise<{ readonly ok: boolean; readonly retryAfterMs: number }> {
    const stored = keyOf(key);
    return this.#queue.add(0, (now) => {
      const known = (this.#bucket.get(stored) as Bucket | undefined) ?? { tokens: burst, at: now };
      // A wall clock that was set back does not take tokens away.
      const tokens = Math.min(burst, known.tokens + (Math.max(0, now - known.at) * perSecond) / 1000);
      // A refusal writes nothing: the same state follows from the older one. So a flood of them costs no disk.
      if (tokens < cost) return { ok: false, retryAfterMs: Math.ceil(((cost - tokens) * 1000) / perSecond) };
      const left = tokens - cost;
      this.#putBucket.run(stored, left, now, untilOf(now, left >= burst ? 0 : ((burst - left) * 1000) / perSecond));
      return { ok: true, retryAfterMs: 0 };
    });
  }

  /** Writes what waits, and closes the file. */
  [Symbol.asyncDispose](): Promise<void> {
    if (this.#open) {
      this.#open = false;
      this.#sweep[Symbol.dispose]();
      this.#queue.close();
      this.#database.close();
    }
    return Promise.resolve();
  }

  /** What has expired, oldest first, at most so many of each table. How many there were. */
  #clear(now: number, most: number): number {
    let cleared = 0;
    for (const statement of this.#expire) cleared += Number(statement.run(now, most).changes);
    return cleared;
  }

  /** In a transaction of its own. What fails here is tried again at the next look. */
  #clearNow(): number {
    try {
      return this.#clear(Math.floor(this.#host.clock.wallNow()), SWEEP_ROWS);
    } catch (error) {
      this.#host.log.warn("the store could not clear away what has expired", { error: String(error) });
      return 0;
    }
  }

  readonly #sweepNow = (): void => {
    const cleared = this.#clearNow();
    this.#complained = false;
    this.#sweep = this.#host.clock.after(cleared >= SWEEP_ROWS ? SOON_MS : SWEEP_MS, this.#sweepNow);
  };

  #failure(error: unknown, bytes: number): ReturnType<typeof runningError> {
    if (!this.#complained)
      this.#host.log.error("the store failed; more of it is not told for a while", {
        file: this.#file,
        error: String(error),
      });
    this.#complained = true;
    return runningError(error, this.#database, this.#file, bytes);
  }
}

/** Text in SQLite is UTF-8, in which halves of surrogate pairs are all the same character. */
function keyOf(key: string): Key {
  return key.isWellFormed() ? key : Buffer.from(key, "utf16le");
}

/** Milliseconds since 1970, as an integer that SQLite and JavaScript agree on. */
function untilOf(now: number, ms: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(now + ms));
}
