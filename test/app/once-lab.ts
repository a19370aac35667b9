// Servers that come and go on one store, with a handler whose end is in the test's hands.
import { type Connection, type ConnectOptions, connect } from "@raceway/client";
import { type Backplane, type LimitOptions, type MemoryTransport, memoryTransport } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabHandlers, labService } from "../gen/lab/v1/lab.server.ts";
import { handlers } from "./lab.ts";

export interface OnceServer extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly app: Raceway;
  readonly memory: MemoryTransport;
  connect(options?: Partial<ConnectOptions>): Connection & { readonly client: LabClient };
  /** As a new process would find it: nothing is ended, nothing waited for. */
  close(graceMs?: number): Promise<void>;
}

/** What `add` does. */
export type Add = NonNullable<LabHandlers["add"]>;

export async function onceServer(
  backplane: Backplane | undefined,
  add: Add,
  options: { readonly clock?: VirtualClock; readonly limits?: LimitOptions } = {},
): Promise<OnceServer> {
  const clock = options.clock ?? virtualClock();
  const memory = memoryTransport();
  const app = raceway({
    transports: [memory.server],
    clock,
    limits: { heartbeatMs: 3_600_000, ...options.limits },
    ...(backplane && { backplane }),
  });
  app.serve(labService, { ...handlers([], clock), add });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connections: Connection[] = [];
  const close = async (graceMs = 0): Promise<void> => {
    const closing = Promise.all(connections.map((each) => each.close())).then(() => app.close(graceMs));
    await clock.advance(graceMs + 100);
    await closing;
  };
  return {
    clock,
    app,
    memory,
    connect(more = {}) {
      const connection = connect("http://lab", { transports: [memory.client], clock, ...more });
      connections.push(connection);
      return Object.assign(connection, { client: labClient(connection) });
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** A promise in the test's hands, and the runs of a handler that waits for it. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}
export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
