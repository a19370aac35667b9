// SQLite's error codes as our errors, with the reason that tells what to do.
import { statfsSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { ConnectError } from "@connectrpc/connect";
import { fail } from "@raceway/core";

/** Primary result codes (sqlite.org/rescode.html); extended ones have more in the upper bits. */
const CODE = { perm: 3, busy: 5, locked: 6, readonly: 8, corrupt: 11, full: 13, cantopen: 14, notadb: 26 } as const;
/** What a commit may need beside its values: pages of index and log. */
const SLACK_BYTES = 65_536;

function codeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === "number" ? code & 0xff : undefined;
}

export const isBusy = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === CODE.busy || code === CODE.locked;
};
export const isFull = (error: unknown): boolean => codeOf(error) === CODE.full;

/** At start, on the user's own line: names the whole path. */
export function openingError(error: unknown, file: string): unknown {
  switch (codeOf(error)) {
    case CODE.corrupt:
    case CODE.notadb:
      return fail("store_corrupt", { file });
    case undefined:
      return error; // ours already
    default:
      return fail("store_unopenable", { file, detail: detailOf(error) });
  }
}

/** Of a write or read. Goes to callers over the network, so it tells no path. `bytes`: size of what was to be written. */
export function runningError(error: unknown, database: DatabaseSync, file: string, bytes: number): ConnectError {
  switch (codeOf(error)) {
    case CODE.busy:
    case CODE.locked:
      return fail("store_failed", { detail: detailOf(error), retryAfterMs: 100 });
    case CODE.full:
      return fullError(database, file, bytes);
    case CODE.corrupt:
    case CODE.notadb:
      return fail("store_corrupt", { file: basename(file) });
    default:
      return fail("store_failed", { detail: detailOf(error) });
  }
}

/** SQLite says the same when the disk is full and when `max_page_count` is reached: the disk knows which it was. */
function fullError(database: DatabaseSync, file: string, bytes: number): ConnectError {
  try {
    const { bavail, bsize } = statfsSync(dirname(file));
    if (bavail * bsize >= 2 * bytes + SLACK_BYTES) {
      const { size, limit } = database
        .prepare(
          `select page_count * page_size as size, max_page_count * page_size as "limit"
           from pragma_page_count, pragma_page_size, pragma_max_page_count`,
        )
        .get() as { readonly size: number; readonly limit: number };
      return fail("store_full", { bytes: size, limit });
    }
  } catch {
    // then it is the disk
  }
  return fail("disk_full", { file: basename(file) });
}

function detailOf(error: unknown): string {
  const { errstr } = error as { readonly errstr?: unknown };
  return typeof errstr === "string" ? errstr : error instanceof Error ? error.message : String(error);
}
