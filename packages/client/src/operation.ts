// A call in flight on the client, which outlives the session that carries it where that is safe.
import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { ConnectError, type ContextValues } from "@connectrpc/connect";
import {
  type AttemptHeaders,
  type BatchWindow,
  type Clock,
  type Codec,
  type Limits,
  type Timer,
  attemptHeaders,
  errorInfo,
  fail,
} from "@raceway/core";
import {
  type Call,
  type CallReceiver,
  type EndFrame,
  type HeaderField,
  type Session,
  errorOf,
  headerFields,
  headersOf,
  schemaVersion,
} from "@raceway/core/internal";
import { claimOf, told } from "./contracts.ts";
import type { OutboxEntry } from "./outbox-entry.ts";
import type { Outbox } from "./outbox.ts";

/** What operations need of their connection. */
export interface OperationHost {
  readonly clock: Clock;
  /** Opens calls, now or when there is a link. */
  readonly outbox: Outbox;
  readonly limits: Limits;
  /** The present session. */
  readonly present: Session;
  /** The same, and sees to it that it gets a link. Throws if the connection is closed, or the server has just refused it. */
  session(): Session;
  /** A listener threw. */
  failed(error: unknown): void;
  /** How long messages of a stream may wait for company. */
  windowOf(method: DescMethod): BatchWindow | undefined;
  /** Never given before, by this connection or any other: 128 random bits and a number, as text. */
  newKey(): string;
}

/** How a call was asked for. */
export interface CallInit extends OperationInit {
  readonly method: DescMethod;
  readonly contextValues: ContextValues | undefined;
}
export interface OperationInit {
  /** Absent: of a call that was kept over a restart, perhaps by an older program. */
  readonly method?: DescMethod;
  readonly contextValues?: ContextValues | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: readonly HeaderField[];
}
/** What a store keeps of a call. */
export type OperationRecord = Pick<OutboxEntry, "id" | "request">;

/** Retries after the loss of the session, in a row: of an idempotent call, or of a topic that cannot be read. */
const MAX_RETRIES = 5;

/** What unary and streaming operations share: deadline, abort, and what becomes of them when the session is lost. */
export abstract class Operation implements CallReceiver {
  protected readonly host: OperationHost;
  /** "/package.Service/Method". */
  readonly path: string;
  readonly init: OperationInit;
  protected call: Call | undefined;
  readonly attemptHeaders: AttemptHeaders | undefined;
  /** Writes and reads its payloads: that of the session which has it, before there is one the present session's. */
  codec: Codec;

  // By the outbox
  /** Order in which calls were made; 0: not yet submitted. */
  order = 0;
  /** What it counts as while it is held. */
  size = 0;
  queued = false;
  /** Handed over by the outbox, and not answered. */
  flying = false;
  /** When a server may have seen it first. */
  openedAt: number | undefined;
  #timer: Timer | undefined;
  #due = 0;
  #retries = 0;
  #settled = false;
  /** Some link took an Open of it. */
  #seen = false;

