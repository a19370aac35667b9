// Row 16 of what went wrong elsewhere: a shutdown cuts what is in flight (ASP.NET Core #25069).
import { connect } from "@raceway/client";
import { MemoryStorage, type Raceway, memory, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { poll as pollClient } from "@raceway/transport-poll/client";
import { poll as pollServer } from "@raceway/transport-poll/server";
import { websocket as websocketClient } from "@raceway/transport-websocket/client";
import { websocket as websocketServer } from "@raceway/transport-websocket/server";
import { expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { type Node, nodes } from "../app/nodes.ts";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";

const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

/** What one client does until it is stopped: reads a topic, and makes calls of both sorts, each once. */
class Load {
  readonly seen: number[] = [];
  readonly errors: unknown[] = [];
  echoed = 0;
  added = 0;
  #stopped = false;
  readonly #name: string;
  readonly #client: LabClient;
  readonly #done: Promise<unknown>;

  /** `busy`: one call is always in flight. */
  constructor(name: string, client: LabClient, pause: () => Promise<void>, busy = false) {
    this.#name = name;
    this.#client = client;
    this.#done = Promise.all([this.#read(), this.#echo(busy ? async () => {} : pause), this.#add(pause)]);
  }

  /** Calls end; the topic is left once it has brought `last`. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #read(): Promise<void> {
    try {
      for await (const { sequence } of this.#client.ticks({ board: "x" }, { from: "start" })) {
        if (sequence === 0) return;
        this.seen.push(sequence);
      }
    } catch (error) {
      this.errors.push(error);
    }
  }
  async #echo(pause: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      const text = `${this.#name} ${this.echoed}`;
      try {
        expect((await this.#client.echo({ text, delayMs: 80 })).text).toBe(text);
        this.echoed++;
      } catch (error) {
        this.errors.push(error);
      }
      await pause();
    }
  }
  async #add(pause: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      try {
        expect((await this.#client.add({ a: this.added, b: 1 })).sum).toBe(this.added + 1);
        this.added++;
      } catch (error) {
        this.errors.push(error);
      }
      await pause();
    }
  }
}

it("a server with 500 sessions is replaced at its address: none of them sees an error, nothing is lost or comes twice", async () => {
  await using world = nodes();
  const limits = { sessionsPerAddress: 2_000 };
  const at = "http://lab.example";
  const old = await world.start(at, { limits });
  const pause = (): Promise<void> => new Promise((resolve) => world.clock.after(700 + Math.random() * 600, resolve));
  const loads = upTo(500).map((nth) => new Load(String(nth), labClient(world.connect(at)), pause));
  let present: Node = old;
  let published = 0;
  const publish = async (): Promise<void> => {
    await present.topics.ticks.publish({ board: "x" }, { sequence: ++published });
  };
  await world.clock.advance(1_000);
  expect(old.app.sessions).toBe(500);

  const next = await world.start(at, { limits });
  let gone = false;
  const draining = old.app.close({ drainMs: 6_000 }).then(() => (gone = true));
  while (!gone) {
    await publish();
    if (published === 10) present = next;
    await world.clock.advance(100);
  }
  await draining;
  expect(old.app.sessions).toBe(0);
  expect(next.app.sessions).toBe(500);
  await publish();
  await next.topics.ticks.publish({ board: "x" }, { sequence: 0 });
  await world.during(Promise.all(loads.map((load) => load.stop())));

  expect(loads.flatMap(({ errors }) => errors)).toEqual([]);
  for (const { seen } of loads) expect(seen).toEqual(upTo(published));
  // Each call ran once, on one of the two.
  const echoes = loads.reduce((sum, { echoed }) => sum + echoed, 0);
  const adds = loads.reduce((sum, { added }) => sum + added, 0);
  expect(echoes).toBeGreaterThan(1_500);
  expect(world.calls.filter((call) => call.startsWith("echo"))).toHaveLength(echoes);
  expect(new Set(world.calls.filter((call) => call.startsWith("echo"))).size).toBe(echoes);
  expect(world.calls.filter((call) => call.startsWith("add"))).toHaveLength(adds);
}, 60_000);

it("three servers are restarted one after the other, under load: nothing lost, no call failed", async () => {
  await using world = nodes();
  const urls = ["http://a.example", "http://b.example", "http://c.example"];
  const now: Node[] = [];
  for (const url of urls) now.push(await world.start(url));
  const pause = (): Promise<void> => new Promise((resolve) => world.clock.after(100 + Math.random() * 100, resolve));
  const loads = upTo(30).map(
    (nth) =>
      new Load(String(nth), labClient(world.connect([...urls.slice(nth % 3), ...urls.slice(0, nth % 3)])), pause, true),
  );
  await world.clock.advance(500);
  expect(now.map(({ app }) => app.sessions)).toEqual([10, 10, 10]);
  let published = 0;
  for (const [at, url] of urls.entries()) {
    let gone = false;
    const closing = now[at]!.app.close({ drainMs: 4_000 }).then(() => (gone = true));
    while (!gone) {
      await now[(at + 1) % 3]!.topics.ticks.publish({ board: "x" }, { sequence: ++published });
      await world.clock.advance(50);
    }
    await closing;
    now[at]!.down();
    await world.clock.advance(300);
    now[at] = await world.start(url);
  }
  expect(now.reduce((sum, { app }) => sum + app.sessions, 0)).toBe(30);
  await now[0]!.topics.ticks.publish({ board: "x" }, { sequence: 0 });
  await world.during(Promise.all(loads.map((load) => load.stop())));
  expect(loads.flatMap(({ errors }) => errors)).toEqual([]);
  for (const { seen } of loads) expect(seen).toEqual(upTo(published));
  const echoes = loads.reduce((sum, { echoed }) => sum + echoed, 0);
  expect(new Set(world.calls.filter((call) => call.startsWith("echo"))).size).toBe(echoes);
  expect(world.calls.filter((call) => call.startsWith("echo"))).toHaveLength(echoes);
}, 60_000);

it("the same with sockets: two servers on ports of their own, clients of WebSocket and of polling", async () => {
  const storage = new MemoryStorage();
  const calls: string[] = [];
  const start = async (): Promise<{
    app: Raceway;
    url: string;
    publish: (sequence: number) => Promise<unknown>;
  }> => {
    const app = raceway({ transports: [websocketServer(), pollServer()], backplane: memory({ storage }) });
    const topics = app.serve(labService, {
      ...handlers(calls, virtualClock()),
      async echo({ text, data, delayMs }) {
        calls.push(`echo ${text}`);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        return { text, data };
      },
    });
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    return { app, url, publish: (sequence) => topics.ticks.publish({ board: "x" }, { sequence }) };
  };
  const old = await start();
  const next = await start();
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
  const connections = upTo(10).map((nth) =>
    connect([old.url, next.url], { transports: [nth % 2 === 0 ? websocketClient() : pollClient()] }),
  );
  const loads = connections.map((connection, nth) => new Load(String(nth), labClient(connection), pause));
  await vi.waitFor(() => expect(loads.every(({ echoed, added }) => echoed > 2 && added > 2)).toBe(true), 10_000);
  // On a busy machine the second server may win a race that the first was late in.
  expect(old.app.sessions).toBeGreaterThan(0);
  expect(old.app.sessions + next.app.sessions).toBe(10);
  let gone = false;
  let published = 0;
  const closing = old.app.close({ drainMs: 5_000, spreadMs: 500 }).then(() => (gone = true));
  while (!gone) {
    await (published % 2 === 0 ? old : next).publish(++published);
    await pause();
    // The old one takes publications no more once it is gone.
    if (gone) break;
  }
  await closing;
  expect(next.app.sessions).toBe(10);
  await next.publish(0);
  await Promise.all(loads.map((load) => load.stop()));
  expect(loads.flatMap(({ errors }) => errors)).toEqual([]);
  for (const { seen } of loads) expect(seen).toEqual(upTo(published));
  const echoes = loads.reduce((sum, { echoed }) => sum + echoed, 0);
  expect(new Set(calls.filter((call) => call.startsWith("echo"))).size).toBe(echoes);
  expect(calls.filter((call) => call.startsWith("echo"))).toHaveLength(echoes);
  for (const connection of connections) await connection.close();
  await next.app.close(0);
}, 30_000);
