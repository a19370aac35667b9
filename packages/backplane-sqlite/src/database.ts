// One connection to the file: settings, and tables in the version that this release knows.
import { DatabaseSync } from "node:sqlite";
import { fail } from "@raceway/core";
import { openingError } from "./failure.ts";
import type { ResolvedSqliteStore } from "./options.ts";

/** The write-ahead log is cut back to so much after a burst; it stands beside the database, and is not counted by `maxBytes`. */
const LOG_BYTES = 16_777_216;

/** Steps of the store's tables, oldest first; a file has a version that says how many of them it has seen. Steps are added, never changed. */
const storeSteps: readonly string[] = [
  `create table raceway_store (
     key any not null primary key,  -- text; keys that are not valid Unicode, which text cannot hold, are blobs
     value blob not null,
     until integer not null         -- milliseconds since 1970
   ) strict;
   create index raceway_store_until on raceway_store (until);
   create table raceway_bucket (
     key any not null primary key,
     tokens real not null,
     at integer not null,           -- when there were so many
     until integer not null         -- full from then on: as good as none
   ) strict;
   create index raceway_bucket_until on raceway_bucket (until);`,
];

/** Opens or makes the file. Throws `store_unopenable`, `store_corrupt`, `store_newer`; nothing is left open then. */
export function openDatabase(options: ResolvedSqliteStore): DatabaseSync {
  const { file } = options;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: options.busyMs, allowExtension: false });
    const { journal_mode: mode } = database.prepare("pragma journal_mode = wal").get() as { journal_mode: string };
    if (mode !== "wal")
      throw fail("store_unopenable", { file, detail: `its file system allows no write-ahead log (${mode})` });
    // On Darwin fsync leaves data in the disk's own cache; fullfsync does not. Elsewhere it means nothing.
    database.exec(`pragma synchronous = ${options.synchronous}; pragma fullfsync = ${options.synchronous === "full"};`);
    database.exec(`pragma journal_size_limit = ${LOG_BYTES}`);
    const { page_size: pageBytes } = database.prepare("pragma page_size").get() as { page_size: number };
    database.exec(`pragma max_page_count = ${Math.floor(options.maxBytes / pageBytes)}`);
    migrate(database, file);
    return database;
  } catch (error) {
    database?.close();
    throw openingError(error, file);
  }
}

/** Several processes may start at once: the first one makes the tables, the others wait for it. */
function migrate(database: DatabaseSync, file: string): void {
  database.exec("begin immediate");
  try {
    database.exec("create table if not exists raceway_schema (face text primary key, version integer not null) strict");
    const known = storeSteps.length;
    const row = database.prepare("select version from raceway_schema where face = 'store'").get();
    const version = (row as { version: number } | undefined)?.version ?? 0;
    if (version > known) throw fail("store_newer", { file, version, known });
    for (const step of storeSteps.slice(version)) database.exec(step);
    if (version < known)
      database.prepare("insert or replace into raceway_schema (face, version) values ('store', ?)").run(known);
    database.exec("commit");
  } catch (error) {
    if (database.isTransaction) database.exec("rollback");
    throw error;
  }
}
