// `keepOutbox()`: minds a store of kept calls for one connection, so that each runs once, over reloads and restarts.
//
// A call is in the store before it is sent, with the time of its first sending: what was never sent is safe to send at any age, what may have been
// sent is safe as long as the server remembers its key.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { ConnectError, createContextValues } from "@connectrpc/connect";
import { type AttemptHeaders, type Codec, attemptHeaders, fail, learn, reasonOf } from "@raceway/core";
import { type EndFrame, type HeaderField, type Session, codecReasons } from "@raceway/core/internal";
import { claimFor, told } from "./contracts.ts";
import { Operation, type OperationRecord, endError } from "./operation.ts";
import type { KeeperHost, OutboxEntry, OutboxKeeper, OutboxStore, RestoredCall } from "./outbox-entry.ts";

// Said here, so that a bundler keeps them.
learn(codecReasons);

/** Minds a store of your own. For one connection: a second one needs its own. */
export function keepOutbox(store: OutboxStore): OutboxKeeper {
  return new Keeper(store);
}

/** Headers that are not written down. */
const CREDENTIAL = /auth|cookie|token|secret|password|credential|api-?key|signature|session/i;
/** A store that has not answered for so long is done without, until it does. */
const PATIENCE_MS = 5_000;
/** Calls whose sending is written down ahead, while those before them are. */
const AHEAD = 64;

interface Kept {
  entry: OutboxEntry;
  /** The store knows that it may have been sent. */
  safe: boolean;
  /** The last thing that the store was asked to do with it. */
  writing: Promise<void>;
}

class Keeper implements OutboxKeeper {
  readonly #store: OutboxStore;
  readonly #kept = new Map<Operation, Kept>();
  readonly #writing = new Set<Promise<void>>();
  #host!: KeeperHost; // from `start` on
  #started = false;
  /** While it opens, calls that are to be kept wait; while it is off, they are not kept. */
  #state: "opening" | "open" | "off" = "opening";
  #closing = false;

  constructor(store: OutboxStore) {
    this.#store = store;
  }

