// What a channel's handler takes and gives: the generated interface and the stubs of `raceway scaffold` are both written by it.
import type { ChannelModel } from "@raceway/core/target";

export interface HandlerShape {
  /** What its first parameter is called. */
  readonly parameter: "request" | "requests" | "messages";
  readonly takes: "message" | "stream";
  readonly gives: "message" | "stream" | "nothing";
}

export function handlerShape({ contract: { kind }, shape }: ChannelModel): HandlerShape {
  switch (kind) {
    case "call":
      return shape === "unary"
        ? { parameter: "request", takes: "message", gives: "message" }
        : { parameter: "requests", takes: "stream", gives: "message" };
    case "feed":
    case "topic":
    case "state":
      return { parameter: "request", takes: "message", gives: "stream" };
    case "queue":
    case "duplex":
      return { parameter: "requests", takes: "stream", gives: "stream" };
    case "signal":
      return { parameter: "messages", takes: "stream", gives: "nothing" };
  }
}

/** Topics and states are published to, and need no handler. */
export function isPublished(channel: ChannelModel): boolean {
  return channel.contract.kind === "topic" || channel.contract.kind === "state";
}
