// What people call the transports.
import type { TransportName } from "../client/transports.ts";

const names: Readonly<Record<TransportName, string>> = {
  poll: "Polling",
  sse: "SSE",
  websocket: "WebSocket",
  grpc: "gRPC",
};
const longNames: Readonly<Record<TransportName, string>> = { ...names, sse: "Server-Sent Events" };

export function nameOf(transport: string): string {
  return Object.hasOwn(names, transport) ? names[transport as TransportName] : transport;
}
export function longNameOf(transport: TransportName): string {
  return longNames[transport];
}
