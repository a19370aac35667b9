// All ways to connect, each under a name of its own, with timeouts short enough for faults that last seconds.
import type { ClientTransport } from "@raceway/core";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";

export type Way = "websocket" | "sse" | "sse-text" | "poll" | "poll-short" | "grpc" | "grpc-web" | "connect";

const hurry = { timeoutMs: 1_500, retryMs: 50 };

const makers: Readonly<Record<Way, () => ClientTransport>> = {
  websocket: () => websocket(),
  sse: () => sse({ ...hurry, openMs: 1_500, silenceMs: 3_000, format: "binary" }),
  "sse-text": () => sse({ ...hurry, openMs: 1_500, silenceMs: 3_000, format: "text" }),
  poll: () => poll({ ...hurry, holdMs: 1_000 }),
  "poll-short": () => poll({ ...hurry, mode: "short", intervalMs: 50 }),
  grpc: () => grpc(),
  "grpc-web": () => grpc({ protocol: "grpc-web" }),
  connect: () => grpc({ protocol: "connect" }),
};

export const ways = Object.keys(makers) as readonly Way[];

/** A transport under the way's name, so that two forms of one transport can stand beside each other. */
export function transportOf(way: Way): ClientTransport {
  return { ...makers[way](), name: way };
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
