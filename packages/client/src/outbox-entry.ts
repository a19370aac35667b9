// What an outbox's store keeps, and what the outbox asks of whoever minds the store: types only, so that a page without a store loads nothing of it.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Clock, Codec, KeptNote, Limits, Logger, Stations } from "@raceway/core";
import type { HeaderField } from "@raceway/core/internal";
import type { Operation, OperationHost } from "./operation.ts";

/** One kept call; all fields can be cloned structurally. Times are in milliseconds since 1970, 0 for none. */
export interface OutboxEntry {
  /** The call's idempotency key. */
  readonly id: string;
  /** When the call was made; with `order`, the order of calls. */
  readonly madeAt: number;
  readonly order: number;
  /** "/package.Service/Method". */
  readonly method: string;
  /** Name of the codec that wrote the request. */
  readonly codec: string;
  readonly request: Uint8Array;
  /** Without credentials; with the version of the schema that the request was written by. */
  readonly header: readonly HeaderField[];
  /** What a plugin needs to make the headers of its attempts. */
  readonly note?: KeptNote | undefined;
  /** When its caller would have given up. */
  readonly deadline: number;
  /** Before this it was certainly not sent; 0: it was not sent at all. */
  readonly sentAt: number;
}

/** What a store is given to open itself. */
export interface StoreHost {
  readonly clock: Clock;
  /** To be called once if another tab or process holds the store: calls are not kept until `load` resolves. */
  readonly busy: () => void;
}

/** A store of calls: a table by id. One connection holds it at a time. */
export interface OutboxStore extends Partial<AsyncDisposable> {
  /** Takes hold of the store, waiting if need be, and reads it. Called once. */
  load(host: StoreHost): Promise<readonly OutboxEntry[]>;
  /** Adds or replaces; resolves when it would survive a crash. */
  put(entry: OutboxEntry): Promise<void>;
  delete(id: string): Promise<void>;
}

/** What became of a call whose page or process is gone. */
export interface RestoredCall {
  /** "/package.Service/Method". */
  readonly method: string;
  readonly key: string;
  /** Why it failed, or was not sent again; undefined: it was answered. */
  readonly error: ConnectError | undefined;
  /** What was asked, by the schema of the method's input. */
  request<D extends DescMessage>(schema: D): MessageShape<D>;
  /** The answer, by the schema of the method's output. Throws `error` if there is none. */
  response<D extends DescMessage>(schema: D): MessageShape<D>;
}

/** What keeping costs a call. */
export interface KeeperHost {
  readonly operations: OperationHost;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly codecs: readonly Codec[];
  readonly log: Logger;
  /** Of the plugins, once they have started: by the time that there is a link. */
  readonly stations: () => readonly Stations[] | undefined;
  readonly restored: (call: RestoredCall) => void;
}

/** Minds a store for one connection. Made by `indexedDbOutbox`, `fileOutbox` or `keepOutbox`. */
export interface OutboxKeeper {
  start(host: KeeperHost): void;
  /** The call is held: keep it, if it is of those that are kept. */
  accept(operation: Operation): void;
  /** May it be sent? If not, the outbox is told when it may. */
  ready(operation: Operation): boolean;
  /** Is it in the store? */
  keeps(operation: Operation): boolean;
  settled(operation: Operation): void;
  /** From now on what is kept stays. Resolves when the store is released. */
  close(): Promise<void>;
}
