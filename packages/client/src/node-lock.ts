// A lock on a file that dies with its holder: SQLite takes the operating system's own, which Node does not offer, in threads and in processes.
//
// A file with a process id in it would have to be taken from the dead, and no order of `link`, `rename` and `unlink` does that without a moment in
// which two take it (docs/decisions/0006).
import { DatabaseSync } from "node:sqlite";

/** SQLite's own number for "another connection holds it". */
const SQLITE_BUSY = 5;

export class FileLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Undefined: somebody else holds it. The file is made if it is not there, and stays, empty. */
  static take(file: string): FileLock | undefined {
    const database = new DatabaseSync(file, { timeout: 0 });
    try {
      database.exec("pragma journal_mode = memory; begin exclusive");
      return new FileLock(database);
    } catch (error) {
      database.close();
      if ((error as { readonly errcode?: number }).errcode === SQLITE_BUSY) return undefined;
      throw error;
    }
  }

  release(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
