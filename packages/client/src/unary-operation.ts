// A unary call: one Open that carries the request, one End that carries the reply.
import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { ConnectError, UnaryResponse } from "@connectrpc/connect";
import { fail } from "@raceway/core";
import { type EndFrame, type HeaderField, type Session, headersOf } from "@raceway/core/internal";
import { IDEMPOTENT, NO_SIDE_EFFECTS, versionIn } from "./contracts.ts";
import { type CallInit, Operation, type OperationHost, type OperationRecord, endError, pathOf } from "./operation.ts";

/** A caller's own key, for a call that may be repeated after a restart of the client; without it each call gets a new one. */
const KEY_HEADER = "idempotency-key";

/** Starts the call; rejects with a ConnectError. */
export function startUnary<I extends DescMessage, O extends DescMessage>(
  host: OperationHost,
  init: CallInit & { readonly method: DescMethodUnary<I, O> },
  request: unknown,
): Promise<UnaryResponse<I, O>> {
  return new Promise((resolve, reject) => {
    const operation = new UnaryOperation<I, O>(host, init, resolve, reject);
    operation.start(request);
  });
}

class UnaryOperation<I extends DescMessage, O extends DescMessage> extends Operation {
  readonly #resolve: (response: UnaryResponse<I, O>) => void;
  readonly #reject: (error: unknown) => void;
  readonly #method: DescMethodUnary<I, O>;
  readonly #key: string;
  #request: Uint8Array | undefined;
  #reply: Uint8Array | undefined;
  #header: readonly HeaderField[] | undefined;

  constructor(
    host: OperationHost,
    init: CallInit & { readonly method: DescMethodUnary<I, O> },
    resolve: (response: UnaryResponse<I, O>) => void,
    reject: (error: unknown) => void,
  ) {
    super(host, pathOf(init.method), init);
    this.#method = init.method;
    this.#resolve = resolve;
    this.#reject = reject;
    const given = init.header.find(({ key }) => key === KEY_HEADER)?.value;
    this.#key = (init.method.idempotency as number) === IDEMPOTENT ? given || host.newKey() : "";
  }

  start(request: unknown): void {
    try {
      this.#request = this.codec.of(this.#method.input).encode(request as never);
      if (this.watch()) this.host.outbox.submit(this);
    } catch (error) {
      this.settle();
      this.#reject(error);
    }
  }

  protected override get idempotencyKey(): string {
    return this.#key;
  }
  protected open(session: Session, header: readonly HeaderField[]): void {
    this.#request = this.again(this.#request!, this.#method.input, session);
    this.codec = session.codec;
    this.call = session.open(this, this.path, {
      header,
      timeoutMs: this.remainingMs,
      idempotencyKey: this.#key,
      payload: this.#request,
    });
  }

  protected get repeatable(): boolean {
    return this.#key !== "" || (this.#method.idempotency as number) === NO_SIDE_EFFECTS;
  }

  protected get fresh(): boolean {
    return true;
  }
  override get brief(): boolean {
    return true;
  }
  override get weight(): number {
    return super.weight + this.#request!.length;
  }
  override get record(): OperationRecord | undefined {
    return this.#key === "" ? undefined : { id: this.#key, request: this.#request! };
  }

  data(payload: Uint8Array, header: readonly HeaderField[] | undefined): void {
    this.#reply = payload;
    this.#header = header;
  }

  end(frame: EndFrame): void {
    if (this.settled) return;
    this.settle();
    const header = this.#header ?? frame.header;
    try {
      const error = endError(frame);
      if (error !== undefined) return this.#reject(error);
      const payload = frame.payload ?? this.#reply;
      if (payload === undefined) return this.#reject(fail("reply_missing", { path: this.path }));
      const message = this.codec.of(this.#method.output).decode(payload);
      this.#resolve(new Reply<I, O>(this.#method, message, header, frame.trailer));
    } catch (failure) {
      this.#reject(this.unread(failure, versionIn(header)));
    }
  }

  protected failed(error: ConnectError): void {
    this.#reject(error);
  }
  writable(): void {}
}

/** Headers are made when they are looked at: most callers never do. */
class Reply<I extends DescMessage, O extends DescMessage> implements UnaryResponse<I, O> {
  readonly stream = false;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  #header: readonly HeaderField[] | Headers;
  #trailer: readonly HeaderField[] | Headers;

  constructor(
    method: DescMethodUnary<I, O>,
    message: MessageShape<O>,
    header: readonly HeaderField[],
    trailer: readonly HeaderField[],
  ) {
    this.method = method;
    this.message = message;
    this.#header = header;
    this.#trailer = trailer;
  }
  get service(): DescMethodUnary<I, O>["parent"] {
    return this.method.parent;
  }
  get header(): Headers {
    return this.#header instanceof Headers ? this.#header : (this.#header = headersOf(this.#header));
  }
  get trailer(): Headers {
    return this.#trailer instanceof Headers ? this.#trailer : (this.#trailer = headersOf(this.#trailer));
  }
}
