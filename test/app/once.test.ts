// Exactly once: a call with an idempotency key runs its handler once, whatever happens to replies, links and sessions.
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { memoryTransport, reasonOf } from "@raceway/core";
import { errorOf } from "@raceway/core/internal";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { handlers, lab } from "./lab.ts";
import { type RawPeer, hello, open, rawPeer } from "./raw-peer.ts";

const ADD = "/lab.v1.LabService/Add";
/** AddRequest { a: 1, b: 2 } and { a: 1, b: 3 }. */
const request = Uint8Array.of(0x08, 1, 0x10, 2);
const other = Uint8Array.of(0x08, 1, 0x10, 3);

function endOf(peer: RawPeer, call: number): { payload?: number[]; reason?: string | undefined } {
  const end = peer.frames.find((frame) => frame.kind === "end" && frame.call === call);
  if (end?.kind !== "end") throw new Error(`call ${call} has not ended`);
  return end.status === undefined ? { payload: [...(end.payload ?? [])] } : { reason: reasonOf(errorOf(end.status)) };
}

it("runs the handler once for one key, over sessions, and gives the first reply again", async () => {
  await using it = await lab();
  for (const round of [1, 2]) {
    const peer = await rawPeer(it.memory, it.clock);
    peer.say(hello(), open(1, ADD, { payload: request, idempotencyKey: "k" }));
    await it.clock.settle();
    expect(peer.frames[0]?.kind).toBe("goaway"); // an Open in the batch of the Hello is against the rules
    const polite = await rawPeer(it.memory, it.clock);
    polite.say(hello());
    await it.clock.settle();
    polite.say(open(1, ADD, { payload: request, idempotencyKey: "k" }));
    polite.say(open(2, ADD, { payload: request, idempotencyKey: `other ${round}` }));
    await it.clock.settle();
    expect(endOf(polite, 1)).toEqual({ payload: [0x08, 3] });
    expect(endOf(polite, 2)).toEqual({ payload: [0x08, 3] });
  }
  expect(it.calls).toEqual(["add 1 2", "add 1 2", "add 1 2"]); // once for "k", once for each other
});

it("refuses a key that was used for another request, and one that is too long", async () => {
  await using it = await lab();
  const peer = await rawPeer(it.memory, it.clock);
  peer.say(hello());
  await it.clock.settle();
  peer.say(open(1, ADD, { payload: request, idempotencyKey: "k" }));
  await it.clock.settle();
  peer.say(open(2, ADD, { payload: other, idempotencyKey: "k" }));
  peer.say(open(3, ADD, { payload: request, idempotencyKey: "k".repeat(256) }));
  await it.clock.settle();
  expect(endOf(peer, 2)).toEqual({ reason: "idempotency_key_reused" });
  expect(endOf(peer, 3)).toEqual({ reason: "idempotency_key_invalid" });
  expect(it.calls).toEqual(["add 1 2"]);
});

it("forgets a key after its window", async () => {
  await using it = await lab({ server: { limits: { dedupMs: 10_000, heartbeatMs: 600_000 } } });
  const peer = await rawPeer(it.memory, it.clock);
  peer.say(hello());
  await it.clock.settle();
  peer.say(open(1, ADD, { payload: request, idempotencyKey: "k" }));
  await it.clock.advance(11_000);
  peer.say(open(2, ADD, { payload: request, idempotencyKey: "k" }));
  await it.clock.settle();
  expect(endOf(peer, 2)).toEqual({ payload: [0x08, 3] });
  expect(it.calls).toEqual(["add 1 2", "add 1 2"]);
});

it("a client that lost its session in mid-call asks again, waits for the run in progress, and the handler runs once", async () => {
  const clock = virtualClock();
  const memory = memoryTransport();
  const calls: number[] = [];
  await using app = raceway({ transports: [memory.server], clock, limits: { resumeMs: 500 } });
  app.serve(labService, {
    ...handlers([], clock),
    async add({ a, b }) {
      calls.push(a);
      await new Promise<void>((resolve) => clock.after(5_000, resolve));
      if (a === 7) throw new ConnectError("seven", Code.FailedPrecondition);
      return { sum: a + b };
    },
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://lab", {
    transports: [memory.client],
    clock,
    backoff: { firstMs: 2_000, capMs: 2_000 },
    random: { next: () => 1, bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
  });
  const client = labClient(connection);
  const sum = client.add({ a: 1, b: 2 });
  const failure = client.add({ a: 7, b: 2 }).catch((error: unknown) => ConnectError.from(error));
  await clock.settle();
  memory.cut();
  await clock.advance(10_000);
  expect((await sum).sum).toBe(3);
  expect(((await failure) as ConnectError).code).toBe(Code.FailedPrecondition);
  expect(calls).toEqual([1, 7]);
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it("at a native door, by the header idempotency-key", async () => {
  const calls: string[] = [];
  await using app = raceway({ transports: [grpc()] });
  app.serve(labService, handlers(calls, virtualClock()));
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  const add = async (a: number): Promise<unknown> => {
    const reply = await fetch(`${url}${ADD}`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": "k" },
      body: JSON.stringify({ a, b: 2 }),
    });
    return reply.json();
  };
  expect(await add(1)).toEqual({ sum: 3 });
  expect(await add(1)).toEqual({ sum: 3 });
  expect(await add(9)).toMatchObject({ code: "invalid_argument" });
  expect(calls).toEqual(["add 1 2"]);
});
