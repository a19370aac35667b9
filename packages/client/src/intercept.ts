// Calls through the client's middleware: one composed interceptor between the caller and the session, with a signal of its own.
import {
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  create,
} from "@bufbuild/protobuf";
import {
  ConnectError,
  type ContextValues,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
  createContextValues,
} from "@connectrpc/connect";
import { type Clock, fail } from "@raceway/core";

export interface Asked {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
  readonly contextValues: ContextValues | undefined;
  readonly url: string;
  readonly clock: Clock;
}
/** The plugins of a method, or that they start still. */
export type Chain = Interceptor | Promise<Interceptor | undefined>;
/** One attempt; it may take so long. */
type Attempt<Q, R> = (request: Q, timeoutMs: number | undefined) => Promise<R>;

export async function interceptUnary<I extends DescMessage, O extends DescMessage>(
  chain: Chain,
  method: DescMethodUnary<I, O>,
  asked: Asked,
  input: MessageInitShape<I>,
  next: Attempt<UnaryRequest<I, O>, UnaryResponse<I, O>>,
): Promise<UnaryResponse<I, O>> {
  const scope = new Scope(asked);
  try {
    const run = await scope.within(chain, next);
    return await run({
      ...common(method, asked, scope),
      stream: false,
      method,
      message: create(method.input, input),
    });
  } catch (error) {
    throw scope.reasonOr(error);
  } finally {
    scope.end();
  }
}

export async function interceptStream<I extends DescMessage, O extends DescMessage>(
  chain: Chain,
  method: DescMethodStreaming<I, O>,
  asked: Asked,
  input: AsyncIterable<MessageInitShape<I>>,
  next: Attempt<StreamRequest<I, O>, StreamResponse<I, O>>,
): Promise<StreamResponse<I, O>> {
  const scope = new Scope(asked);
  try {
    const run = await scope.within(chain, next);
    const response = await run({
      ...common(method, asked, scope),
      stream: true,
      method,
      message: complete(method.input, input),
    });
    return { ...response, message: read(response.message, scope) };
  } catch (error) {
    scope.end();
    throw scope.reasonOr(error);
  }
}

function common(method: DescMethod, asked: Asked, scope: Scope): Omit<UnaryRequest, "stream" | "message" | "method"> {
  return {
    service: method.parent,
    requestMethod: "POST",
    url: `${asked.url}/${method.parent.typeName}/${method.name}`,
    header: new Headers(asked.header),
    contextValues: asked.contextValues ?? createContextValues(),
    signal: scope.signal,
  };
}

async function* complete<I extends DescMessage>(
  desc: I,
  input: AsyncIterable<MessageInitShape<I>>,
): AsyncGenerator<MessageShape<I>> {
  for await (const message of input) yield create(desc, message);
}

/** Whoever stops reading ends the call. */
async function* read<T>(messages: AsyncIterable<T>, scope: Scope): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw scope.reasonOr(error);
  } finally {
    scope.end();
  }
}

/** The life of one call, as interceptors see it: aborted by the caller, by the deadline, and when it is over. */
class Scope {
  readonly #own = new AbortController();
  readonly #asked: Asked;
  readonly #timer: Disposable | undefined;
  #due: number | undefined;
  readonly #abort = (): void => this.#own.abort(this.#asked.signal?.reason);
  #late: ConnectError | undefined;

  constructor(asked: Asked) {
    this.#asked = asked;
    const { signal, timeoutMs: ms } = asked;
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted === true) this.#abort();
    if (ms === undefined || ms <= 0) return;
    this.#due = asked.clock.now() + ms;
    this.#timer = asked.clock.after(ms, () => {
      this.#late = fail("call_deadline", { ms });
      this.#own.abort(this.#late);
    });
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }
  /** The call within its plugins. Each attempt is told what is left of the deadline. */
  async within<Q, R>(chain: Chain, next: Attempt<Q, R>): Promise<(request: Q) => Promise<R>> {
    const attempt = (request: Q): Promise<R> =>
      next(request, this.#due && Math.max(1, this.#due - this.#asked.clock.now()));
    const run = chain instanceof Promise ? await this.#awaited(chain) : chain;
    return (run?.(attempt as unknown as ReturnType<Interceptor>) ?? attempt) as typeof attempt;
  }
  /** Whatever plugins take to start, the call is not held beyond its own end. */
  #awaited<T>(started: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const left = (): void => reject(fail("call_cancelled"));
      this.signal.addEventListener("abort", left);
      if (this.signal.aborted) left();
      started.then(resolve, reject);
    });
  }
  /** What the call failed with, or that it was too late. */
  reasonOr(error: unknown): ConnectError {
    return this.#late ?? ConnectError.from(error);
  }
  end(): void {
    this.#timer?.[Symbol.dispose]();
    this.#asked.signal?.removeEventListener("abort", this.#abort);
    this.#own.abort();
  }
}
