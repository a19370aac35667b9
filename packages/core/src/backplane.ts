// The backplane plugin: logs (history), a bus between nodes, and a store of keys with expiry.
import type { Host, Part } from "./part.ts";

export interface Backplane extends Part {
  readonly traits: {
    /** What survives: nothing, the death of the process, the loss of power. */
    readonly durability: "memory" | "process-crash" | "power-loss";
    /** Several nodes see the same. */
    readonly shared: boolean;
    /** What holds for the store, where it is another's than log and bus. */
    readonly store?: StorePart["traits"];
  };
  start(host: Host): StartedBackplane | Promise<StartedBackplane>;
}
export interface StartedBackplane extends AsyncDisposable {
  readonly log: Log;
  readonly bus: Bus;
  readonly store: Store;
}

/** Where a reader is in a log. Offsets count from 1 within an epoch; 0 is "before the first". */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}
/** One entry to append. */
export interface Entry {
  readonly payload: Uint8Array;
}
export interface Stored {
  readonly offset: number;
  readonly payload: Uint8Array;
}
/** How much of a log is kept; what is exceeded first trims from the oldest on. */
export interface Retention {
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}
/** What a read gives. `reset` is a value of the union, so that no reader can forget it: what was asked for is gone. */
export type Page =
  | { readonly kind: "entries"; readonly epoch: string; readonly entries: readonly Stored[]; readonly head: number }
  | { readonly kind: "reset"; readonly epoch: string; readonly first: number; readonly head: number };

/** Append-only histories by key. */
export interface Log {
  /** Appends in order; resolves when they are as durable as the backplane promises. Rejects as a whole. */
  append(key: string, entries: readonly Entry[], retention: Retention): Promise<readonly Position[]>;
  /**
   * Entries after a position, oldest first: at most `maxEntries`, and after the first no more than `maxBytes`.
   * `reset` when the epoch is another or the next entry was trimmed.
   */
  read(
    key: string,
    after: Position | "start",
    most: { readonly maxEntries: number; readonly maxBytes: number },
  ): Promise<Page>;
  /** The present end: epoch and offset of the newest entry, 0 if there is none. Makes an epoch if there is none yet. */
  head(key: string): Promise<Position>;
  /** Calls `appended` for each append from anywhere, in order; `lost` means "read again from your position". One follower per key and node. */
  follow(key: string, sink: FollowSink): Disposable;
}
export interface FollowSink {
  appended(page: Page & { readonly kind: "entries" }): void;
  lost(): void;
}

/** Messages between nodes, at most once. */
export interface Bus {
  /** This node. */
  readonly self: string;
  publish(subject: string, message: Uint8Array): Promise<void>;
  subscribe(subject: string, receive: (message: Uint8Array, from: string) => void): Disposable;
  request(node: string, subject: string, message: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  serve(subject: string, answer: (message: Uint8Array, from: string) => Promise<Uint8Array>): Disposable;
}

/** Keys with expiry. What one caller asks for is done in that order. What is refused changes nothing. `storeCases` of the testkit holds a store to it. */
export interface Store {
  /** Not to be written to: it may be the store's own. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** The value as it is at the call. Resolves when it is as durable as the store promises. False: `ifAbsent` was asked for and the key is there. */
  put(
    key: string,
    value: Uint8Array,
    options: { readonly ttlMs: number; readonly ifAbsent?: boolean },
  ): Promise<boolean>;
  delete(key: string): Promise<void>;
  /** Takes from a token bucket, in one atomic step. */
  take(
    key: string,
    cost: number,
    bucket: { readonly perSecond: number; readonly burst: number },
  ): Promise<{ readonly ok: boolean; readonly retryAfterMs: number }>;
}

/** A store by itself, for a backplane that has none of its own or is to have another. */
export interface StorePart extends Part {
  readonly traits: { readonly durability: "memory" | "process-crash" | "power-loss"; readonly shared: boolean };
  start(host: Omit<Host, "store">): Promise<Store & AsyncDisposable>;
}
