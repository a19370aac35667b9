// `indexedDbOutbox()`: keeps an outbox in IndexedDB, so that it survives a reload or the death of the page. One tab holds it at a time, by a Web Lock.
import { type UseStore, createStore, del, set, values } from "idb-keyval";
import type { OutboxEntry, OutboxKeeper, OutboxStore, StoreHost } from "./outbox-entry.ts";
import { keepOutbox } from "./outbox-keeper.ts";

/** The page that is being left may hold the lock for a moment: longer than this is another tab. In milliseconds. */
const BUSY_MS = 300;

/** `name`: of the database, one per application *and user*, for what is kept is sent as whoever is logged in. */
export function indexedDbOutbox(options: { readonly name: string }): OutboxKeeper {
  return keepOutbox(new IndexedDbStore(options.name));
}

class IndexedDbStore implements OutboxStore {
  readonly #name: string;
  readonly #leaving = new AbortController();
  #store: UseStore | undefined;
  #release: (() => void) | undefined;

  constructor(name: string) {
    this.#name = `raceway-outbox-${name}`;
  }

  async load(host: StoreHost): Promise<readonly OutboxEntry[]> {
    // Browsers have them in secure contexts only: over https, or on localhost.
    if (navigator.locks === undefined) throw new Error("this page has no Web Locks: it is not a secure context");
    const late = host.clock.after(BUSY_MS, () => host.busy());
    try {
      await new Promise<void>((held, failed) => {
        navigator.locks
          .request(this.#name, { signal: this.#leaving.signal }, () => {
            held();
            return new Promise<void>((resolve) => (this.#release = resolve));
          })
          .catch(failed);
      });
    } finally {
      late[Symbol.dispose]();
    }
    this.#store = createStore(this.#name, "calls");
    return values<OutboxEntry>(this.#store);
  }

  put(entry: OutboxEntry): Promise<void> {
    return set(entry.id, entry, this.#store);
  }
  delete(id: string): Promise<void> {
    return del(id, this.#store);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort();
    this.#release?.();
  }
}
