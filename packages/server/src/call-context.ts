// What a handler gets beside its request: Connect's HandlerContext, made lazily, plus `get`.
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ContextKey, ContextValues, HandlerContext } from "@connectrpc/connect";
import { type Clock, type ErrorDeclarations, type FailOf, idempotencyKey } from "@raceway/core";
import { type HeaderField, headerFields, headersOf } from "@raceway/core/internal";
import type { Channel } from "./channel.ts";
import { ContextLayer } from "./context-layer.ts";

/** Connect's HandlerContext, a shorter way to context values: `context.get(principal)`, and what makes the channel's declared errors. */
export interface CallContext<E extends ErrorDeclarations | undefined = undefined> extends HandlerContext {
  get<T>(key: ContextKey<T>): T;
  /** The errors that the schema declares for this channel, by their names: `throw context.fail.roomFull({ capacity })`. */
  readonly fail: E extends ErrorDeclarations ? FailOf<E> : object;
}

/** Of a call on a session. Headers, signal and values cost nothing until they are looked at. */
export class SessionCallContext implements CallContext {
  readonly #channel: Channel;
  readonly #inherited: ContextValues;
  readonly #requestFields: readonly HeaderField[];
  readonly #clock: Clock;
  /** The deadline, by the clock; Infinity for none. */
  readonly #due: number;
  readonly #key: string;
  #values: ContextValues | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #controller: AbortController | undefined;
  #aborted: Error | undefined;

  constructor(
    channel: Channel,
    inherited: ContextValues,
    requestFields: readonly HeaderField[],
    clock: Clock,
    due: number,
    key: string,
  ) {
    this.#channel = channel;
    this.#inherited = inherited;
    this.#requestFields = requestFields;
    this.#clock = clock;
    this.#due = due;
    this.#key = key;
  }

  get method(): DescMethod {
    return this.#channel.desc;
  }
  get service(): DescService {
    return this.#channel.service;
  }
  get fail(): object {
    return this.#channel.fail;
  }
  get requestMethod(): string {
    return "POST";
  }
  get protocolName(): string {
    return "raceway";
  }
  get url(): string {
    return `raceway:${this.#channel.path}`;
  }
  get values(): ContextValues {
    if (this.#values === undefined) {
      this.#values = new ContextLayer(this.#inherited);
      if (this.#key !== "") this.#values.set(idempotencyKey, this.#key);
    }
    return this.#values;
  }
  get<T>(key: ContextKey<T>): T {
    if (this.#values === undefined && key.id === idempotencyKey.id) return this.#key as T;
    return (this.#values ?? this.#inherited).get(key);
  }
  timeoutMs(): number | undefined {
    return this.#due === Infinity ? undefined : this.#due - this.#clock.now();
  }
  get requestHeader(): Headers {
    return (this.#requestHeader ??= headersOf(this.#requestFields));
  }
  get responseHeader(): Headers {
    return (this.#responseHeader ??= new Headers());
  }
  get responseTrailer(): Headers {
    return (this.#responseTrailer ??= new Headers());
  }
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  /** The handler sees what interceptors passed on. */
  passOn(header: Headers, values: ContextValues): void {
    this.#requestHeader = header;
    this.#values = values;
  }

  /** The call is over, or nobody wants its answer any more. */
  abort(reason: Error): void {
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }
  get isAborted(): boolean {
    return this.#aborted !== undefined;
  }
  /** Fields to send, if the handler touched the headers. */
  takeHeader(): readonly HeaderField[] | undefined {
    return this.#responseHeader && headerFields(this.#responseHeader);
  }
  takeTrailer(): readonly HeaderField[] | undefined {
    return this.#responseTrailer && headerFields(this.#responseTrailer);
  }
}

/** Of a call at a native door: Connect's own context, with `get` and `fail`, and a signal that is aborted when its credential ends, too. */
export function nativeContext(
  context: HandlerContext,
  fail: object,
  signal: AbortSignal = context.signal,
): CallContext {
  return Object.create(context, {
    fail: { value: fail },
    get: { value: <T>(key: ContextKey<T>): T => context.values.get(key) },
    signal: { value: signal },
  }) as CallContext;
}
