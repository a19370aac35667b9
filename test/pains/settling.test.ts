// Row 4 of what went wrong elsewhere: promises that never settle, and subscriptions that nobody has any more but the server.
import { Code, ConnectError } from "@connectrpc/connect";
import { type CallOptions, connect } from "@raceway/client";
import { memoryTransport, reasonOf } from "@raceway/core";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { lab } from "../app/lab.ts";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { type World, worlds } from "./world.ts";

const FOREVER = 1_000_000;

/** Messages that come as long as anybody wants them, the first at once. */
async function* endless<T>(message: T): AsyncGenerator<T> {
  yield message;
  await new Promise<never>(() => {});
}
async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

/** One call of each kind, none of which would end by itself. */
const kinds: Record<string, (client: LabClient, options: CallOptions) => Promise<unknown>> = {
  "a call": (client, options) => client.echo({ text: "x", delayMs: FOREVER }, options),
  "a call with a key": (client, options) => client.add({ a: 1, b: 2 }, options),
  "a feed": (client, options) => drain(client.count({ from: 1, to: FOREVER }, options)),
  "an upload": (client, options) => client.sum(endless({ value: 1 }), options),
  "a duplex": (client, options) => drain(client.chat(endless({ text: "x" }), options)),
  "a topic": (client, options) => drain(client.ticks({ board: "x" }, options)),
};
/** What becomes of each: its error, once there is one. */
function all(client: LabClient, options: CallOptions = {}): Record<string, ConnectError> {
  const errors: Record<string, ConnectError> = {};
  for (const [kind, begin] of Object.entries(kinds))
    begin(client, options).catch((error: unknown) => (errors[kind] = ConnectError.from(error)));
  return errors;
}
const every = <T>(value: T): Record<string, T> => Object.fromEntries(Object.keys(kinds).map((kind) => [kind, value]));
const reasons = (errors: Record<string, ConnectError>): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(errors).map(([kind, error]) => [kind, reasonOf(error)]));
const handlers = () => ({
  add: () => new Promise<never>(() => {}),
  // As fast as it can, which is bounded by credit.
  async *count({ from }: { from: number }) {
    yield { value: from };
    await new Promise<never>(() => {});
  },
});
const opened = (it: World): Promise<void> => it.until(() => it.connection.state.current.status === "open");
const under = (it: World): Promise<void> => it.until(() => it.calls.length > 0);

