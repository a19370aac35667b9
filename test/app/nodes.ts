// Several servers of the lab service, each at an address of its own, that can be replaced, go down, and come back, with time in the test's hands.
import { type Connection, type ConnectOptions, type EndpointSource, connect } from "@raceway/client";
import { type ClientTransport, type MemoryTransport, fail, memoryTransport } from "@raceway/core";
import { MemoryStorage, type Raceway, type RacewayOptions, memory, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { handlers } from "./lab.ts";

/** One life of a server. */
export interface Node {
  readonly app: Raceway;
  readonly topics: LabPublishers;
  /** What its handlers were asked. */
  readonly calls: string[];
  /** Cuts its links, and lets no new one open, until it is `up`. */
  down(): void;
  up(): void;
  cut(): void;
  /** New links open, and nothing is ever said on them. */
  mute(): void;
}

export interface Nodes extends AsyncDisposable {
  readonly clock: VirtualClock;
  /** Addresses of links that clients asked for, in order. */
  readonly asked: string[];
  /** What handlers of all servers were asked. */
  readonly calls: string[];
  /** A process that answers at this address from now on; one that was there before keeps the links it has. `also`: what else it serves. */
  start(url: string, options?: Partial<RacewayOptions>, also?: (app: Raceway) => void): Promise<Node>;
  /** The processes that answered there, oldest first. */
  lives(url: string): readonly Node[];
  connect(to: EndpointSource, options?: Partial<ConnectOptions>): Connection;
  /** Lets time pass until it is done. */
  during<T>(work: Promise<T>): Promise<T>;
}

/** All share one log, as servers with one backplane do. `transports`: names of the transports that each of them has. */
export function nodes(transports: readonly string[] = ["memory"]): Nodes {
  const clock = virtualClock();
  const storage = new MemoryStorage();
  const asked: string[] = [];
  const calls: string[] = [];
  const connections: Connection[] = [];
  const apps = new Set<Raceway>();
  const at = new Map<string, { readonly halves: readonly MemoryTransport[]; muted: boolean }>();
  const lives = new Map<string, Node[]>();

  const clientTransport = (name: string, nth: number): ClientTransport => ({
    ...memoryTransport({ transport: name }).client,
    start: (host) => ({
      async open(endpoint, opened, signal) {
        asked.push(endpoint.url);
        const there = at.get(endpoint.url);
        if (there === undefined) throw fail("transport_failed", { transport: name, detail: "nobody listens there" });
        if (there.muted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        await there.halves[nth]!.client.start(host).open(endpoint, opened, signal);
      },
    }),
  });
  const during = async <T>(work: Promise<T>): Promise<T> => {
    let done = false;
    const end = (): void => void (done = true);
    work.then(end, end);
    for (let step = 0; !done; step++) {
      if (step === 20_000) throw new Error("It does not come to an end.");
      await clock.advance(25);
    }
    return work;
  };
  return {
    clock,
    asked,
    calls,
    async start(url, options = {}, also) {
      const halves = transports.map((transport) => memoryTransport({ transport }));
      const app = raceway({
        transports: halves.map(({ server }) => server),
        clock,
        backplane: memory({ storage }),
        ...options,
      });
      const own: string[] = [];
      const topics = app.serve(labService, handlers(own, clock));
      const push = own.push.bind(own);
      own.push = (...more) => {
        calls.push(...more);
        return push(...more);
      };
      also?.(app);
      await app.listen({ port: 0, host: "127.0.0.1" });
      apps.add(app);
      const answers = { halves, muted: false };
      at.set(url, answers);
      const node: Node = {
        app,
        topics,
        calls: own,
        cut: () => halves.forEach((half) => half.cut()),
        down() {
          if (at.get(url) === answers) at.delete(url);
          halves.forEach((half) => half.cut());
        },
        up: () => void at.set(url, answers),
        mute: () => void (answers.muted = true),
      };
      lives.set(url, [...(lives.get(url) ?? []), node]);
      return node;
    },
    lives: (url) => lives.get(url) ?? [],
    connect(to, options = {}) {
      const connection = connect(to, { transports: transports.map(clientTransport), clock, ...options });
      connections.push(connection);
      return connection;
    },
    during,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) await connection.close();
      for (const app of apps) await app.close(0);
    },
  };
}
