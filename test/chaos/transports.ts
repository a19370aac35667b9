// All ways to connect, each under a name of its own, with timeouts short enough for faults that last seconds.
import type { ClientTransport } from "@raceway/core";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";

export type Way = "websocket" | "sse" | "sse-text" | "poll" | "poll-short" | "grpc" | "grpc-web" | "connect";

/** Timeouts of a transport's own, in milliseconds. */
export interface Patience {
  /** To open a stream, and for the answer to a request. */
  readonly answerMs: number;
  /** Long polls are held so long. */
  readonly holdMs: number;
  /** A stream without a byte is dead. */
  readonly silenceMs: number;
}
const chaosPatience: Patience = { answerMs: 2_500, holdMs: 1_000, silenceMs: 3_000 };
const retryMs = 50;

const makers: Readonly<Record<Way, (patience: Patience) => ClientTransport>> = {
  websocket: () => websocket(),
  sse: (patience) => sse({ ...sseOptions(patience), format: "binary" }),
  "sse-text": (patience) => sse({ ...sseOptions(patience), format: "text" }),
  poll: ({ answerMs, holdMs }) => poll({ timeoutMs: answerMs, holdMs, retryMs }),
  "poll-short": ({ answerMs }) => poll({ timeoutMs: answerMs, mode: "short", intervalMs: 50, retryMs }),
  grpc: () => grpc(),
  "grpc-web": () => grpc({ protocol: "grpc-web" }),
  connect: () => grpc({ protocol: "connect" }),
};

const sseOptions = ({ answerMs, silenceMs }: Patience) => ({
  timeoutMs: answerMs,
  openMs: answerMs,
  silenceMs,
  retryMs,
});

export const ways = Object.keys(makers) as readonly Way[];

/** A transport under the way's name, so that two forms of one transport can stand beside each other. */
export function transportOf(way: Way, patience: Patience = chaosPatience): ClientTransport {
  return { ...makers[way](patience), name: way };
}

/** The same transport, led through another door of the same server. */
export function through(transport: ClientTransport, url: string): ClientTransport {
  return {
    ...transport,
    start(host) {
      const started = transport.start(host);
      return { open: (endpoint, opened, signal) => started.open({ ...endpoint, url }, opened, signal) };
    },
  };
}
