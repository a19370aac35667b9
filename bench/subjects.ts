// Who is measured: the peers, and Raceway once per transport.

export interface Subject {
  /** In tables and on the command line. */
  readonly name: string;
  /** Prefix of its modules in `peers/`. */
  readonly module: string;
  /** Raceway only. */
  readonly transport?: string;
}

/** The one that ratios refer to. */
export const BASE = "ws";

export const peers: readonly Subject[] = [
  { name: BASE, module: "ws" },
  { name: "socket.io", module: "socket.io" },
  { name: "grpc-js", module: "grpc-js" },
  { name: "connect", module: "connect" },
];

export const racewayTransports = ["websocket", "sse", "poll", "grpc", "grpc-door"] as const;

export function racewaySubject(transport: string): Subject {
  return { name: `raceway ${transport}`, module: "raceway", transport };
}
