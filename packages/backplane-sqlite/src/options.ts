// Options of the SQLite store: type, range and default from one place.
import { type OptionsOf, type ResolvedOptions, fail, resolveOptions } from "@raceway/core";

export const sqliteStoreTable = {
  /** Path of the database; made if it is not there. Its folder must exist, on a local disk: SQLite's locks are not to be trusted on network file systems. */
  file: { kind: "text", default: "" },
  /**
   * "full" waits for the disk at each commit: what was written survives the loss of power. "normal" leaves that to the system: what was written
   * survives the death of the process. Full, because a key that a power cut forgets lets a handler run twice, and because writes of one turn share
   * a commit, so that it costs little where there is much to do (README.md has the figures).
   */
  synchronous: { kind: "text", default: "full", values: ["full", "normal"] },
  /** How long a write waits while another process writes to the file. The process stands still for as long, so it must be short; a commit takes milliseconds. */
  busyMs: { kind: "number", default: 1_000, min: 0, max: 60_000, unit: "ms" },
  /** Size of the database at most, its log of up to 16 MiB not counted; beyond it writes are refused. 1 GiB is what 4,000 keyed calls a second with replies of 500 bytes leave in the window of 5 minutes. */
  maxBytes: { kind: "number", default: 1_073_741_824, min: 1_048_576, max: 1_099_511_627_776, unit: "bytes" },
} as const;

export type SqliteStoreOptions = OptionsOf<typeof sqliteStoreTable> & { readonly file: string };
export type ResolvedSqliteStore = ResolvedOptions<typeof sqliteStoreTable>;

/** Throws `option_invalid`: a database in memory is no durable store. */
export function resolveSqliteStore(given: SqliteStoreOptions): ResolvedSqliteStore {
  const options = resolveOptions("sqlite-store", sqliteStoreTable, given);
  if (options.file === "" || options.file === ":memory:") {
    throw fail("option_invalid", {
      part: "sqlite-store",
      option: "file",
      value: JSON.stringify(options.file),
      expected: "the path of a file",
    });
  }
  return options;
}