describe.each(Object.entries(worlds))("over %s", (_, make) => {
  it("Socket.IO #3152: calls made while it is reconnecting are answered when it has", async () => {
    await using it = await make();
    await opened(it);
    it.part();
    await it.until(
      () => it.connection.state.current.status !== "open" || it.connection.state.current.transport === "poll",
    );
    const replies = Promise.all([it.client.echo({ text: "x" }), it.client.sum(single({ value: 3 }))]);
    it.meet();
    let settled: unknown;
    void replies.then((value) => (settled = value));
    await it.until(() => settled !== undefined);
    expect(settled).toMatchObject([{ text: "x" }, { sum: 3 }]);
  });

  it("Socket.IO client #1546: when the server is gone for good, all that have a deadline end by it", async () => {
    await using it = await make({ handlers });
    const errors = all(it.client, { timeoutMs: 400 });
    await under(it);
    await it.stop();
    await it.until(() => Object.keys(errors).length === Object.keys(kinds).length);
    for (const [kind, error] of Object.entries(errors))
      expect([Code.DeadlineExceeded, Code.Unavailable], kind).toContain(error.code);
  });

  it("Socket.IO client #1546: when the session is lost, what cannot be repeated fails, and all end when the connection is closed", async () => {
    await using it = await make({ handlers });
    const errors = all(it.client);
    await under(it);
    await it.restart("kept");
    await it.until(() => Object.keys(errors).length === 4);
    expect(reasons(errors)).toEqual({
      "a call": "session_lost",
      "a feed": "session_lost",
      "an upload": "session_lost",
      "a duplex": "session_lost",
    });
    await it.connection.close();
    await it.until(() => Object.keys(errors).length === Object.keys(kinds).length);
    expect(reasons(errors)).toMatchObject({ "a call with a key": "connection_closed", "a topic": "connection_closed" });
  });

  it("Socket.IO client #1546: when they are given up, all end, and nothing of them is left at the server", async () => {
    await using it = await make({ handlers, limits: { calls: 5, subscriptions: 1 } });
    const giveUp = new AbortController();
    const errors = all(it.client, { signal: giveUp.signal });
    await under(it);
    giveUp.abort();
    await it.until(() => Object.keys(errors).length === Object.keys(kinds).length);
    expect(reasons(errors)).toEqual(every("call_cancelled"));
    // As many again have room.
    const more = all(it.client);
    await it.connection.ping();
    await it.connection.ping();
    expect(more).toEqual({});
    await it.connection.close();
    await it.until(() => Object.keys(more).length === Object.keys(kinds).length);
    expect(reasons(more)).toEqual(every("connection_closed"));
  });

  it("oRPC #1581: after twenty reconnects the server has one subscription", async () => {
    await using it = await make({ limits: { subscriptions: 1 } });
    const seen: number[] = [];
    let placed = false;
    const leave = new AbortController();
    const reading = (async () => {
      const options = { signal: leave.signal, onHeader: () => void (placed = true) };
      for await (const { sequence } of it.client.ticks({ board: "x" }, options)) seen.push(sequence);
    })().catch((error: unknown) => reasonOf(error));
    await it.until(() => placed);
    for (let sequence = 1; sequence <= 20; sequence++) {
      it.kill();
      await it.topics.ticks.publish({ board: "x" }, { sequence });
      await it.until(() => seen.length >= sequence);
    }
    expect(seen).toEqual(Array.from({ length: 20 }, (_each, at) => at + 1));
    expect(it.app.sessions).toBe(1);
    // One more is refused: there is one. When that is over, there is room for one: there was no other.
    const refused = drain(it.client.ticks({ board: "y" })).catch((error: unknown) => reasonOf(error));
    expect(await refused).toBe("too_many_subscriptions");
    leave.abort();
    expect(await reading).toBe("call_cancelled");
    let again = false;
    const last = drain(it.client.ticks({ board: "y" }, { onHeader: () => void (again = true) })).catch(() => {});
    await it.until(() => again);
    await it.connection.close();
    await last;
  });

  it("oRPC #1581: subscriptions that were left while there was no link do not come as ghosts", async () => {
    await using it = await make({ limits: { subscriptions: 1 } });
    await opened(it);
    it.part();
    for (let count = 0; count < 5; count++) {
      const ghost = it.client.ticks({ board: "x" })[Symbol.asyncIterator]();
      const next = ghost.next();
      await Promise.resolve();
      await ghost.return?.();
      expect(await next).toEqual({ done: true, value: undefined });
    }
    const seen: number[] = [];
    let placed = false;
    const reading = (async () => {
      const options = { onHeader: () => void (placed = true) };
      for await (const { sequence } of it.client.ticks({ board: "x" }, options)) seen.push(sequence);
    })().catch((error: unknown) => reasonOf(error));
    it.meet();
    await it.until(() => placed);
    await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
    await it.until(() => seen.length > 0);
    expect(seen).toEqual([1]);
    await it.connection.close();
    expect(await reading).toBe("connection_closed");
  });
});

it("Socket.IO client #1546: while no server ever welcomes it, all end by their deadline, when given up, or when the connection is closed", async () => {
  for (const way of ["deadline", "signal", "close"] as const) {
    const clock = virtualClock();
    await using connection = connect("http://nowhere", { transports: [memoryTransport().client], clock });
    const giveUp = new AbortController();
    const errors = all(labClient(connection), {
      signal: giveUp.signal,
      ...(way === "deadline" && { timeoutMs: 5_000 }),
    });
    const ping = connection.ping().catch((error: unknown) => reasonOf(error));
    await clock.advance(4_000);
    expect(errors).toEqual({});
    if (way === "deadline") await clock.advance(1_500);
    else if (way === "signal") giveUp.abort();
    else await connection.close();
    await clock.settle();
    expect(reasons(errors)).toEqual(
      every({ deadline: "call_deadline", signal: "call_cancelled", close: "connection_closed" }[way]),
    );
    expect(await ping).toBe("link_closed");
  }
});

it("Socket.IO client #1546: a server that dies in the midst of the handshake holds up nothing", async () => {
  await using it = await lab();
  it.memory.cut(); // in the turn in which the first link is opened, and again after each hop of the handshake
  const call = it.client.echo({ text: "x" });
  for (let hop = 0; hop < 6; hop++) {
    await Promise.resolve();
    it.memory.cut();
  }
  await it.clock.advance(5_000);
  expect((await call).text).toBe("x");
});

it("an iterator that is left while a message is waited for: both are settled, and the handler is told", async () => {
  await using it = await lab();
  const reader = it.client.chat(endless({ text: "a" }))[Symbol.asyncIterator]();
  expect((await reader.next()).value?.text).toBe("a!");
  const next = reader.next();
  await it.clock.settle();
  await reader.return?.();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(await reader.next()).toEqual({ done: true, value: undefined });
  const feed = it.client.count({ from: 7, to: FOREVER })[Symbol.asyncIterator]();
  expect((await feed.next()).value?.value).toBe(7);
  await feed.return?.();
  await it.clock.settle();
  expect(it.calls).toContain("counted 7");
});

async function* single<T>(message: T): AsyncGenerator<T> {
  yield message;
}
