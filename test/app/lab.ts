// A server with the lab service and a client of it, over the memory transport, with time in the test's hands.
import { type ConnectOptions, type Connection, connect } from "@raceway/client";
import { type Clock, type MemoryTransport, memoryTransport } from "@raceway/core";
import { type Raceway, type RacewayOptions, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabHandlers, type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";

export interface Lab extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly memory: MemoryTransport;
  readonly app: Raceway;
  readonly topics: LabPublishers;
  readonly connection: Connection;
  readonly client: LabClient;
  /** What handlers were asked, as "method argument". */
  readonly calls: string[];
  connect(options?: Partial<ConnectOptions>): Connection;
}

export function handlers(calls: string[], clock: Pick<Clock, "after">): LabHandlers {
  return {
    async echo({ text, data, delayMs }, context) {
      calls.push(`echo ${text}`);
      context.signal.addEventListener("abort", () => calls.push(`over ${text}`));
      if (delayMs > 0) await new Promise<void>((resolve) => clock.after(delayMs, resolve));
      return { text, data };
    },
    add({ a, b }) {
      calls.push(`add ${a} ${b}`);
      return { sum: a + b };
    },
    peek({ text }) {
      calls.push(`peek ${text}`);
      return { text };
    },
    async *count({ from, to }, context) {
      try {
        for (let value = from; value <= to; value++) {
          if (context.signal.aborted) return;
          yield { value };
        }
      } finally {
        calls.push(`counted ${from}`);
      }
    },
    async sum(requests) {
      let sum = 0;
      let count = 0;
      for await (const { value } of requests) {
        sum += value;
        count++;
      }
      calls.push(`sum ${sum}`);
      return { sum, count };
    },
    async *chat(requests) {
      for await (const { text } of requests) yield { text: `${text}!` };
    },
    async cursor(positions) {
      for await (const { userId, x } of positions) calls.push(`cursor ${userId} ${x}`);
    },
  };
}

export async function lab(
  options: {
    server?: Partial<RacewayOptions>;
    client?: Partial<ConnectOptions>;
    /** In place of those that note what they were asked. */
    handlers?: Partial<LabHandlers>;
    memory?: Parameters<typeof memoryTransport>[0];
  } = {},
): Promise<Lab> {
  const clock = virtualClock();
  const memory = memoryTransport(options.memory);
  const calls: string[] = [];
  const app = raceway({ transports: [memory.server], clock, ...options.server });
  const topics = app.serve(labService, { ...handlers(calls, clock), ...options.handlers });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connections: Connection[] = [];
  const open = (more: Partial<ConnectOptions> = {}): Connection => {
    const connection = connect("http://lab", { transports: [memory.client], clock, ...options.client, ...more });
    connections.push(connection);
    return connection;
  };
  const connection = open();
  return {
    clock,
    memory,
    app,
    topics,
    connection,
    client: labClient(connection),
    calls,
    connect: open,
    async [Symbol.asyncDispose]() {
      for (const each of connections) await each.close();
      await app.close(0);
    },
  };
}

/** Takes the first `count` messages of a stream. */
export async function take<T>(messages: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  if (count === 0) return taken;
  for await (const message of messages) if (taken.push(message) === count) break;
  return taken;
}

export async function* from<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}
