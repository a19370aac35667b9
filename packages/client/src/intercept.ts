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
type Run = ReturnType<Interceptor>;

export async function interceptUnary<I extends DescMessage, O extends DescMessage>(
  chain: Promise<Interceptor | undefined>,
  method: DescMethodUnary<I, O>,
  asked: Asked,
  input: MessageInitShape<I>,
  next: (request: UnaryRequest<I, O>) => Promise<UnaryResponse<I, O>>,
): Promise<UnaryResponse<I, O>> {
  const run = ((await chain)?.(next as unknown as Run) ?? next) as typeof next;
  const scope = new Scope(asked);
  try {
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
  chain: Promise<Interceptor | undefined>,
  method: DescMethodStreaming<I, O>,
  asked: Asked,
  input: AsyncIterable<MessageInitShape<I>>,
  next: (request: StreamRequest<I, O>) => Promise<StreamResponse<I, O>>,
): Promise<StreamResponse<I, O>> {
  const run = ((await chain)?.(next as unknown as Run) ?? next) as typeof next;
  const scope = new Scope(asked);
  try {
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
  readonly #abort = (): void => this.#own.abort(this.#asked.signal?.reason);
  #late: ConnectError | undefined;

  constructor(asked: Asked) {
    this.#asked = asked;
    const { signal, timeoutMs: ms } = asked;
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted === true) this.#abort();
    if (ms === undefined || ms <= 0) return;
    this.#timer = asked.clock.after(ms, () => {
      this.#late = fail("call_deadline", { ms });
      this.#own.abort(this.#late);
    });
  }

  get signal(): AbortSignal {
    return this.#own.signal;
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
