// Topics: a subscription that goes on by position over links, switches and restarts of the server.
import type { DescMessage, DescMethodServerStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type Transport, createContextValues } from "@connectrpc/connect";
import type { ChannelContract, Position } from "@raceway/core";
import { type CallOptions, open, received, single } from "./calls.ts";
import { type Gap, type TopicReading, topicReading } from "./topic-options.ts";

export interface TopicOptions extends CallOptions {
  /** "now" (default): what is published from now on. "start": from the oldest event that is kept. A position: what came after it. */
  readonly from?: "now" | "start" | Position;
  /** Events are gone that were wanted: told what is missing, reading goes on from the oldest that is kept. Without it, reading ends with `history_gone`. */
  readonly onReset?: (gap: Gap) => void;
}

/** The events of a topic, in order, none missing and none twice. Read it once. */
export interface Subscription<T> extends AsyncIterable<T> {
  /** The last event that was read: give it as `from` to go on later, in another process or on another day. */
  readonly position: Position | undefined;
}

export function subscribeTopic<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodServerStreaming<I, O>,
  contract: ChannelContract,
  request: MessageInitShape<I>,
  options: TopicOptions = {},
): Subscription<MessageShape<O>> {
  const from = options.from ?? "now";
  const reading: TopicReading = {
    from,
    onReset: options.onReset,
    position: typeof from === "object" ? from : undefined,
  };
  const contextValues = (options.contextValues ?? createContextValues()).set(topicReading, reading);
  const messages = received(
    (signal) => open(transport, method, contract, single(request), { ...options, signal, contextValues }),
    options,
  );
  return {
    get position() {
      return reading.position;
    },
    [Symbol.asyncIterator]: () => messages[Symbol.asyncIterator](),
  };
}
