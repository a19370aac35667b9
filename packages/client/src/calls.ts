// What generated clients call: one function per shape, over any Connect transport.
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type StreamResponse, type Transport } from "@connectrpc/connect";
import type { ChannelContract } from "@raceway/core";
import { rememberContract } from "./contracts.ts";

/** As Connect's. All are optional. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds until the call ends with `deadline_exceeded`, here and on the server. Default: the schema's, else none. */
  readonly timeoutMs?: number;
  readonly headers?: HeadersInit;
  readonly contextValues?: ContextValues;
  readonly onHeader?: (headers: Headers) => void;
  readonly onTrailer?: (trailers: Headers) => void;
}

/** One request, one reply. */
export async function callUnary<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodUnary<I, O>,
  contract: ChannelContract,
  request: MessageInitShape<I>,
  options: CallOptions = {},
): Promise<MessageShape<O>> {
  rememberContract(method, contract);
  const response = await transport.unary(
    method,
    options.signal,
    options.timeoutMs ?? contract.timeoutMs,
    options.headers,
    request,
    options.contextValues,
  );
  options.onHeader?.(response.header);
  options.onTrailer?.(response.trailer);
  return response.message;
}

/** One request, many messages. The call begins when the iterable is read. */
export function callFeed<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodServerStreaming<I, O>,
  contract: ChannelContract,
  request: MessageInitShape<I>,
  options: CallOptions = {},
): AsyncIterable<MessageShape<O>> {
  return received((signal) => open(transport, method, contract, single(request), { ...options, signal }), options);
}

/** Many requests, one reply. */
export async function callUpload<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodClientStreaming<I, O>,
  contract: ChannelContract,
  messages: AsyncIterable<MessageInitShape<I>>,
  options: CallOptions = {},
): Promise<MessageShape<O>> {
  let reply: MessageShape<O> | undefined;
  let count = 0;
  for await (const message of received(
    (signal) => open(transport, method, contract, messages, { ...options, signal }),
    options,
  )) {
    reply = message;
    count++;
  }
  if (reply === undefined) throw new ConnectError("The server ended the call without a reply.", Code.Unimplemented);
  if (count > 1)
    throw new ConnectError(`The server sent ${count} replies to a call that takes one.`, Code.Unimplemented);
  return reply;
}

/** Many requests, many replies, in both directions at once. */
export function callDuplex<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodBiDiStreaming<I, O>,
  contract: ChannelContract,
  messages: AsyncIterable<MessageInitShape<I>>,
  options: CallOptions = {},
): AsyncIterable<MessageShape<O>> {
  return received((signal) => open(transport, method, contract, messages, { ...options, signal }), options);
}

/** By the functions above, and topics and signals. */
export function open<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodStreaming<I, O>,
  contract: ChannelContract,
  messages: AsyncIterable<MessageInitShape<I>>,
  options: CallOptions,
): Promise<StreamResponse<I, O>> {
  rememberContract(method, contract);
  return transport.stream(
    method,
    options.signal,
    options.timeoutMs ?? contract.timeoutMs,
    options.headers,
    messages,
    options.contextValues,
  );
}

/**
 * The messages of a response that is asked for when they are read. Without `onTrailer` there is no stage between reader and queue.
 * `signal` is aborted when the reader leaves, also before there is a response; when the caller's own is aborted, too.
 */
export function received<I extends DescMessage, O extends DescMessage>(
  start: (signal: AbortSignal) => Promise<StreamResponse<I, O>>,
  options: CallOptions,
): AsyncIterable<MessageShape<O>> {
  return {
    [Symbol.asyncIterator](): AsyncIterator<MessageShape<O>> {
      let source: AsyncIterator<MessageShape<O>> | undefined;
      let starting: Promise<AsyncIterator<MessageShape<O>>> | undefined;
      let response: StreamResponse<I, O> | undefined;
      const leaving = new AbortController();
      const begin = async (): Promise<AsyncIterator<MessageShape<O>>> => {
        const { signal } = leaving;
        response = await start(options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]));
        options.onHeader?.(response.header);
        source = response.message[Symbol.asyncIterator]();
        return source;
      };
      const told = (result: IteratorResult<MessageShape<O>>): IteratorResult<MessageShape<O>> => {
        if (result.done === true && response !== undefined) options.onTrailer?.(response.trailer);
        return result;
      };
      const next = (iterator: AsyncIterator<MessageShape<O>>): Promise<IteratorResult<MessageShape<O>>> =>
        options.onTrailer === undefined ? iterator.next() : iterator.next().then(told);
      const refused = (error: unknown): IteratorResult<MessageShape<O>> => {
        if (!leaving.signal.aborted) throw error;
        return { done: true, value: undefined }; // who left wants no answer
      };
      return {
        next: () => (source !== undefined ? next(source) : (starting ??= begin()).then(next, refused)),
        return: async () => {
          const left = source?.return?.(); // begun first: whoever waits for a message is told of the end, and of no failure
          leaving.abort(); // a transport that is not ours may wait for a message before it ends
          await left;
          return { done: true, value: undefined };
        },
      };
    },
  };
}

export async function* single<T>(message: T): AsyncGenerator<T> {
  yield message;
}
