// A stand-in for a server: a generated client that answers with sample messages, or as the test says, and is connected to nothing.
import type { DescMethod, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import type { ServiceContract } from "@raceway/core";
import { isPublished, ownAnswer, sampleAnswer } from "./sample-answer.ts";

/**
 * A client without a server, for a test or a preview of a page. `create` and `contract` are generated: `mockClient(roomClient, roomContract)`. `answers` are
 * methods of the test's own, with `this`; what it leaves out answers with `sample` messages: a call with one, a feed with three, a duplex with one for each
 * message that is sent, a topic with three, after which it stays open. A subscription has no `position`. Deadlines do not pass, since samples come at once.
 */
export function mockClient<C extends object>(
  create: (connection: Transport) => C,
  contract: ServiceContract,
  answers: Partial<C> = {},
): C {
  const client = create(sampleTransport(contract)) as Record<string, unknown>;
  for (const name of Object.keys(client)) {
    const answer = ownAnswer(answers, name);
    if (answer !== undefined) client[name] = answer.bind(answers);
  }
  return client as C;
}

function sampleTransport({ channels }: ServiceContract): Transport {
  return {
    async unary(method, signal) {
      if (signal?.aborted === true) throw canceled(signal);
      const message = sampleAnswer(method)(undefined, undefined) as MessageShape<typeof method.output>;
      return { ...responseOf(method), stream: false, message } as UnaryResponse<
        typeof method.input,
        typeof method.output
      >;
    },
    async stream(method, signal, _timeoutMs, _header, input) {
      if (signal?.aborted === true) throw canceled(signal);
      const answer = sampleAnswer(method);
      const messages = isStreamed(method)
        ? (answer(input, undefined) as AsyncIterable<MessageShape<typeof method.output>>)
        : once(() => answer(input, undefined) as Promise<MessageShape<typeof method.output>>);
      const all = isPublished(channels[method.localName]) ? openEnded(messages) : messages;
      return { ...responseOf(method), stream: true, message: leavable(all, signal) } as StreamResponse<
        typeof method.input,
        typeof method.output
      >;
    },
  };
}

function responseOf(
  method: DescMethod,
): Pick<UnaryResponse, "service" | "header" | "trailer"> & { method: DescMethod } {
  return { service: method.parent, method, header: new Headers(), trailer: new Headers() };
}

function isStreamed({ methodKind }: DescMethod): boolean {
  return methodKind === "server_streaming" || methodKind === "bidi_streaming";
}

async function* once<T>(reply: () => Promise<T>): AsyncGenerator<T> {
  yield await reply();
}

async function* openEnded<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  yield* messages;
  await new Promise<never>(() => undefined);
}

/** Ends at once when its reader leaves, and fails at once when the call is aborted, whatever it waits for. */
function leavable<T>(messages: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator](): AsyncIterator<T> {
      const source = messages[Symbol.asyncIterator]();
      const over = Promise.withResolvers<IteratorResult<T>>();
      over.promise.catch(() => undefined); // whoever reads is told
      const abort = (): void => over.reject(canceled(signal!));
      signal?.addEventListener("abort", abort, { once: true });
      return {
        next: () => Promise.race([over.promise, source.next()]),
        return: async () => {
          signal?.removeEventListener("abort", abort);
          const done = { done: true, value: undefined } as const;
          over.resolve(done);
          void source.return?.(); // it may wait for what never comes
          return done;
        },
      };
    },
  };
}

/** As a call over a connection fails that its caller gave up. */
function canceled(signal: AbortSignal): ConnectError {
  return ConnectError.from(signal.reason, Code.Canceled);
}