  start(host: KeeperHost): void {
    if (this.#started)
      throw fail("option_invalid", {
        part: "outbox",
        option: "store",
        value: "in use by another connection",
        expected: "a store of its own for each connection",
      });
    this.#started = true;
    this.#host = host;
    const patience = host.clock.after(PATIENCE_MS, () => this.#off("it does not answer"));
    this.#store
      .load({ clock: host.clock, busy: () => this.#off("another tab or process has it") })
      .then((entries) => this.#open(entries))
      .catch((error: unknown) => this.#off(String(error)))
      .finally(() => patience[Symbol.dispose]());
  }

  #off(why: string): void {
    if (this.#state !== "opening" || this.#closing) return;
    this.#state = "off";
    this.#host.log.warn("the outbox is not kept", { why });
    this.#host.operations.outbox.schedule();
  }

  #open(entries: readonly OutboxEntry[]): void {
    if (this.#closing) return;
    this.#state = "open";
    const sound = entries.filter(isEntry).toSorted((a, b) => a.madeAt - b.madeAt || a.order - b.order);
    if (sound.length < entries.length)
      this.#host.log.warn("the outbox's store holds what is no call", { count: entries.length - sound.length });
    for (const [at, entry] of sound.entries()) this.#restore(entry, at - sound.length);
    const { outbox } = this.#host.operations;
    for (const operation of outbox.held) this.accept(operation);
    outbox.schedule();
  }

  #restore(entry: OutboxEntry, order: number): void {
    const { clock, limits } = this.#host;
    const now = clock.wallNow();
    const done = (error: ConnectError | undefined, reply?: Uint8Array): void => this.#tell(entry, error, reply);
    const drop = (error: ConnectError): void => {
      this.#later(this.#store.delete(entry.id));
      done(error);
    };
    if (entry.deadline > 0 && now >= entry.deadline)
      return drop(fail("call_deadline", { ms: entry.deadline - entry.madeAt }));
    if (entry.sentAt > 0 && now - entry.sentAt >= limits.dedupMs)
      return drop(fail("outcome_unknown", { path: entry.method }));
    if (this.#codecOf(entry) === undefined) return drop(fail("codec_unsupported", { codecs: entry.codec }));
    const operation = new RestoredOperation(
      this.#host,
      entry,
      entry.deadline > 0 ? entry.deadline - now : undefined,
      done,
    );
    this.#kept.set(operation, { entry, safe: entry.sentAt > 0, writing: Promise.resolve() });
    operation.begin(order, entry.sentAt > 0 ? clock.now() - (now - entry.sentAt) : undefined);
  }

  #tell(entry: OutboxEntry, error: ConnectError | undefined, reply: Uint8Array | undefined): void {
    if (reasonOf(error) === "call_kept") return; // it is for the next connection to say
    const decode = <D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> => {
      const codec = this.#codecOf(entry);
      if (codec === undefined) throw fail("codec_unsupported", { codecs: entry.codec });
      return codec.of(schema).decode(bytes);
    };
    const call: RestoredCall = {
      method: entry.method,
      key: entry.id,
      error,
      request: (schema) => decode(schema, entry.request),
      response(schema) {
        if (error !== undefined) throw error;
        return decode(schema, reply!);
      },
    };
    try {
      this.#host.restored(call);
    } catch (failure) {
      this.#host.operations.failed(failure);
    }
  }

  #codecOf({ codec }: OutboxEntry): Codec | undefined {
    return this.#host.codecs.find(({ name }) => name === codec);
  }

  accept(operation: Operation): void {
    if (this.#state !== "open" || this.#kept.has(operation)) return;
    const kept = this.#keep(operation);
    if (kept !== undefined) this.#write(kept, 0);
  }

  #keep(operation: Operation): Kept | undefined {
    const { record, remainingMs } = operation;
    const { header, method } = operation.init;
    if (record === undefined || this.#closing) return undefined;
    const now = this.#host.clock.wallNow();
    const entry: OutboxEntry = {
      id: record.id,
      request: record.request.slice(), // no more than itself: of a part of a larger buffer, a clone would be of all of it
      madeAt: now,
      order: operation.order,
      method: operation.path,
      codec: operation.codec.name,
      // With what it was made of: a later program may send it.
      header: [...header.filter(({ key }) => !CREDENTIAL.test(key)), ...(method ? [claimFor(method)] : [])],
      ...(operation.attemptHeaders?.note && { note: operation.attemptHeaders.note() }),
      deadline: remainingMs > 0 ? now + remainingMs : 0,
      sentAt: 0,
    };
    const kept: Kept = { entry, safe: false, writing: Promise.resolve() };
    this.#kept.set(operation, kept);
    return kept;
  }

  #write(kept: Kept, sentAt: number): void {
    const entry: OutboxEntry = (kept.entry = { ...kept.entry, sentAt });
    const then = (): void => {
      if (sentAt === 0) return;
      kept.safe = true;
      this.#host.operations.outbox.schedule();
    };
    kept.writing = kept.writing
      .then(() => this.#store.put(entry))
      .then(then, (error: unknown) => {
        this.#host.log.warn("a call could not be kept", { call: entry.method, error: String(error) });
        then(); // better sent than never
      });
    this.#later(kept.writing);
  }
  #later(writing: Promise<void>): void {
    const own = writing
      .catch((error: unknown) =>
        this.#host.log.warn("a call could not be taken out of the store", { error: String(error) }),
      )
      .finally(() => this.#writing.delete(own));
    this.#writing.add(own);
  }

  ready(operation: Operation): boolean {
    if (operation.record === undefined || this.#state === "off") return true;
    if (this.#state === "opening") return false;
    const kept = this.#kept.get(operation) ?? this.#keep(operation);
    if (kept === undefined || kept.safe) return true;
    if (kept.entry.sentAt === 0) {
      const now = this.#host.clock.wallNow();
      this.#write(kept, now);
      for (const next of this.#host.operations.outbox.held.slice(0, AHEAD)) {
        const its = this.#kept.get(next);
        if (its?.entry.sentAt === 0) this.#write(its, now);
      }
    }
    return false;
  }

  keeps(operation: Operation): boolean {
    return this.#kept.has(operation);
  }

  settled(operation: Operation): void {
    const kept = this.#kept.get(operation);
    if (kept === undefined) return;
    this.#kept.delete(operation);
    if (!this.#closing) this.#later(kept.writing.then(() => this.#store.delete(kept.entry.id)));
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#writing);
    await this.#store[Symbol.asyncDispose]?.();
  }
}

/** A call whose caller is gone. */
class RestoredOperation extends Operation {
  readonly #entry: OutboxEntry;
  readonly #done: (error: ConnectError | undefined, reply?: Uint8Array) => void;
  #reply: Uint8Array | undefined;

  constructor(
    { operations, stations }: KeeperHost,
    entry: OutboxEntry,
    timeoutMs: number | undefined,
    done: (error: ConnectError | undefined, reply?: Uint8Array) => void,
  ) {
    const { method, note, header } = entry;
    let headers: AttemptHeaders | undefined;
    // Asked when it is sent: by then the plugins have started.
    const again: AttemptHeaders = (attempt) => {
      for (const each of (note && stations()) ?? []) headers ??= each.kept?.(method, note!);
      return headers?.(attempt) ?? {};
    };
    super(operations, method, {
      signal: undefined,
      timeoutMs,
      header,
      ...(note && { contextValues: createContextValues().set(attemptHeaders, again) }),
    });
    this.#entry = entry;
    this.#done = done;
  }

  begin(order: number, openedAt: number | undefined): void {
    this.order = order;
    this.openedAt = openedAt;
    this.watch();
    try {
      this.host.outbox.submit(this, true);
    } catch (error) {
      this.abort(ConnectError.from(error));
    }
  }

  override get record(): OperationRecord {
    return this.#entry;
  }
  protected override get idempotencyKey(): string {
    return this.#entry.id;
  }
  protected open(session: Session, header: readonly HeaderField[]): void {
    // Its schema is not known here, so it cannot be written anew.
    if (session.codec.name !== this.#entry.codec) throw fail("codec_unsupported", { codecs: this.#entry.codec });
    this.call = session.open(this, this.path, {
      header,
      timeoutMs: this.remainingMs,
      idempotencyKey: this.#entry.id,
      payload: this.#entry.request,
    });
    told(session).delete(this.path); // what was said of it was of the program that made the call
  }

  protected get fresh(): boolean {
    return true;
  }
  protected get repeatable(): boolean {
    return true;
  }
  override get brief(): boolean {
    return true;
  }
  override get weight(): number {
    return super.weight + this.#entry.request.length;
  }

  data(payload: Uint8Array): void {
    this.#reply = payload;
  }
  end(frame: EndFrame): void {
    if (this.settled) return;
    this.settle();
    const reply = frame.payload ?? this.#reply;
    const error = failureOf(frame) ?? (reply === undefined ? fail("reply_missing", { path: this.path }) : undefined);
    this.#done(error, reply);
  }
  protected failed(error: ConnectError): void {
    this.#done(error);
  }
  writable(): void {}
}

function failureOf(frame: EndFrame): ConnectError | undefined {
  try {
    return endError(frame);
  } catch (error) {
    return ConnectError.from(error); // headers that HTTP does not allow
  }
}

/** What a store gives back was written by another version, or by somebody else. */
function isEntry(entry: OutboxEntry): boolean {
  try {
    const { id, madeAt, order, method, codec, request, header, deadline, sentAt, note } = entry;
    return (
      [id, method, codec].every((text) => typeof text === "string" && text !== "") &&
      [madeAt, order, deadline, sentAt].every(Number.isFinite) &&
      request instanceof Uint8Array &&
      (note === undefined || (typeof note.by === "string" && typeof note.text === "string")) &&
      header.every(({ key, value }) => typeof key === "string" && typeof value === "string")
    );
  } catch {
    return false;
  }
}
