// Histories in the memory of this process: an array per key, trimmed by count, bytes and age.
import type { Clock, Entry, FollowSink, Log, Page, Position, Random, Retention, Stored } from "@raceway/core";
import { ownBytes, toHex } from "@raceway/core/internal";

interface Kept extends Stored {
  readonly at: number;
}
class History {
  readonly epoch: string;
  readonly entries: Kept[] = [];
  /** Index of the oldest entry that is kept. */
  first = 0;
  bytes = 0;
  /** Offset of the newest entry. */
  head = 0;
  retention: Retention = { maxEvents: 0, maxBytes: 0, maxAgeMs: 0 };
  readonly followers: Set<FollowSink> = new Set();
  usedAt: number;

  constructor(epoch: string, now: number) {
    this.epoch = epoch;
    this.usedAt = now;
  }

  trim(now: number): void {
    const { maxEvents, maxBytes, maxAgeMs } = this.retention;
    const { entries } = this;
    while (this.first < entries.length) {
      const oldest = entries[this.first]!;
      if (entries.length - this.first <= maxEvents && this.bytes <= maxBytes && now - oldest.at <= maxAgeMs) break;
      this.bytes -= oldest.payload.length;
      this.first++;
    }
    if (this.first > 64 && this.first * 2 > entries.length) {
      entries.splice(0, this.first);
      this.first = 0;
    }
  }
}

/** What outlives a server that is stopped and started again within one process. Give the same to two `memory()` backplanes. */
export class MemoryStorage {
  readonly histories: Map<string, History> = new Map();
  /**
   * Of all keys that begin now. Forgetting one where nothing was ever said changes nothing: who was at its beginning still is, when it begins again.
   * Once one is forgotten that held something, those that begin later get another.
   */
  epoch: string | undefined;
}

/** A key that nobody follows and that holds nothing any more is forgotten after so long; its next use begins a new epoch. */
const FORGET_MS = 3_600_000;
const SWEEP_MS = 60_000;

export class MemoryLog implements Log, Disposable {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #storage: MemoryStorage;
  #sweep: Disposable;

  constructor(clock: Clock, random: Random, storage: MemoryStorage) {
    this.#clock = clock;
    this.#random = random;
    this.#storage = storage;
    this.#sweep = clock.after(SWEEP_MS, this.#sweepNow);
  }

  append(key: string, entries: readonly Entry[], retention: Retention): Promise<readonly Position[]> {
    const history = this.#history(key);
    const now = this.#clock.wallNow();
    const stored = entries.map(({ payload }): Kept => ({
      offset: ++history.head,
      payload: ownBytes(payload),
      at: now,
    }));
    for (const entry of stored) {
      history.entries.push(entry);
      history.bytes += entry.payload.length;
    }
    history.retention = retention;
    history.usedAt = now;
    history.trim(now);
    for (const sink of history.followers)
      sink.appended({ kind: "entries", epoch: history.epoch, entries: stored, head: history.head });
    return Promise.resolve(stored.map(({ offset }) => ({ epoch: history.epoch, offset })));
  }

  read(
    key: string,
    after: Position | "start",
    most: { readonly maxEntries: number; readonly maxBytes: number },
  ): Promise<Page> {
    const history = this.#history(key);
    history.trim(this.#clock.wallNow());
    const { epoch, head } = history;
    const kept = history.entries.length - history.first;
    const first = head - kept + 1;
    if (after !== "start" && (after.epoch !== epoch || after.offset < first - 1 || after.offset > head)) {
      return Promise.resolve({ kind: "reset", epoch, first, head });
    }
    const from = history.first + (after === "start" ? 0 : after.offset - first + 1);
    let to = from;
    let bytes = 0;
    while (to < history.entries.length && to - from < most.maxEntries) {
      bytes += history.entries[to]!.payload.length;
      if (bytes > most.maxBytes && to > from) break;
      to++;
    }
    return Promise.resolve({ kind: "entries", epoch, entries: history.entries.slice(from, to), head });
  }

  head(key: string): Promise<Position> {
    const { epoch, head } = this.#history(key);
    return Promise.resolve({ epoch, offset: head });
  }

  follow(key: string, sink: FollowSink): Disposable {
    const history = this.#history(key);
    history.followers.add(sink);
    return {
      [Symbol.dispose]: () => {
        history.followers.delete(sink);
        if (history.followers.size === 0 && history.head === 0) this.#storage.histories.delete(key); // nothing was ever said there
      },
    };
  }

  [Symbol.dispose](): void {
    this.#sweep[Symbol.dispose]();
  }

  #history(key: string): History {
    const storage = this.#storage;
    let history = storage.histories.get(key);
    if (history === undefined) {
      storage.epoch ??= toHex(this.#random.bytes(6));
      history = new History(storage.epoch, this.#clock.wallNow());
      storage.histories.set(key, history);
    }
    return history;
  }

  readonly #sweepNow = (): void => {
    const now = this.#clock.wallNow();
    const { histories } = this.#storage;
    for (const [key, history] of histories) {
      history.trim(now);
      const idle = history.followers.size === 0 && history.bytes === 0;
      if (!idle || (history.head > 0 && now - history.usedAt <= FORGET_MS)) continue;
      histories.delete(key);
      if (history.head > 0) this.#storage.epoch = undefined;
    }
    this.#sweep = this.#clock.after(SWEEP_MS, this.#sweepNow);
  };
}
