// Exactly once when the store fails, callers go away, or deadlines end: what ran is not run again, what did not run may be tried again.
import { Code, ConnectError } from "@connectrpc/connect";
import { CONTRACT, type Backplane, type Store, reasonOf } from "@raceway/core";
import { errorOf } from "@raceway/core/internal";
import { idempotencyKey, memory, raceway } from "@raceway/server";
import { testHost, virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { expect, it } from "vitest";
import type { LabClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { handlers } from "./lab.ts";
import { type Add, gate, onceServer } from "./once-lab.ts";
import { hello, open, rawPeer } from "./raw-peer.ts";

const keyed = (key: string): { headers: Record<string, string> } => ({ headers: { "idempotency-key": key } });
/** The sum, or the reason of the error. */
async function end(client: LabClient, key: string, more: object = {}): Promise<number | string> {
  try {
    return (await client.add({ a: 1, b: 2 }, { ...keyed(key), ...more })).sum;
  } catch (error) {
    return reasonOf(error) ?? Code[ConnectError.from(error).code];
  }
}

/** A store in memory, with a method of the test's own here and there. */
function over(change: (whole: Store) => Partial<Store>): Backplane {
  return memory({
    store: {
      name: "store-with-faults",
      contract: CONTRACT,
      traits: { durability: "memory", shared: false },
      async start(host) {
        const backplane = await memory().start({ ...host, store: testHost("server").store });
        const { store } = backplane;
        return {
          get: (key) => store.get(key),
          put: (key, value, options) => store.put(key, value, options),
          delete: (key) => store.delete(key),
          take: (key, cost, bucket) => store.take(key, cost, bucket),
          ...change(store),
          [Symbol.asyncDispose]: () => backplane[Symbol.asyncDispose](),
        };
      },
    },
  });
}

it("a store that is full before the handler runs refuses the call; it may be tried again", async () => {
  let runs = 0;
  await using server = await onceServer(
    memory({ storeBytes: 1_000 }),
    ({ a, b }, context) => {
      runs++;
      context.responseHeader.set("x-long", "x".repeat(500));
      return { sum: a + b };
    },
    { limits: { dedupMs: 10_000 } },
  );
  const { client } = server.connect();
  expect(await end(client, "first")).toBe(3);
  expect(await end(client, "k".repeat(200))).toBe("store_full");
  expect(runs).toBe(1);
  await server.clock.advance(10_000); // the first one's window is over
  expect(await end(client, "k".repeat(200))).toBe(3);
  expect(runs).toBe(2);
});

it("a reply that the store does not take still reaches its caller, and the handler does not run again", async () => {
  let runs = 0;
  await using server = await onceServer(memory({ storeBytes: 1_000 }), ({ a, b }, context) => {
    runs++;
    context.responseHeader.set("x-long", "x".repeat(1_000));
    return { sum: a + b };
  });
  const { client } = server.connect();
  expect(await end(client, "k")).toBe(3);
  expect(await end(client, "k")).toBe("outcome_unknown");
  expect(runs).toBe(1);
});

it("a handler's error reaches its caller though the store fails", async () => {
  let runs = 0;
  const failing: Add = () => {
    runs++;
    throw new ConnectError("no", Code.FailedPrecondition);
  };
  const backplane = over((whole) => ({
    put: (key, value, options) =>
      options.ifAbsent === true ? whole.put(key, value, options) : Promise.reject(new Error("the disk is gone")),
  }));
  await using server = await onceServer(backplane, failing);
  expect(await end(server.connect().client, "k")).toBe("FailedPrecondition");
  expect(await end(server.connect().client, "k")).toBe("outcome_unknown");
  expect(runs).toBe(1);
});

it("callers that wait for a run get its reply though the store does not take it", async () => {
  const held = gate();
  let runs = 0;
  const slow: Add = async ({ a, b }) => {
    runs++;
    await held.opened;
    return { sum: a + b };
  };
  const backplane = over((whole) => ({
    put: (key, value, options) =>
      options.ifAbsent === true ? whole.put(key, value, options) : Promise.reject(new Error("the disk is gone")),
  }));
  await using server = await onceServer(backplane, slow);
  const ends = [1, 2, 3].map(() => end(server.connect().client, "k"));
  await server.clock.settle();
  held.open();
  expect(await Promise.all(ends)).toEqual([3, 3, 3]);
  expect(runs).toBe(1);
});

it("of two callers of one server at once one begins, however slow the store answers", async () => {
  const clock = virtualClock();
  let runs = 0;
  // Answers come in any order: the loser may hear of its defeat before the winner of its victory.
  let calls = 0;
  const late = async <T>(answer: Promise<T>): Promise<T> => {
    const result = await answer;
    await new Promise<void>((resolve) => clock.after(100 - 30 * (calls++ % 3), resolve));
    return result;
  };
  const backplane = over((whole) => ({
    get: (key) => late(whole.get(key)),
    put: (key, value, options) => late(whole.put(key, value, options)),
  }));
  await using server = await onceServer(
    backplane,
    ({ a, b }) => {
      runs++;
      return { sum: a + b };
    },
    { clock },
  );
  const ends = Array.from({ length: 5 }, () => end(server.connect().client, "k"));
  await clock.advance(2_000);
  expect(await Promise.all(ends)).toEqual([3, 3, 3, 3, 3]);
  expect(runs).toBe(1);
});

it("a store that says both 'there' and 'not there' does not hold the process; the call ends by its deadline", async () => {
  let looks = 0;
  let runs = 0;
  const backplane = over(() => ({
    put: () => Promise.resolve(false),
    get: () => {
      looks++;
      return Promise.resolve(undefined);
    },
  }));
  await using server = await onceServer(backplane, () => {
    runs++;
    return { sum: 0 };
  });
  const asked = end(server.connect().client, "k", { timeoutMs: 1_000 });
  await server.clock.advance(1_500);
  expect(await asked).toBe("call_deadline");
  const until = looks;
  await server.clock.advance(5_000);
  expect([looks - until, runs]).toEqual([0, 0]); // nobody waits: nobody looks
  expect(until).toBeLessThan(30);
});

it("a call that was cancelled before its handler began leaves the key free", async () => {
  const held = gate();
  let runs = 0;
  const backplane = over((whole) => ({
    async put(key, value, options) {
      await held.opened;
      return whole.put(key, value, options);
    },
  }));
  await using server = await onceServer(backplane, ({ a, b }) => {
    runs++;
    return { sum: a + b };
  });
  const { client } = server.connect();
  const controller = new AbortController();
  const cancelled = end(client, "k", { signal: controller.signal });
  await server.clock.settle();
  controller.abort();
  expect(await cancelled).toBe("call_cancelled");
  await server.clock.settle();
  held.open();
  await server.clock.settle();
  expect(runs).toBe(0);
  expect(await end(client, "k")).toBe(3);
  expect(runs).toBe(1);
});

it("a handler that a deadline stopped has that for its reply: a retry is told the same, and runs nothing", async () => {
  let runs = 0;
  await using server = await onceServer(undefined, async (_, context) => {
    runs++;
    await new Promise((_resolve, reject) => {
      context.signal.addEventListener("abort", () => reject(new Error("stopped in the middle")));
    });
    return { sum: 0 };
  });
  const peer = await rawPeer(server.memory, server.clock); // a client would cancel at the same moment
  peer.say(hello());
  await server.clock.settle();
  const request = { payload: Uint8Array.of(8, 1), idempotencyKey: "k" };
  peer.say(open(1, "/lab.v1.LabService/Add", { ...request, timeoutMs: 1_000 }));
  await server.clock.advance(1_100);
  peer.say(open(2, "/lab.v1.LabService/Add", request));
  await server.clock.settle();
  const reasons = peer.frames.map((frame) => frame.kind === "end" && reasonOf(errorOf(frame.status!)));
  expect(reasons.filter(Boolean)).toEqual(["call_deadline", "call_deadline"]);
  expect(runs).toBe(1);
});

it("a handler whose caller never comes back is stopped when its window is over", async () => {
  const events: string[] = [];
  await using server = await onceServer(
    undefined,
    async (_, context) => {
      events.push("runs");
      await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
      events.push("stopped");
      return { sum: 0 };
    },
    { limits: { resumeMs: 1_000, dedupMs: 60_000 } },
  );
  const peer = await rawPeer(server.memory, server.clock);
  peer.say(hello());
  await server.clock.settle();
  peer.say(open(1, "/lab.v1.LabService/Add", { payload: Uint8Array.of(8, 1), idempotencyKey: "k" }));
  await server.clock.settle();
  server.memory.cut();
  await server.clock.advance(30_000);
  expect(events).toEqual(["runs"]);
  await server.clock.advance(32_000);
  expect(events).toEqual(["runs", "stopped"]);
});

it("of handlers whose callers are gone, the oldest are stopped when there are more than detachedCalls", async () => {
  const events: string[] = [];
  await using server = await onceServer(
    undefined,
    async ({ a }, context) => {
      await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
      events.push(`${a} stopped`);
      return { sum: 0 };
    },
    { limits: { resumeMs: 1_000, detachedCalls: 2 } },
  );
  for (const a of [1, 2, 3, 4]) {
    const peer = await rawPeer(server.memory, server.clock);
    peer.say(hello());
    await server.clock.settle();
    peer.say(open(1, "/lab.v1.LabService/Add", { payload: Uint8Array.of(8, a), idempotencyKey: `k${a}` }));
    await server.clock.settle();
    server.memory.cut();
    await server.clock.advance(2_000);
  }
  expect(events).toEqual(["1 stopped", "2 stopped"]);
});

it("a handler that was stopped because nobody came back, and fails for that, leaves the outcome unknown", async () => {
  let runs = 0;
  await using server = await onceServer(
    undefined,
    async (_, context) => {
      runs++;
      await new Promise((_resolve, reject) => {
        context.signal.addEventListener("abort", () => reject(new Error("stopped in the middle")));
      });
      return { sum: 0 };
    },
    { limits: { resumeMs: 1_000, detachedCalls: 0 } },
  );
  const request = { payload: Uint8Array.of(8, 1), idempotencyKey: "k" };
  const peer = await rawPeer(server.memory, server.clock);
  peer.say(hello());
  await server.clock.settle();
  peer.say(open(1, "/lab.v1.LabService/Add", request));
  await server.clock.settle();
  server.memory.cut();
  await server.clock.advance(2_000);
  const again = await rawPeer(server.memory, server.clock);
  again.say(hello());
  await server.clock.settle();
  again.say(open(1, "/lab.v1.LabService/Add", request));
  await server.clock.settle();
  const ends = again.frames.map((frame) => frame.kind === "end" && reasonOf(errorOf(frame.status!)));
  expect(ends.filter(Boolean)).toEqual(["outcome_unknown"]);
  expect(runs).toBe(1);
});

it("at a native door: a request whose connection is gone runs on, and the retry gets its reply", async () => {
  const begun = gate();
  const held = gate();
  let runs = 0;
  let stopped = false;
  await using app = raceway({ transports: [grpc()] });
  app.serve(labService, {
    ...handlers([], virtualClock()),
    async add({ a, b }, context) {
      runs++;
      expect(context.get(idempotencyKey)).toBe("k");
      context.signal.addEventListener("abort", () => (stopped = true));
      begun.open();
      await held.opened;
      return { sum: a + b };
    },
  });
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  const ask = (signal?: AbortSignal): Promise<Response> =>
    fetch(`${url}/lab.v1.LabService/Add`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": "k" },
      body: JSON.stringify({ a: 1, b: 2 }),
      signal: signal ?? null,
    });
  const controller = new AbortController();
  const first = ask(controller.signal).catch((error: unknown) => error);
  await begun.opened;
  controller.abort();
  await first;
  const second = ask();
  const third = ask();
  held.open();
  expect(await (await second).json()).toEqual({ sum: 3 });
  expect(await (await third).json()).toEqual({ sum: 3 });
  expect([runs, stopped]).toEqual([1, false]);
});

it("a caller's own key is taken from the header of a call, and refused when it is too long", async () => {
  let runs = 0;
  await using server = await onceServer(undefined, ({ a, b }) => {
    runs++;
    return { sum: a + b };
  });
  const { client } = server.connect();
  expect([await end(client, "mine"), await end(client, "mine"), runs]).toEqual([3, 3, 1]);
  expect(await end(client, "k".repeat(256))).toBe("idempotency_key_invalid");
  expect((await client.add({ a: 1, b: 2 })).sum).toBe(3); // without one, each call has its own
  expect(runs).toBe(2);
});
