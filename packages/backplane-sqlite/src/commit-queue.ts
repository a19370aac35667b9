// Group commit: what is written in one turn of the event loop goes to disk in one transaction, and is answered when it is there.
import type { DatabaseSync } from "node:sqlite";
import type { ConnectError } from "@connectrpc/connect";
import { type Clock, fail } from "@raceway/core";
import { isBusy, isFull } from "./failure.ts";

interface Work {
  /** Size of its values, for the error. */
  readonly bytes: number;
  /** Inside a transaction; throws SQLite's errors. */
  run(now: number): void;
  done(): void;
  failed(error: ConnectError): void;
}

export interface CommitQueueInit {
  readonly database: DatabaseSync;
  readonly clock: Clock;
  /** After the work of a transaction, in the same one: room for cleaning up in proportion to what was written. */
  readonly housekeeping: (now: number, works: number) => void;
  /** SQLite's error as ours. `bytes`: size of what was to be written. */
  readonly failure: (error: unknown, bytes: number) => ConnectError;
  /** Makes room after "full"; false: there is none to be made. */
  readonly makeRoom: () => boolean;
}

export class CommitQueue {
  readonly #init: CommitQueueInit;
  #waiting: Work[] = [];
  #closed = false;

  constructor(init: CommitQueueInit) {
    this.#init = init;
  }

  /** Nothing waits: a read need not queue. */
  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Does it with all else of this turn, in the order asked for; resolves when it is committed. */
  add<T>(bytes: number, run: (now: number) => T): Promise<T> {
    if (this.#closed) return Promise.reject(fail("store_failed", { detail: "it is closed" }));
    return new Promise((resolve, reject) => {
      let result: T;
      const work: Work = {
        bytes,
        run: (now) => void (result = run(now)),
        done: () => resolve(result),
        failed: reject,
      };
      if (this.#waiting.push(work) === 1) this.#init.clock.loopEnd(() => this.#flush());
    });
  }

  /** Writes what waits; takes nothing more. */
  close(): void {
    this.#flush();
    this.#closed = true;
  }

  #flush(): void {
    const works = this.#waiting;
    if (works.length === 0) return;
    this.#waiting = [];
    const error = this.#commit(works);
    if (error === undefined) return;
    // A file that is held by another process makes each attempt wait; anything else may be the fault of one among many.
    if (works.length === 1 || isBusy(error)) for (const work of works) this.#refuse(work, error);
    else {
      for (const work of works) {
        const own = this.#commit([work]);
        if (own !== undefined) this.#refuse(work, own);
      }
    }
  }

  #refuse(work: Work, error: unknown): void {
    work.failed(this.#init.failure(error, work.bytes));
  }

  /** SQLite's error, and nothing written; undefined if all is well. */
  #commit(works: readonly Work[], again = true): unknown {
    const { database, clock, housekeeping, makeRoom } = this.#init;
    const now = Math.floor(clock.wallNow());
    try {
      database.exec("begin immediate");
      for (const work of works) work.run(now);
      housekeeping(now, works.length);
      database.exec("commit");
    } catch (error) {
      this.#rollback();
      if (again && works.length === 1 && isFull(error) && makeRoom()) return this.#commit(works, false);
      return error;
    }
    for (const work of works) work.done();
    return undefined;
  }

  #rollback(): void {
    const { database } = this.#init;
    try {
      if (database.isTransaction) database.exec("rollback"); // some errors have rolled back already
    } catch {
      // the connection is beyond help; the next begin says so
    }
  }
}
