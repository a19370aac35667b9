// What goes wrong in the user's own code, or in a peer's: it ends what it concerns, and nothing else.
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import {
  type ClientTransport,
  type LinkReceiver,
  type TransportHost,
  fail,
  memoryTransport,
  reasonOf,
} from "@raceway/core";
import { type Frame, encodeFrame, readBatch } from "@raceway/core/internal";
import { MemoryStorage, memory, raceway } from "@raceway/server";
import { testHost, virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { handlers, lab, take } from "./lab.ts";
import { none } from "./raw-peer.ts";

const caught = (error: unknown): ConnectError => ConnectError.from(error);

it("headers that are too large or too many are refused at the call, and the link does not notice", async () => {
  await using it1 = await lab();
  await it1.client.echo({ text: "first" });
  let opened = 0;
  const watch = it1.connection.state.subscribe(({ status }) => void (status === "open" && opened++));
  const large = { headers: { big: "x".repeat(2_000_000) } }; // more than a batch: sent, it would end the link, and the next
  const many = { headers: Array.from({ length: 100 }, (_each, at): [string, string] => [`h${at}`, "x"]) };
  const error = await it1.client.echo({ text: "no" }, large).catch(caught);
  expect(error).toMatchObject({ code: Code.ResourceExhausted });
  expect(reasonOf(error)).toBe("headers_too_large");
  expect(reasonOf(await it1.client.echo({ text: "no" }, many).catch(caught))).toBe("headers_too_many");
  expect(reasonOf(await take(it1.client.count({ from: 1, to: 2 }, large), 2).catch(caught))).toBe("headers_too_large");
  expect((await it1.client.echo({ text: "next" })).text).toBe("next");
  await it1.clock.advance(1_000);
  expect(opened).toBeLessThanOrEqual(2); // its round-trip time may have become known
  expect(it1.calls.filter((call) => call.startsWith("echo"))).toEqual(["echo first", "echo next"]);
  watch();
});

it("an upload of which something was said is whole at the server, or fails: it is never begun again in its middle", async () => {
  const storage = new MemoryStorage();
  for (let hops = 0; hops < 12; hops++) {
    const clock = virtualClock();
    const link = memoryTransport();
    const calls: string[] = [];
    await using app = raceway({
      transports: [link.server],
      clock,
      backplane: memory({ storage }),
      limits: { resumeMs: 1 },
    });
    app.serve(labService, handlers(calls, clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    await using connection = connect("http://lab", { transports: [link.client], clock });
    await clock.settle();
    let go = (): void => {};
    const gone = new Promise<void>((resolve) => (go = resolve));
    const values = async function* (): AsyncGenerator<{ value: number }> {
      yield { value: 1 };
      yield { value: 2 };
      await gone;
      yield { value: 4 };
    };
    const sum = labClient(connection)
      .sum(values())
      .then(({ sum: total, count }) => [total, count])
      .catch((error: unknown) => reasonOf(error));
    for (let hop = 0; hop < hops; hop++) await Promise.resolve();
    link.cut();
    await clock.advance(5_000);
    go();
    await clock.advance(5_000);
    expect([JSON.stringify([7, 3]), JSON.stringify("session_lost")], `${hops} hops`).toContain(
      JSON.stringify(await sum),
    );
    expect(calls.filter((call) => call.startsWith("sum") && call !== "sum 7")).toEqual([]);
    await connection.close();
    const closing = app.close(0);
    await clock.advance(100);
    await closing;
  }
});

it("an upload of which something was written, and nothing has left, fails with its session: begun again, it would lack that", async () => {
  const clock = virtualClock();
  const link = memoryTransport();
  const calls: string[] = [];
  await using app = raceway({ transports: [link.server], clock, limits: { resumeMs: 1 } });
  app.serve(labService, handlers(calls, clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  let receiver: LinkReceiver | undefined;
  const transport: ClientTransport = {
    ...link.client,
    start(host) {
      const started = link.client.start(host);
      return {
        open: (endpoint, opened, signal) => started.open(endpoint, (each) => (receiver = opened(each)), signal),
      };
    },
  };
  await using connection = connect("http://lab", { transports: [transport], clock });
  await clock.settle();
  let given = 0;
  const values: AsyncIterable<{ value: number }> = {
    [Symbol.asyncIterator]: () => ({
      next() {
        if (++given === 2) {
          // The first is written, and its turn is not over: the link dies before anything of it can leave.
          receiver!.closed(fail("link_closed", { transport: "memory", detail: "it was cut" }));
          link.cut();
        }
        return Promise.resolve(given > 3 ? { done: true, value: undefined } : { done: false, value: { value: given } });
      },
    }),
  };
  const sum = labClient(connection)
    .sum(values)
    .then(({ sum: total, count }) => [total, count])
    .catch((error: unknown) => reasonOf(error));
  await clock.advance(10_000);
  expect(await sum).toBe("session_lost");
  expect(calls).toEqual([]);
  expect((await labClient(connection).echo({ text: "x" })).text).toBe("x");
  await connection.close();
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it("listeners that throw: of the state, and of a gap", async () => {
  const clock = virtualClock();
  const link = memoryTransport();
  const start = async () => {
    const app = raceway({ transports: [link.server], clock });
    const topics = app.serve(labService, handlers([], clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    return { app, topics };
  };
  const first = await start();
  await using connection = connect("http://lab", { transports: [link.client], clock });
  let told = 0;
  connection.state.subscribe(({ status }) => {
    if (status === "connecting") return; // at once, in the subscriber's own turn: there it may throw
    told++;
    throw new Error("a listener's own");
  });
  const client = labClient(connection);
  const reading = (async () => {
    for await (const _ of client.ticks(
      { board: "x" },
      {
        onReset: () => {
          throw new Error("a reader's own");
        },
      },
    ));
  })().catch((error: unknown) => (error as Error).message);
  await clock.settle();
  expect(told).toBeGreaterThan(0);
  await first.topics.ticks.publish({ board: "x" }, { sequence: 1 });
  await clock.settle();
  const closing = first.app.close(0);
  await clock.advance(100);
  await closing;
  const second = await start(); // with an empty log
  await second.topics.ticks.publish({ board: "x" }, { sequence: 2 });
  await clock.advance(5_000);
  expect(await reading).toContain("a reader's own");
  expect((await client.echo({ text: "x" })).text).toBe("x");
  expect(connection.state.current.status).toBe("open");
  await connection.close();
  const ending = second.app.close(0);
  await clock.advance(100);
  await ending;
});

it("iterators that throw when they are ended: the handler's, and the caller's", async () => {
  /** Gives two messages, lets wait for the third, and throws when it is told that nobody wants it. */
  const sullen = <T>(message: T): AsyncIterable<T> => {
    let given = 0;
    return {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          given++ < 2 ? Promise.resolve({ done: false as const, value: message }) : new Promise<never>(() => {}),
        return() {
          throw new Error("not now");
        },
      }),
    };
  };
  const clock = virtualClock();
  const link = memoryTransport();
  await using app = raceway({ transports: [link.server], clock });
  app.serve(labService, { ...handlers([], clock), count: () => sullen({ value: 1 }) });
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://lab", { transports: [link.client], clock });
  const client = labClient(connection);
  const giveUp = new AbortController();
  expect(await take(client.count({ from: 1, to: 2 }), 2)).toHaveLength(2);
  const feed = take(client.count({ from: 1, to: 2 }, { signal: giveUp.signal }), 1_000_000).catch(caught);
  const upload = client.sum(sullen({ value: 1 }), { signal: giveUp.signal }).catch(caught);
  await clock.settle();
  giveUp.abort();
  await clock.settle();
  for (const error of [await feed, await upload]) expect(error).toMatchObject({ code: Code.Canceled });
  expect((await client.echo({ text: "x" })).text).toBe("x");
  await connection.close();
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it("a reply that is no message ends that call, and the next is answered", async () => {
  const clock = virtualClock();
  const link = memoryTransport();
  const welcome: Frame = {
    kind: "welcome",
    version: 1,
    codec: "proto",
    session: new Uint8Array(16),
    secret: new Uint8Array(32),
    received: 0,
    resumed: false,
    window: { messages: 100, bytes: 100_000 },
    heartbeatMs: 25_000,
    silenceMs: 35_000,
    resumeMs: 60_000,
    maxMessageBytes: 1_000_000,
    transports: [],
    maxBatchBytes: 1_000_000,
    maxAgeMs: 0,
    node: "",
    credentialMs: 0,
  };
  // A server by hand, that answers the first call with rubbish, the second with none at all, and then as it should.
  const payloads = [Uint8Array.of(0x0a, 99), undefined, none];
  const host: TransportHost = {
    ...testHost("server"),
    clock,
    path: "/raceway/memory",
    opened: (opened) => ({
      batch(bytes) {
        readBatch(bytes, { jsonDepth: 8 }, (frame) => {
          if (frame.kind === "hello") opened.send([encodeFrame(welcome)]);
          if (frame.kind !== "open") return;
          const { call } = frame;
          const payload = payloads.shift();
          opened.send([encodeFrame({ kind: "end", call, status: undefined, header: [], trailer: [], payload })]);
        });
      },
      drain() {},
      closed() {},
    }),
    maxBatchBytes: 1_000_000,
    allowsOrigin: () => true,
    native: { register() {} },
  };
  await link.server.start(host);
  await using connection = connect("http://lab", { transports: [link.client], clock });
  const client = labClient(connection);
  expect(reasonOf(await client.echo({ text: "a" }).catch(caught))).toBe("payload_malformed");
  expect(reasonOf(await client.echo({ text: "b" }).catch(caught))).toBe("reply_missing");
  expect((await client.echo({ text: "c" })).text).toBe("");
  expect(connection.state.current.status).toBe("open");
});

it("a call that may come again by its key is not aborted with its session, and its one reply is found by the retry", async () => {
  const clock = virtualClock();
  const link = memoryTransport();
  const seen: string[] = [];
  await using app = raceway({ transports: [link.server], clock, limits: { resumeMs: 100 } });
  app.serve(labService, {
    ...handlers([], clock),
    async add({ a, b }, context) {
      seen.push("begun");
      await new Promise<void>((resolve) => clock.after(3_000, resolve));
      seen.push(context.signal.aborted ? "aborted" : "finished");
      return { sum: a + b };
    },
    async echo({ text }, context) {
      context.signal.addEventListener("abort", () => seen.push(`${text} aborted`));
      await new Promise<never>(() => {});
      return { text };
    },
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://lab", {
    transports: [link.client],
    clock,
    backoff: { firstMs: 1_000, capMs: 1_000 },
    random: { next: () => 1, bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
  });
  const client = labClient(connection);
  const sum = client.add({ a: 1, b: 2 });
  const other = client.echo({ text: "unkeyed" }).catch((error: unknown) => reasonOf(error));
  await clock.settle();
  link.cut();
  await clock.advance(500);
  expect(app.sessions).toBe(0);
  expect(seen).toEqual(["begun", "unkeyed aborted"]);
  await clock.advance(10_000);
  expect((await sum).sum).toBe(3);
  expect(await other).toBe("session_lost");
  expect(seen).toEqual(["begun", "unkeyed aborted", "finished"]);
  await connection.close();
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it("a server that was closed does not listen any more, not even if it was closed while it began to", async () => {
  const closed = raceway({ transports: [memoryTransport().server] });
  closed.serve(labService, handlers([], virtualClock()));
  await closed.close(0);
  expect(reasonOf(await closed.listen({ port: 0, host: "127.0.0.1" }).catch(caught))).toBe("draining");
  const closing = raceway({ transports: [memoryTransport().server] });
  closing.serve(labService, handlers([], virtualClock()));
  const listening = closing.listen({ port: 0, host: "127.0.0.1" }).then(
    ({ url }) => url,
    (error: unknown) => reasonOf(error),
  );
  await closing.close(0);
  expect(await listening).toBe("draining");
  expect(fail("draining", {}).code).toBe(Code.Unavailable);
});

it("a slip in the name of an option is told, not a server without what was meant", async () => {
  // Without types, `plugins` for `use` would be a server that lets everybody in.
  expect(() => raceway({ transports: [], plugins: [] } as never)).toThrow(
    "raceway: there is no option plugins; known: transports, use, backplane, ",
  );
  await using app = raceway({ transports: [] });
  await expect(app.listen({ prot: 80 } as never)).rejects.toThrow(
    "listen: there is no option prot; known: port, host, tls.",
  );
});

it("a reply that does not fit its type is the handler's fault: the log has the cause, the caller hears no blame", async () => {
  const told: unknown[] = [];
  const log = {
    debug() {},
    info() {},
    warn() {},
    error: (text: string, fields?: object) => void told.push([text, fields]),
  };
  await using it1 = await lab({
    server: { log },
    handlers: {
      add: () => ({ sum: Number.NaN }),
      async *count() {
        yield { value: 1 };
        yield { value: "two" as unknown as number };
      },
    },
  });
  const failed = { code: Code.Internal, rawMessage: "The handler failed. The server's log has the cause." };
  expect(await it1.client.add({ a: 1, b: 2 }).catch(caught)).toMatchObject(failed);
  expect(await take(it1.client.count({ from: 1, to: 2 }), 2).catch(caught)).toMatchObject(failed);
  expect(told).toEqual([
    [
      "handler failed",
      { channel: "/lab.v1.LabService/Add", error: expect.stringContaining("lab.v1.AddResponse.sum") as string },
    ],
    [
      "handler failed",
      { channel: "/lab.v1.LabService/Count", error: expect.stringContaining("lab.v1.CountResponse.value") as string },
    ],
  ]);
});

it("transports of the other half, or that were not called, are refused where they are given", () => {
  const memory = memoryTransport();
  const client = memory.client as unknown as typeof memory.server;
  const factory = memoryTransport as unknown as typeof memory.server;
  expect(() => raceway({ transports: [client] })).toThrow(
    "raceway: option transports is memory, a client's half, expected",
  );
  expect(() => raceway({ transports: [factory] })).toThrow(
    "raceway: option transports is a function (memoryTransport), expected",
  );
});

it("an address without a scheme is refused at connect", () => {
  const { client } = memoryTransport();
  for (const url of ["localhost:8080", "example.com", "/"])
    expect(() => connect(url, { transports: [client] })).toThrow(
      /^\[invalid_argument\] connect: option url is .*, expected as https:/,
    );
});
