// Who is measured: the peers, and Raceway once per transport, with and without middleware.
import type { Case } from "./workloads/table.ts";

export interface Subject {
  /** In tables and on the command line. */
  readonly name: string;
  /** Prefix of its modules in `peers/`. */
  readonly module: string;
  /** Raceway only: "websocket", or "websocket+token" with middleware. */
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

/** "token", "token+rbac" or "common" on the command line: Raceway with it, or with them together. */
export function racewayWith(transport: string, middleware: string): Subject {
  return { name: `${transport} + ${middleware}`, module: "raceway", transport: `${transport}+${middleware}` };
}

/** Raceway without middleware, to which each middleware is compared. */
export const NONE = "none";

/** Who is measured in a case, given who was asked for, and with which middleware. */
export function subjectsOf(
  { subjects: named, paired }: Case,
  asked: readonly Subject[],
  use: readonly string[],
): readonly Subject[] {
  if (paired !== undefined) {
    const { transport, middleware } = paired;
    return [
      { name: NONE, module: "raceway", transport },
      ...(use.length > 0 ? use : middleware).map((name) => ({ ...racewayWith(transport, name), name })),
    ];
  }
  if (named === undefined)
    return asked.flatMap((subject) =>
      subject.module === "raceway" && !subject.transport!.includes("door")
        ? [subject, ...use.map((name) => racewayWith(subject.transport!, name))]
        : [subject],
    );
  const all = [...peers, ...racewayTransports.map(racewaySubject), ...variants];
  return named.map((name) => all.find((subject) => subject.name === name)!);
}
