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

/** Measured only in the cases that name them. */
const variants: readonly Subject[] = [
  { name: "ws deflate", module: BASE, transport: "deflate" },
  { name: "raceway compressed", module: "raceway", transport: "websocket+compression" },
  { name: "raceway batched", module: "raceway", transport: "websocket+batching" },
];

export const racewayTransports = ["websocket", "sse", "poll", "grpc", "grpc-door"] as const;

export function racewaySubject(transport: string): Subject {
  return { name: `raceway ${transport}`, module: "raceway", transport };
}

/** Who is measured in a case, given who was asked for. */
export function subjectsOf(named: readonly string[] | undefined, asked: readonly Subject[]): readonly Subject[] {
  if (named === undefined) return asked;
  const all = [...peers, ...racewayTransports.map(racewaySubject), ...variants];
  return named.map((name) => all.find((subject) => subject.name === name)!);
}
