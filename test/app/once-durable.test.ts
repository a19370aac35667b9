// Exactly once over the life of servers: with a durable store, a restart repeats no handler and loses no reply.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import { sqliteStore } from "@raceway/backplane-sqlite";
import { type Backplane, reasonOf } from "@raceway/core";
import { idempotencyKey, memory } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { afterAll, expect, it } from "vitest";
import type { LabClient } from "../gen/lab/v1/lab.client.ts";
import { type Add, gate, onceServer } from "./once-lab.ts";

const folder = mkdtempSync(join(tmpdir(), "raceway-once-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
/** One file, as every process that starts on it finds it. */
function onFile(): () => Backplane {
  const file = join(folder, `${++files}.sqlite`);
  return () => memory({ store: sqliteStore({ file }) });
}

interface Seen {
  readonly sum?: number;
  readonly error?: { readonly code: string; readonly reason: string | undefined; readonly text: string };
  readonly details: readonly string[];
  readonly header: Readonly<Record<string, string>>;
  readonly trailer: Readonly<Record<string, string>>;
}
const fields = (headers: Headers): Record<string, string> => ({
  ...Object.fromEntries([...headers].filter(([key]) => key.startsWith("x-"))),
  cookies: headers.getSetCookie().join(", "),
});

/** A call with a key, and all that its caller sees of the end. */
async function ask(client: LabClient, key: string, b = 2, more: CallOptions = {}): Promise<Seen> {
  let header = {};
  let trailer = {};
  try {
    const { sum } = await client.add(
      { a: 1, b },
      {
        headers: { "idempotency-key": key },
        onHeader: (headers) => (header = fields(headers)),
        onTrailer: (headers) => (trailer = fields(headers)),
        ...more,
      },
    );
    return { sum, details: [], header, trailer };
  } catch (cause) {
    const error = ConnectError.from(cause);
    return {
      error: { code: Code[error.code], reason: reasonOf(error), text: error.rawMessage },
      details: error.details.flatMap((detail) => ("type" in detail ? [`${detail.type} ${String(detail.value)}`] : [])),
      header: fields(error.metadata),
      trailer,
    };
  }
}
const reasonIn = (seen: Seen): string | undefined => seen.error?.reason;

/** Adds, and says how often it was asked; with headers of all sorts. */
const adding =
  (runs: string[]): Add =>
  (request, context) => {
    runs.push(`${request.a} + ${request.b}`);
    context.responseHeader.append("x-run", String(runs.length));
    context.responseHeader.append("x-many", "one");
    context.responseHeader.append("x-many", "two");
    context.responseHeader.append("set-cookie", "a=1");
    context.responseHeader.append("set-cookie", "b=2");
    context.responseTrailer.set("x-took", "3 ms");
    return { sum: request.a + request.b };
  };

it("gives the first reply again after a restart, with its headers and trailers, and runs nothing", async () => {
  const store = onFile();
  const runs: string[] = [];
  const replies: Seen[] = [];
  for (const _ of [1, 2, 3]) {
    await using server = await onceServer(store(), adding(runs));
    replies.push(await ask(server.connect().client, "k"));
  }
  expect(runs).toEqual(["1 + 2"]);
  expect(replies[0]).toMatchObject({
    sum: 3,
    header: { "x-run": "1", "x-many": "one, two", cookies: "a=1, b=2" },
    trailer: { "x-took": "3 ms" },
  });
  expect(replies[1]).toEqual(replies[0]);
  expect(replies[2]).toEqual(replies[0]);
});

it("gives the first error again after a restart, with code, message, details and metadata", async () => {
  const store = onFile();
  let runs = 0;
  const refusing: Add = (_, context) => {
    runs++;
    context.responseHeader.set("x-run", String(runs));
    const error = new ConnectError(`no such account (${runs})`, Code.NotFound, { "x-account": "7" });
    error.details.push({ type: "bank.v1.Account", value: Uint8Array.of(1, 2, 3) });
    error.details.push({ type: "bank.v1.Empty", value: new Uint8Array(0) });
    throw error;
  };
  const replies: Seen[] = [];
  for (const _ of [1, 2]) {
    await using server = await onceServer(store(), refusing);
    replies.push(await ask(server.connect().client, "k"));
  }
  expect(runs).toBe(1);
  expect(replies[0]).toMatchObject({
    error: { code: "NotFound", text: "no such account (1)" },
    details: ["bank.v1.Account 1,2,3", "bank.v1.Empty "],
  });
  expect(replies[0]!.header).toMatchObject({ "x-account": "7" });
  expect(replies[1]).toEqual(replies[0]);
});

it("gives a failure of the handler again, without its cause, which belongs into the log", async () => {
  const store = onFile();
  let runs = 0;
  const failing: Add = () => {
    throw new Error(`secret ${++runs}`);
  };
  const replies: Seen[] = [];
  for (const _ of [1, 2]) {
    await using server = await onceServer(store(), failing);
    replies.push(await ask(server.connect().client, "k"));
  }
  expect(runs).toBe(1);
  expect(replies.map(reasonIn)).toEqual(["handler_failed", "handler_failed"]);
  expect(JSON.stringify(replies)).not.toContain("secret");
});

it("refuses a key of before the restart for another request, and lets other callers have it", async () => {
  const store = onFile();
  const runs: string[] = [];
  {
    await using server = await onceServer(store(), adding(runs));
    await ask(server.connect().client, "k");
  }
  await using server = await onceServer(store(), adding(runs));
  expect(reasonIn(await ask(server.connect().client, "k", 5))).toBe("idempotency_key_reused");
  expect((await ask(server.connect().client, "another", 5)).sum).toBe(6);
  expect(runs).toEqual(["1 + 2", "1 + 5"]);
});

it("a server that goes down in mid-handler leaves the outcome unknown, and says so at once", async () => {
  const store = onFile();
  const held = gate();
  let runs = 0;
  const slow: Add = async () => {
    runs++;
    await held.opened;
    return { sum: 0 };
  };
  const first = await onceServer(store(), slow);
  void ask(first.connect().client, "k");
  await first.clock.settle();
  expect(runs).toBe(1);
  await first.close();
  await using server = await onceServer(store(), slow);
  const { error } = await ask(server.connect().client, "k");
  expect(error).toEqual({
    code: "Aborted",
    reason: "outcome_unknown",
    text: "A call of /lab.v1.LabService/Add with this key was begun, and whether it took effect is unknown: its server is gone, or limits.dedupMs is over. Look before trying again with a new key.",
  });
  held.open();
  await server.clock.settle();
  expect(reasonIn(await ask(server.connect().client, "k"))).toBe("outcome_unknown"); // it ended when there was nobody to write it down
  expect(runs).toBe(1);
});

it("a server that drains waits for a keyed call whose caller has lost its session, and keeps its reply", async () => {
  const store = onFile();
  const held = gate();
  let runs = 0;
  const slow: Add = async ({ a, b }) => {
    runs++;
    await held.opened;
    return { sum: a + b };
  };
  const first = await onceServer(store(), slow, { limits: { resumeMs: 10 } });
  const connection = first.connect();
  void ask(connection.client, "k");
  await first.clock.settle();
  await connection.close();
  await first.clock.advance(100);
  expect(first.app.sessions).toBe(0);
  const closing = first.app.close(5_000);
  await first.clock.advance(1_000);
  held.open();
  await first.clock.advance(100);
  await closing;
  await using server = await onceServer(store(), slow);
  expect((await ask(server.connect().client, "k")).sum).toBe(3);
  expect(runs).toBe(1);
});

it("a server that stands still is waited for as long as its lease lasts, then the outcome is unknown", async () => {
  const store = onFile();
  const held = gate();
  let runs = 0;
  const slow: Add = async () => {
    runs++;
    await held.opened;
    return { sum: 7 };
  };
  // Two clocks: the first server's stops, as that of a killed process does.
  const first = await onceServer(store(), slow);
  void ask(first.connect().client, "k");
  await first.clock.advance(20_000);
  await using second = await onceServer(store(), slow, { clock: virtualClock(first.clock.now()) });
  const client = second.connect().client;
  let seen: Seen | undefined;
  const asked = ask(client, "k").then((end) => (seen = end));
  await second.clock.advance(3_000);
  expect(seen).toBeUndefined(); // renewed not 2 s ago: it may yet answer
  await second.clock.advance(2_100);
  expect(reasonIn(await asked)).toBe("outcome_unknown");
  // It was not dead after all, and ends: from then on there is a reply.
  held.open();
  await first.clock.settle();
  expect((await ask(client, "k")).sum).toBe(7);
  expect(runs).toBe(1);
  await first.close();
});

it("two servers on one file: of the same key at once one runs, and all callers get its reply", async () => {
  const store = onFile();
  const runs: string[] = [];
  const clock = virtualClock();
  const slow: Add = async ({ a, b }) => {
    runs.push(`${a} + ${b}`);
    await new Promise<void>((resolve) => clock.after(500, resolve));
    return { sum: a + b };
  };
  await using one = await onceServer(store(), slow, { clock });
  await using two = await onceServer(store(), slow, { clock });
  const clients = [one, two, one, two].map((server) => server.connect().client);
  const keys = Array.from({ length: 20 }, (_, at) => at);
  const asked = Promise.all(keys.flatMap((at) => clients.map((client) => ask(client, `key ${at}`, at))));
  await clock.advance(1_000);
  expect((await asked).map(({ sum }) => sum)).toEqual(keys.flatMap((at) => clients.map(() => at + 1)));
  expect(runs.toSorted()).toEqual(keys.map((at) => `1 + ${at}`).toSorted());
  expect(reasonIn(await ask(clients[1]!, "key 0", 99))).toBe("idempotency_key_reused");
});

it.each([
  ["two servers", 2],
  ["one server", 1],
])("a handler that takes longer than the window runs once, on %s", async (_, count) => {
  const store = onFile();
  const clock = virtualClock();
  let runs = 0;
  const slow: Add = async ({ a, b }) => {
    runs++;
    await new Promise<void>((resolve) => clock.after(60_000, resolve));
    return { sum: a + b };
  };
  const limits = { dedupMs: 2_000 };
  await using one = await onceServer(store(), slow, { clock, limits });
  await using two = count === 2 ? await onceServer(store(), slow, { clock, limits }) : one;
  const first = ask(one.connect().client, "k");
  await clock.advance(30_000);
  const second = ask(two.connect().client, "k");
  await clock.advance(31_000);
  expect([(await first).sum, (await second).sum]).toEqual([3, 3]);
  expect(runs).toBe(1);
  await clock.advance(3_000); // now the window is over: it is a new call
  const third = ask(two.connect().client, "k");
  await clock.advance(61_000);
  expect([(await third).sum, runs]).toEqual([3, 2]);
});

it("a handler is told its key, to pass it on to whatever has the effect: the client's own, and another for each call without one", async () => {
  const keys: string[] = [];
  await using server = await onceServer(undefined, (_, context) => {
    keys.push(context.get(idempotencyKey));
    expect(context.values.get(idempotencyKey)).toBe(keys.at(-1));
    return { sum: 0 };
  });
  const { client } = server.connect();
  await ask(client, "mine");
  for (const _ of [1, 2]) await client.add({ a: 1, b: 2 });
  await server.connect().client.add({ a: 1, b: 2 });
  expect(keys[0]).toBe("mine");
  expect(new Set(keys).size).toBe(4);
  for (const key of keys.slice(1)) expect(key).toMatch(/^[0-9a-f]{32}-[0-9]+$/);
});