  protected constructor(host: OperationHost, path: string, init: OperationInit) {
    this.host = host;
    this.path = path;
    this.init = init;
    this.codec = host.present.codec;
    this.attemptHeaders = init.contextValues?.get(attemptHeaders);
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Watches deadline and signal. False: it is over already. */
  protected watch(): boolean {
    const { timeoutMs, signal } = this.init;
    if (timeoutMs !== undefined && timeoutMs > 0) {
      this.#due = this.host.clock.now() + timeoutMs;
      this.#timer = this.host.clock.after(timeoutMs, () => this.abort(fail("call_deadline", { ms: timeoutMs })));
    }
    if (signal === undefined) return true;
    if (signal.aborted) {
      this.abort(abortError(signal));
      return false;
    }
    signal.addEventListener("abort", this.#onAbort);
    return true;
  }

  readonly #onAbort = (): void => this.abort(abortError(this.init.signal!));

  /** What is left of the deadline, for the Open frame; 0 for none. */
  get remainingMs(): number {
    return this.#due === 0 ? 0 : Math.max(1, Math.round(this.#due - this.host.clock.now()));
  }

  /** Gives up: what waits is never sent, a server that may have it is told, the caller gets the error. */
  abort(error: ConnectError): void {
    if (this.#settled) return;
    const { call, path } = this;
    call?.cancel();
    if (call) told(call.session).delete(path); // perhaps it was withdrawn
    this.settle();
    this.failed(error);
  }

  /** Nothing more is to come. */
  protected settle(): void {
    this.#settled = true;
    this.host.outbox.settled(this);
    this.#timer?.[Symbol.dispose]();
    this.init.signal?.removeEventListener("abort", this.#onAbort);
  }

  /** Opens the call on this session. Throws `message_too_large`, `headers_too_large`. */
  launch(session: Session): void {
    const made = this.attemptHeaders?.({ idempotencyKey: this.idempotencyKey });
    if (made instanceof Promise)
      made
        .then((more) => {
          if (this.#settled) return;
          // The session, or its link, may be gone by now.
          if (this.host.present === session && session.current !== undefined) this.#open(session, more);
          else this.host.outbox.submit(this, true);
        })
        .catch((error: unknown) => this.abort(ConnectError.from(error)));
    else this.#open(session, made);
  }
  #open(session: Session, more: Readonly<Record<string, string>> | undefined): void {
    this.openedAt ??= this.host.clock.now();
    const { header, method } = this.init;
    const claim = claimOf(session, this.path, method);
    this.open(session, more || claim.length ? [...header, ...claim, ...headerFields(more)] : header);
    if (claim.length) told(session).set(this.path, method!);
  }

  lost(error: ConnectError): void {
    if (this.#settled) return;
    const call = this.call;
    this.call = undefined;
    // An Open that no link ever took cannot have been seen by anybody.
    const unseen = call !== undefined && call.opened >= call.session.transmitted;
    if (!unseen) this.#seen = true;
    else if (!this.#seen) this.openedAt = undefined;
    if ((unseen && this.fresh) || (this.repeatable && this.#retries++ < MAX_RETRIES)) {
      try {
        this.host.outbox.submit(this, true);
        return;
      } catch (failure) {
        error = ConnectError.from(failure);
      }
    }
    this.settle();
    this.failed(error);
  }

  /** It goes well: the next losses are counted anew. */
  protected progressed(): void {
    this.#retries = 0;
  }

  /** The server may have run it so long ago that it would not know it again. */
  get stale(): boolean {
    return (
      this.openedAt !== undefined &&
      this.host.clock.now() - this.openedAt >= this.host.limits.dedupMs &&
      this.record !== undefined
    );
  }
  /** Bytes that it holds while it waits. */
  get weight(): number {
    let bytes = this.path.length;
    for (const { key, value } of this.init.header) bytes += key.length + value.length;
    return bytes;
  }
  /** Of a call that runs once, however often it is sent. */
  get record(): OperationRecord | undefined {
    return undefined;
  }
  /** It ends by itself, soon. */
  get brief(): boolean {
    return false;
  }
  /** The session has another codec than the one before: a payload of that one, in its own. */
  protected again(payload: Uint8Array, desc: DescMessage, { codec }: Session): Uint8Array {
    return codec === this.codec ? payload : codec.of(desc).encode(this.codec.of(desc).decode(payload));
  }
  /** What came cannot be read: if its server is of another version of the schema, the error names both. */
  protected unread(error: unknown, server: string | undefined): unknown {
    const { reason, metadata = {} } = errorInfo(error) ?? {};
    if (!server || reason !== "payload_malformed") return error;
    const client = schemaVersion(this.init.method!);
    const detail = `${metadata["type"]} cannot be read: ${metadata["detail"]}`;
    return fail("schema_mismatch", { path: this.path, client, server, detail });
  }
  /** Is all that was said of it in the Open? What else was written went with the session. */
  protected abstract get fresh(): boolean;
  /** May it be sent again though the server may have seen it? */
  protected abstract get repeatable(): boolean;
  /** Of a call that runs once, however often it is sent; else "". */
  protected get idempotencyKey(): string {
    return "";
  }
  /** Opens the call on this session. */
  protected abstract open(session: Session, header: readonly HeaderField[]): void;
  /** The caller's error; called once. */
  protected abstract failed(error: ConnectError): void;
  abstract data(payload: Uint8Array, header: readonly HeaderField[] | undefined): void;
  abstract end(frame: EndFrame): void;
  abstract writable(): void;
  cancelled(): void {}
}

/** The error in an End frame, with the response's metadata as Connect has it. */
export function endError(frame: EndFrame): ConnectError | undefined {
  return frame.status === undefined ? undefined : errorOf(frame.status, headersOf([...frame.header, ...frame.trailer]));
}

/** "/package.Service/Method". */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function abortError(signal: AbortSignal): ConnectError {
  const error = fail("call_cancelled");
  error.cause = signal.reason;
  return error;
}
