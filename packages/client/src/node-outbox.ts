// `fileOutbox()`: keeps an outbox in a file, so that it survives the death of the process, or of the machine. One process holds it at a time.
import { Journal } from "./node-journal.ts";
import { FileLock } from "./node-lock.ts";
import type { OutboxEntry, OutboxKeeper, OutboxStore, StoreHost } from "./outbox-entry.ts";
import { keepOutbox } from "./outbox-keeper.ts";

export interface FileOutboxOptions {
  /** Path of the journal, on a local disk; made if it is not there, its folder must exist. `<file>.lock` stands beside it. Keep it from others: it holds requests as they are. */
  readonly file: string;
}

/** How often a process that waits looks whether the file is free, in milliseconds. */
const LOOK_MS = 1_000;

/** A file per application *and user*, for what is kept is sent as whoever is logged in. */
export function fileOutbox(options: FileOutboxOptions): OutboxKeeper {
  return keepOutbox(new FileStore(options.file));
}

class FileStore implements OutboxStore {
  readonly #file: string;
  #opening: Promise<readonly OutboxEntry[]> | undefined;
  #leaving = false;
  /** Ends the wait for another process. */
  #wake: (() => void) | undefined;
  #lock: FileLock | undefined;
  #journal: Journal | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  load(host: StoreHost): Promise<readonly OutboxEntry[]> {
    return (this.#opening = this.#open(host));
  }
  async #open({ clock, busy }: StoreHost): Promise<readonly OutboxEntry[]> {
    for (let told = false; (this.#lock = FileLock.take(`${this.#file}.lock`)) === undefined; told = true) {
      if (!told) busy();
      if (this.#leaving) return [];
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        clock.after(LOOK_MS, resolve);
      });
    }
    this.#journal = await Journal.open(this.#file);
    return [...this.#journal.entries.values()];
  }

  put(entry: OutboxEntry): Promise<void> {
    return this.#journal!.put(entry);
  }
  delete(id: string): Promise<void> {
    return this.#journal!.delete(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving = true;
    this.#wake?.();
    await this.#opening?.catch(() => {}); // the keeper was told
    await this.#journal?.close();
    this.#lock?.release();
  }
}
