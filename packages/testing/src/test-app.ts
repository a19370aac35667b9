// An application under test: its services on a server in memory, and clients that come to it over links which the test has in hand.
import { type ConnectOptions, type Connection, connect } from "@raceway/client";
import type { Clock, ServerTransport } from "@raceway/core";
import { type Raceway, type RacewayOptions, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit/clock";
import { peerOf, testIdentity, type Visitor } from "./identity.ts";
import { type Problem, problemLog } from "./problems.ts";
import { MeetingPoint, type TestLink, Way } from "./test-link.ts";

/** As for `raceway`, but for what the test has in hand. */
export interface TestAppOptions extends Omit<RacewayOptions, "transports" | "clock" | "log"> {
  /** Beside the one in memory, for clients that come over the network after `app.server.listen()`: `grpc()`, say. Default none. */
  readonly transports?: readonly ServerTransport[];
}

/** As for `connect`, but for what the test has in hand; and who comes. */
export interface TestConnectOptions extends Omit<ConnectOptions, "transports" | "clock" | "log">, Visitor {}

/** A client's connection, and the way that it takes. */
export interface TestConnection extends Connection {
  readonly link: TestLink;
}

export interface TestApp<T> extends AsyncDisposable {
  /** What the function that serves returned: publishers, say. Of the latest start. */
  readonly served: T;
  /** The server of the latest start. */
  readonly server: Raceway;
  /** Time of the server and of all clients: stands still until the test moves it. */
  readonly clock: VirtualClock;
  /** Warnings and errors of all logs, oldest first: why a call ended with `internal`, for one. */
  readonly problems: readonly Problem[];
  /** A new client, which connects at once. Give it to a generated client. */
  connect(options?: TestConnectOptions): TestConnection;
  /** The server's process dies: links break, sessions and what it had in memory are gone, and nobody answers before `start`. */
  crash(): Promise<void>;
  /** A new server, after `crash`: serves anew, with what the `backplane` of the options has kept. */
  start(): Promise<void>;
}

/** Virtual time within which server and clients have to come to their end, in milliseconds. */
const END_MS = 30_000;

/**
 * Starts an application in memory. `serve` gets the server, and serves what the application serves: write it once, for here and for production. Handlers
 * that wait, or ask for the time, do so by the clock that comes with it. Throws what would stop the server's start: a missing handler, a policy that no plugin of `use` enforces.
 */
export async function testApp<T>(
  serve: (app: Raceway, clock: Clock) => T,
  options: TestAppOptions = {},
): Promise<TestApp<T>> {
  const app = new InMemory(serve, options);
  await app.start();
  return app;
}

class InMemory<T> implements TestApp<T> {
  readonly clock: VirtualClock = virtualClock();
  readonly problems: Problem[] = [];
  readonly #serve: (app: Raceway, clock: Clock) => T;
  readonly #options: TestAppOptions;
  readonly #meeting = new MeetingPoint();
  readonly #ways = new Set<Way>();
  readonly #connections = new Set<Connection>();
  #current: { readonly server: Raceway; readonly served: T } | undefined;

  constructor(serve: (app: Raceway, clock: Clock) => T, options: TestAppOptions) {
    this.#serve = serve;
    this.#options = options;
  }

  get served(): T {
    return this.#current!.served;
  }
  get server(): Raceway {
    return this.#current!.server;
  }

  async start(): Promise<void> {
    if (this.#meeting.host !== undefined) throw new Error("The server is running; crash it first.");
    const server = raceway({
      ...this.#options,
      transports: [this.#meeting.server, ...(this.#options.transports ?? [])],
      use: [testIdentity(), this.#options.use],
      clock: this.clock,
      log: problemLog("server", this.problems),
    });
    this.#current = { server, served: this.#serve(server, this.clock) };
    await server.fetch(new Request("http://test/raceway/health")); // starts it, without a port
  }

  connect({ as, address, headers, ...options }: TestConnectOptions = {}): TestConnection {
    const visitor = { ...(as && { as }), ...(address !== undefined && { address }), ...(headers && { headers }) };
    const way = new Way(this.#meeting, peerOf(visitor), this.clock);
    const connection = connect("http://test", {
      ...options,
      transports: [way.client],
      clock: this.clock,
      log: problemLog("client", this.problems),
    });
    this.#ways.add(way);
    this.#connections.add(connection);
    return Object.assign(connection, { link: way });
  }

  async crash(): Promise<void> {
    this.#meeting.host = undefined; // first, so that nobody comes back to it
    for (const way of this.#ways) way.cut();
    await this.#passing(this.server.close(0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const way of this.#ways) way.flow();
    await this.#passing(Promise.all([...this.#connections].map((each) => each.close())));
    await this.#passing(this.server.close(0));
  }

  /** Lets time pass until it is so: a plugin may wait for its own end. */
  async #passing(ending: Promise<unknown>): Promise<void> {
    let settled = false;
    const done = (): void => void (settled = true);
    ending.then(done, done);
    for (let passed = 0; passed < END_MS; passed += 100) {
      await this.clock.advance(passed === 0 ? 0 : 100);
      if (settled) break;
    }
    await ending;
  }
}
