// A call whose messages are looked at on their way: one, or each of a stream when it is read.
import type { StreamRequest, StreamResponse, UnaryRequest, UnaryResponse } from "@connectrpc/connect";

/** Throws, or rejects, to keep a message from going on. */
export type Look = (message: unknown) => void | Promise<void>;
type Request = UnaryRequest | StreamRequest;
type Response = UnaryResponse | StreamResponse;

/** Passes the call on. Undefined: these messages are nobody's business. */
export async function watched(
  next: (request: Request) => Promise<Response>,
  request: Request,
  requests: Look | undefined,
  responses: Look | undefined,
): Promise<Response> {
  let passed = request;
  if (requests !== undefined) {
    if (request.stream) passed = { ...request, message: each(request.message, requests) };
    else {
      const waiting = requests(request.message);
      if (waiting !== undefined) await waiting;
    }
  }
  const response = await next(passed);
  if (responses === undefined) return response;
  if (response.stream) return { ...response, message: each(response.message, responses) };
  await responses(response.message);
  return response;
}

/** The same messages. One that may not go on ends the stream, here and where it comes from. */
function each<T>(messages: AsyncIterable<T>, look: Look): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        async next() {
          const result = await iterator.next();
          if (result.done === true) return result;
          try {
            const waiting = look(result.value);
            if (waiting !== undefined) await waiting;
          } catch (error) {
            await iterator.return?.().catch(() => {}); // its error is not the one that matters
            throw error;
          }
          return result;
        },
        async return(value?: unknown) {
          await iterator.return?.();
          return { done: true as const, value: value as T };
        },
      };
    },
  };
}
