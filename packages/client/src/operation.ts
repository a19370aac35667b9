// A call in flight on the client, which outlives the session that carries it where that is safe.
import type { DescMethod } from "@bufbuild/protobuf";
import { ConnectError, type ContextValues } from "@connectrpc/connect";
import { type Clock, type Timer, fail } from "@raceway/core";
import {
  type Call,
  type CallReceiver,
  type EndFrame,
  type HeaderField,
  type Session,
  errorOf,
  headersOf,
} from "@raceway/core/internal";

/** What operations need of their connection. */
export interface OperationHost {
  readonly clock: Clock;
  /** The session to open calls on. Throws if the connection is closed or its outbox full. */
  session(): Session;
  decoderOf(method: DescMethod): (payload: Uint8Array) => unknown;
  encoderOf(method: DescMethod): (message: unknown) => Uint8Array;
  /** 128 random bits, as text. */
  newKey(): string;
}

/** How a call was asked for. */
export interface CallInit {
  readonly method: DescMethod;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: readonly HeaderField[];
  readonly contextValues: ContextValues | undefined;
}

/** Retries of an idempotent call after the loss of its session. */
const MAX_RETRIES = 5;

/** What unary and streaming operations share: deadline, abort, and what becomes of them when the session is lost. */
export abstract class Operation implements CallReceiver {
  protected readonly host: OperationHost;
  protected readonly init: CallInit;
  protected call: Call | undefined;
  #timer: Timer | undefined;
  #due = 0;
  #retries = 0;
  #settled = false;

  protected constructor(host: OperationHost, init: CallInit) {
    this.host = host;
    this.init = init;
  }

  /** "/package.Service/Method". */
  get path(): string {
    return `/${this.init.method.parent.typeName}/${this.init.method.name}`;
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
  protected get remainingMs(): number {
    return this.#due === 0 ? 0 : Math.max(1, Math.round(this.#due - this.host.clock.now()));
  }

  /** Gives up: the server is told, the caller gets the error. */
  protected abort(error: ConnectError): void {
    if (this.#settled) return;
    this.call?.cancel();
    this.settle();
    this.failed(error);
  }

  /** Nothing more is to come. */
  protected settle(): void {
    this.#settled = true;
    this.#timer?.[Symbol.dispose]();
    this.init.signal?.removeEventListener("abort", this.#onAbort);
  }

  lost(error: ConnectError): void {
    if (this.#settled) return;
    const call = this.call;
    this.call = undefined;
    // An Open that no link ever took cannot have been seen by anybody.
    const unseen = call !== undefined && call.opened >= call.session.transmitted;
    if ((unseen && this.fresh) || (this.repeatable && this.#retries++ < MAX_RETRIES)) {
      try {
        this.open();
        return;
      } catch (failure) {
        this.settle();
        this.failed(ConnectError.from(failure));
        return;
      }
    }
    this.settle();
    this.failed(error);
  }

  /** Is all that was said of it in the Open? What else was written went with the session. */
  protected abstract get fresh(): boolean;
  /** May it be sent again though the server may have seen it? */
  protected abstract get repeatable(): boolean;
  /** Opens the call on the present session. */
  abstract open(): void;
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

function abortError(signal: AbortSignal): ConnectError {
  const error = fail("call_cancelled");
  error.cause = signal.reason;
  return error;
}
