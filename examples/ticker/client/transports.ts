// The four transports: one is preferred, the others stand by. The same in a page and in Node.
import type { ClientTransport } from "@raceway/core";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";

export type TransportName = "poll" | "sse" | "websocket" | "grpc";

export const transportNames: readonly TransportName[] = ["poll", "sse", "websocket", "grpc"];

/** Who stands by, best first. */
const fallbacks: readonly TransportName[] = ["websocket", "sse", "grpc", "poll"];
const make: Readonly<Record<TransportName, () => ClientTransport>> = { poll, sse, websocket, grpc };

export function preferring(name: TransportName): readonly ClientTransport[] {
  return [name, ...fallbacks.filter((other) => other !== name)].map((each) => make[each]());
}
