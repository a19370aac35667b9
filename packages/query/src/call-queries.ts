// Unary calls as options of queries, for what only reads, and of mutations.
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { ConnectError, Transport } from "@connectrpc/connect";
import { type CallOptions, callUnary } from "@raceway/client";
import type { ChannelContract } from "@raceway/core";
import { type ChannelKey, channelKey } from "./channel-key.ts";
import {
  ALWAYS,
  type ChannelMutation,
  type ChannelQuery,
  type ErrorTeller,
  undeclaredError,
} from "./channel-options.ts";

/** Of one call. They are no part of the key. */
export interface RequestOptions extends Pick<CallOptions, "headers" | "timeoutMs"> {}

/** A call that has effects. */
export interface CallMutations<I extends DescMessage, O extends DescMessage, E extends ConnectError = ConnectError> {
  /** `mutate(request)` makes the call. */
  mutation(options?: RequestOptions): ChannelMutation<MessageShape<O>, E, MessageInitShape<I>>;
}

/** A call that only reads, or of which the schema does not say. */
export interface CallQueries<
  I extends DescMessage,
  O extends DescMessage,
  E extends ConnectError = ConnectError,
> extends CallMutations<I, O, E> {
  /** For `invalidateQueries` and its like: all queries of the channel, or those with this request. */
  key(request?: MessageInitShape<I>): ChannelKey;
  /** Asks once, and again as TanStack sees fit: when a page is shown again, for one. So not for calls with effects. Aborted when nobody waits for it any more. */
  query(request: MessageInitShape<I>, options?: RequestOptions): ChannelQuery<MessageShape<O>, E>;
}

/** By generated code, of a call marked `IDEMPOTENT`: it has effects, but no more by being sent again. */
export function callMutations<I extends DescMessage, O extends DescMessage, E extends ConnectError = ConnectError>(
  connection: Transport,
  method: DescMethodUnary<I, O>,
  contract: ChannelContract,
  errorOf: ErrorTeller<E> = undeclaredError as ErrorTeller<E>,
): CallMutations<I, O, E> {
  const call = caller(connection, method, contract, errorOf);
  return {
    mutation: (options) => ({
      mutationKey: channelKey(method),
      mutationFn: (request) => call(request, options),
      networkMode: ALWAYS,
      ...retryOf(contract),
    }),
  };
}

/** By generated code, of a call marked `NO_SIDE_EFFECTS` or not at all. */
export function callQueries<I extends DescMessage, O extends DescMessage, E extends ConnectError = ConnectError>(
  connection: Transport,
  method: DescMethodUnary<I, O>,
  contract: ChannelContract,
  errorOf: ErrorTeller<E> = undeclaredError as ErrorTeller<E>,
): CallQueries<I, O, E> {
  const call = caller(connection, method, contract, errorOf);
  return {
    ...callMutations(connection, method, contract, errorOf),
    key: (request) => channelKey(method, request),
    query: (request, options) => ({
      queryKey: channelKey(method, request) as ChannelQuery<MessageShape<O>, E>["queryKey"],
      queryFn: ({ signal }) => call(request, { ...options, signal }),
      ...retryOf(contract),
    }),
  };
}

/** What may be sent again is sent again by the connection, and by the middleware `retry` if there is one: retries of TanStack's would multiply with theirs. For the rest, its own defaults hold. */
function retryOf({ idempotency }: ChannelContract): { readonly retry?: false } {
  return idempotency === undefined ? {} : { retry: false };
}

function caller<I extends DescMessage, O extends DescMessage, E extends ConnectError>(
  connection: Transport,
  method: DescMethodUnary<I, O>,
  contract: ChannelContract,
  errorOf: ErrorTeller<E>,
): (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>> {
  return async (request, options) => {
    try {
      return await callUnary(connection, method, contract, request, options);
    } catch (cause) {
      throw errorOf(cause) as ConnectError;
    }
  };
}
