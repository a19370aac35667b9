// Feeds, topics and states as options of queries that stay live: the newest message, or what has been said so far.
import type { DescMessage, DescMethodServerStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { ConnectError, Transport } from "@connectrpc/connect";
import { type CallOptions, type Subscription, type TopicOptions, callFeed, subscribeTopic } from "@raceway/client";
import { type ChannelContract, type Clock, type Position, resolveOptions, systemClock } from "@raceway/core";
import { type ChannelKey, channelKey } from "./channel-key.ts";
import { ALWAYS, type ChannelQuery, type ErrorTeller, undeclaredError } from "./channel-options.ts";
import type { Opening, Source } from "./follower.ts";
import { follow, isFollowed } from "./followers.ts";

/** Of all that is live. */
export interface LiveOptions extends Pick<CallOptions, "headers" | "timeoutMs"> {
  /** So many milliseconds after the last one has looked away, the subscription ends. 0 to 3,600,000; default 1,000: enough for StrictMode, and for the way to another page that shows the same. */
  readonly graceMs?: number;
}
/** Of topics and states. */
export interface PositionOptions extends LiveOptions, Pick<TopicOptions, "from" | "onReset"> {}

/** A list of what was said. */
export interface ListOptions {
  /** So many of the newest messages are kept. 1 to 1,000,000; default 1,000, as many as a topic keeps unless its schema says otherwise. */
  readonly limit?: number;
}
/** What a function of your own makes of the messages. */
export interface ReduceOptions<T, S> {
  /** Part of the key: tells it from what other functions make of the same messages. */
  readonly name: string;
  readonly initial: S;
  /** Called once per message, in order. Pure: what it is given stays as it is. */
  readonly reduce: (state: S, message: T) => S;
}

/** A channel whose messages come by themselves. `P` is what its options say beside. */
export interface LiveQueries<
  I extends DescMessage,
  O extends DescMessage,
  E extends ConnectError,
  P extends LiveOptions,
> {
  /** For `removeQueries` and its like: all queries of the channel, or those with this request. */
  key(request?: MessageInitShape<I>): ChannelKey;
  /** The newest message. Pending until there is one. */
  live(request: MessageInitShape<I>, options?: P): ChannelQuery<MessageShape<O>, E>;
  /** All messages so far, oldest first, or what your own function makes of them. Pending until there is one. */
  accumulated(request: MessageInitShape<I>, options?: P & ListOptions): ChannelQuery<readonly MessageShape<O>[], E>;
  accumulated<S>(request: MessageInitShape<I>, options: P & ReduceOptions<MessageShape<O>, S>): ChannelQuery<S, E>;
}
export interface FeedQueries<
  I extends DescMessage,
  O extends DescMessage,
  E extends ConnectError = ConnectError,
> extends LiveQueries<I, O, E, LiveOptions> {}
export interface TopicQueries<
  I extends DescMessage,
  O extends DescMessage,
  E extends ConnectError = ConnectError,
> extends LiveQueries<I, O, E, PositionOptions> {}

const liveTable = { graceMs: { kind: "number", default: 1_000, min: 0, max: 3_600_000, unit: "ms" } } as const;
const listTable = { limit: { kind: "number", default: 1_000, min: 1, max: 1_000_000, unit: "count" } } as const;

/** By generated code, of a feed: each time it is opened, its handler starts anew, and so does what is shown. */
export function feedQueries<I extends DescMessage, O extends DescMessage, E extends ConnectError = ConnectError>(
  connection: Transport,
  method: DescMethodServerStreaming<I, O>,
  contract: ChannelContract,
  errorOf: ErrorTeller<E> = undeclaredError as ErrorTeller<E>,
): FeedQueries<I, O, E> {
  return liveQueries(connection, method, errorOf, (request, options) =>
    callFeed(connection, method, contract, request, options),
  );
}

/** By generated code, of a topic or a state: whoever looks again goes on by position. */
export function topicQueries<I extends DescMessage, O extends DescMessage, E extends ConnectError = ConnectError>(
  connection: Transport,
  method: DescMethodServerStreaming<I, O>,
  contract: ChannelContract,
  errorOf: ErrorTeller<E> = undeclaredError as ErrorTeller<E>,
): TopicQueries<I, O, E> {
  return liveQueries(connection, method, errorOf, (request, options) =>
    subscribeTopic(connection, method, contract, request, options),
  );
}

type Open<I extends DescMessage, O extends DescMessage> = (
  request: MessageInitShape<I>,
  options: TopicOptions,
) => Subscription<MessageShape<O>> | AsyncIterable<MessageShape<O>>;

function liveQueries<I extends DescMessage, O extends DescMessage, E extends ConnectError>(
  connection: Transport,
  method: DescMethodServerStreaming<I, O>,
  errorOf: ErrorTeller<E>,
  open: Open<I, O>,
): LiveQueries<I, O, E, PositionOptions> {
  type T = MessageShape<O>;
  const clock = clockOf(connection);

  function query<D>(
    request: MessageInitShape<I>,
    { graceMs, from, onReset, headers, timeoutMs }: PositionOptions,
    view: readonly [string, ...(string | number)[]],
    fold: (before: D | undefined, messages: readonly T[]) => D | undefined,
  ): ChannelQuery<D, E> {
    const settings = resolveOptions("query", liveTable, { graceMs });
    const key = [...channelKey(method, request), ...view, ...(from === undefined ? [] : [fromKey(from)])];
    return {
      queryKey: key as unknown as ChannelQuery<D, E>["queryKey"],
      queryFn: (context) =>
        follow<T, D>(context, {
          path: key[0] as string,
          clock,
          graceMs: settings.graceMs,
          fold,
          failure: errorOf,
          open: ({ after, opened, reset }: Opening): Source<T> =>
            open(request, {
              ...(headers !== undefined && { headers }),
              ...(timeoutMs !== undefined && { timeoutMs }),
              ...(after !== undefined ? { from: after } : from !== undefined && { from }),
              ...(onReset !== undefined && {
                onReset(gap) {
                  onReset(gap);
                  reset();
                },
              }),
              onHeader: opened,
            }),
        }),
      networkMode: ALWAYS,
      retry: false, // the connection goes on over all that can be gone on over; what is left is told
      // What is followed is up to date by itself. What nobody follows, since the page was loaded with it or nobody looked at it for a while, is followed again when it is looked at.
      staleTime: (one) => (isFollowed(one) ? Number.POSITIVE_INFINITY : 0),
      refetchOnMount: (one) => (isFollowed(one) ? true : "always"),
    };
  }

  return {
    key: (request) => channelKey(method, request),
    live: (request, options = {}) =>
      query<T>(request, options, ["live"], (before, messages) => messages.at(-1) ?? before),
    accumulated: <S>(
      request: MessageInitShape<I>,
      options: PositionOptions & (ListOptions | ReduceOptions<T, S>) = {},
    ): ChannelQuery<S, E> => {
      if ("reduce" in options) {
        const { name, initial, reduce } = options;
        return query<S>(request, options, ["reduced", name], (before, messages) =>
          messages.reduce(reduce, before === undefined ? initial : before),
        );
      }
      const { limit } = resolveOptions("query", listTable, { limit: options.limit });
      const list = query<readonly T[]>(request, options, ["list", limit], (before = [], messages) =>
        before.length + messages.length <= limit ? [...before, ...messages] : [...before, ...messages].slice(-limit),
      );
      // Comparing a list with itself, moved on by one, finds nothing that could be shared.
      return { ...list, structuralSharing: false } as unknown as ChannelQuery<S, E>;
    },
  };
}

function fromKey(from: "now" | "start" | Position): string {
  return typeof from === "string" ? from : `${from.epoch} ${from.offset}`;
}

let foreign: Clock | undefined;
/** A connection of ours goes by its own clock; other transports know none. */
function clockOf(connection: Transport): Clock {
  return (connection as { readonly clock?: Clock }).clock ?? (foreign ??= systemClock());
}
