// Follows one call through an interceptor to its very end, which for a stream comes long after its response: for plugins that count, trace or log.
import {
  Code,
  ConnectError,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";

/** Who follows a call. Must not throw. */
export interface CallWatcher {
  /** Exactly once: how it ended (undefined: well), and how many messages of streams went by; what is single is not counted. */
  ended(error: ConnectError | undefined, requests: number, responses: number): void;
  /** Runs each piece of the call, for a context that belongs to it. Absent: as it is. */
  run?<T>(piece: () => T): T;
}

type Request = UnaryRequest | StreamRequest;
type Response = UnaryResponse | StreamResponse;

/**
 * Passes the call on, unchanged. It has ended when it failed, was answered, when its stream was read to the end or left, or when its signal is aborted: a
 * handler that goes on after that is nobody's call any more.
 */
export async function watchCall(
  next: (request: Request) => Promise<Response>,
  request: Request,
  watcher: CallWatcher,
): Promise<Response> {
  const watched = new WatchedCall(request.signal, watcher);
  try {
    const response = await watched.run(() => next(request.stream ? watched.incoming(request) : request));
    if (response.stream) return { ...response, message: watched.outgoing(response.message) } as StreamResponse;
    watched.end(undefined);
    return response;
  } catch (error) {
    watched.end(error);
    throw error;
  }
}

class WatchedCall {
  readonly #signal: AbortSignal;
  readonly #watcher: CallWatcher;
  #requests = 0;
  #responses = 0;
  #over = false;
  readonly #aborted = (): void => this.end(this.#signal.reason);

  constructor(signal: AbortSignal, watcher: CallWatcher) {
    this.#signal = signal;
    this.#watcher = watcher;
    signal.addEventListener("abort", this.#aborted);
  }

  run<T>(piece: () => T): T {
    return this.#watcher.run === undefined ? piece() : this.#watcher.run(piece);
  }

  end(cause: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#signal.removeEventListener("abort", this.#aborted);
    const error =
      cause === undefined ? undefined : ConnectError.from(cause, this.#signal.aborted ? Code.Canceled : Code.Unknown);
    this.#watcher.ended(error, this.#requests, this.#responses);
  }

  incoming(request: StreamRequest): StreamRequest {
    const message = this.#through(request.message as AsyncIterable<unknown>, () => this.#requests++, undefined);
    return { ...request, message } as StreamRequest;
  }
  outgoing(messages: unknown): AsyncIterable<unknown> {
    return this.#through(
      messages as AsyncIterable<unknown>,
      () => this.#responses++,
      (cause) => this.end(cause),
    );
  }

  /** The messages, and word of each and of the end. Who leaves before the end has cancelled, unless the call was ended before. */
  #through(
    messages: AsyncIterable<unknown>,
    passed: () => void,
    ended: ((cause: unknown) => void) | undefined,
  ): AsyncIterable<unknown> {
    return {
      [Symbol.asyncIterator]: () => {
        const iterator = this.run(() => messages[Symbol.asyncIterator]());
        return {
          next: async () => {
            try {
              const result = await this.run(() => iterator.next());
              if (result.done === true) ended?.(undefined);
              else passed();
              return result;
            } catch (error) {
              ended?.(error);
              throw error;
            }
          },
          return: async (value?: unknown) => {
            ended?.(this.#signal.aborted ? this.#signal.reason : new ConnectError("The reader left.", Code.Canceled));
            await this.run(() => iterator.return?.());
            return { done: true as const, value };
          },
        };
      },
    };
  }
}
