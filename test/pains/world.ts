// A client and a server that can be torn apart, in memory with time in the hands of a test, or over sockets through a proxy that cuts.
import { type Connection, type ConnectOptions, connect } from "@raceway/client";
import { type ClientTransport, type Clock, fail, memoryTransport, systemClock } from "@raceway/core";
import { MemoryStorage, memory as memoryBackplane, type Raceway, type RacewayOptions, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { type FaultProxy, faultProxy } from "@raceway/testkit/node";
import { poll as pollClient } from "@raceway/transport-poll/client";
import { poll as pollServer } from "@raceway/transport-poll/server";
import { sse as sseClient } from "@raceway/transport-sse/client";
import { sse as sseServer } from "@raceway/transport-sse/server";
import { websocket as websocketClient } from "@raceway/transport-websocket/client";
import { websocket as websocketServer } from "@raceway/transport-websocket/server";
import { expect, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabHandlers, type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";

export interface World extends AsyncDisposable {
  /** What handlers were asked, over all lives of the server. */
  readonly calls: string[];
  readonly clock: Clock;
  readonly connection: Connection;
  readonly client: LabClient;
  /** The server that lives now. */
  readonly app: Raceway;
  readonly topics: LabPublishers;
  /** Cuts all that is between client and server; both may meet again at once. */
  kill(): void;
  /** Takes away all that is between client and server, until they may `meet` again. Both live on. */
  part(): void;
  meet(): void;
  /** The server dies, and another takes its place: with the log that was kept, or with an empty one. */
  restart(log: "kept" | "empty"): Promise<void>;
  /** The server dies for good. */
  stop(): Promise<void>;
  /** Nothing is said for longer than heartbeats are apart. */
  quiet(): Promise<void>;
  /** What was begun settles. */
  settle(): Promise<void>;
  /** Lets time pass until it holds. */
  until(holds: () => boolean): Promise<void>;
}

export interface WorldOptions {
  readonly limits?: RacewayOptions["limits"];
  readonly use?: RacewayOptions["use"];
  readonly client?: Partial<ConnectOptions>;
  readonly handlers?: (calls: string[], clock: Clock) => Partial<LabHandlers>;
}

type Made = (options?: WorldOptions) => Promise<World>;

const inMemory =
  (text: boolean): Made =>
  async (options = {}) => {
    const clock = virtualClock();
    const link = memoryTransport({ text });
    let parted = false;
    return world(options, clock, {
      server: () => ({ transports: [link.server], port: 0 }),
      url: async () => "http://lab",
      transport: {
        ...link.client,
        start(host) {
          const started = link.client.start(host);
          return {
            async open(...how) {
              if (parted) throw fail("transport_failed", { transport: "memory", detail: "there is no way" });
              await started.open(...how);
            },
          };
        },
      },
      kill: () => link.cut(),
      part() {
        parted = true;
        link.cut();
      },
      meet() {
        parted = false;
      },
      settle: () => clock.settle(),
      quiet: () => clock.advance(90_000),
      async until(holds) {
        for (let step = 0; !holds(); step++) {
          if (step === 4_000) throw new Error("It does not come to pass.");
          await clock.advance(50);
        }
      },
      async while(closing) {
        let closed = false;
        void closing.then(() => (closed = true));
        while (!closed) await clock.advance(20);
      },
    });
  };

const overSockets =
  (transport: () => ClientTransport, server: () => RacewayOptions["transports"][number]): Made =>
  async (options = {}) => {
    let proxy: FaultProxy | undefined;
    let port = 0;
    const until = (holds: () => boolean): Promise<void> =>
      vi.waitFor(() => expect(holds()).toBe(true), { timeout: 10_000, interval: 5 });
    const made: World = await world(options, systemClock(), {
      server: () => ({ transports: [server()], port }),
      async url(listening) {
        port = listening;
        proxy = await faultProxy(listening);
        return `http://127.0.0.1:${proxy.address}`;
      },
      transport: transport(),
      kill: () => proxy?.cut(),
      part() {
        proxy?.admit("refuse");
        proxy?.cut();
      },
      meet: () => proxy?.admit("pass"),
      settle: async () => void (await made.connection.ping().catch(() => {})),
      async quiet() {
        for (let count = 0; count < 3; count++) await made.connection.ping().catch(() => {});
      },
      until,
      while: (closing) => closing,
      over: async () => proxy?.[Symbol.asyncDispose](),
    });
    return made;
  };

/** All worlds by name: the same must be true in each. */
export const worlds: Readonly<Record<string, Made>> = {
  memory: inMemory(false),
  "memory, as text": inMemory(true),
  websocket: overSockets(websocketClient, websocketServer),
  sse: overSockets(sseClient, sseServer),
  poll: overSockets(() => pollClient({ retryMs: 10 }), pollServer),
};

interface Ground {
  server(): { readonly transports: RacewayOptions["transports"]; readonly port: number };
  url(port: number): Promise<string>;
  readonly transport: ClientTransport;
  kill(): void;
  part(): void;
  meet(): void;
  settle(): Promise<void>;
  quiet(): Promise<void>;
  until(holds: () => boolean): Promise<void>;
  while(closing: Promise<void>): Promise<void>;
  over?(): Promise<void>;
}

async function world(options: WorldOptions, clock: Clock, ground: Ground): Promise<World> {
  const calls: string[] = [];
  let storage = new MemoryStorage();
  const start = async (): Promise<{ app: Raceway; topics: LabPublishers; port: number }> => {
    const { transports, port } = ground.server();
    const app = raceway({
      transports,
      clock,
      backplane: memoryBackplane({ storage }),
      ...(options.limits !== undefined && { limits: options.limits }),
      ...(options.use !== undefined && { use: options.use }),
    });
    const topics = app.serve(labService, { ...handlers(calls, clock), ...options.handlers?.(calls, clock) });
    const listening = await app.listen({ port, host: "127.0.0.1" });
    return { app, topics, port: listening.port };
  };
  let server = await start();
  const connection = connect(await ground.url(server.port), {
    transports: [ground.transport],
    clock,
    backoff: { firstMs: 20, capMs: 100 },
    ...options.client,
  });
  const stop = async (): Promise<void> => {
    const closing = server.app.close(0);
    ground.kill();
    await ground.while(closing);
  };
  return {
    calls,
    clock,
    connection,
    client: labClient(connection),
    get app() {
      return server.app;
    },
    get topics() {
      return server.topics;
    },
    kill: () => ground.kill(),
    part: () => ground.part(),
    meet: () => ground.meet(),
    async restart(log) {
      await stop();
      if (log === "empty") storage = new MemoryStorage();
      server = await start();
    },
    stop,
    quiet: () => ground.quiet(),
    settle: () => ground.settle(),
    until: (holds) => ground.until(holds),
    async [Symbol.asyncDispose]() {
      await connection.close();
      await stop();
      await ground.over?.();
    },
  };
}
