// What broken and hostile peers get: a clear error with a stable reason, the link closed, other sessions untouched.
import { Code } from "@connectrpc/connect";
import { memoryTransport, type Principal, principal, reasonOf } from "@raceway/core";
import { type Frame, errorOf } from "@raceway/core/internal";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { afterEach, beforeEach, expect, it } from "vitest";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { handlers, type Lab, lab } from "./lab.ts";
import { type RawPeer, hello, none, open, rawPeer, welcomeOf } from "./raw-peer.ts";

let it1: Lab;
beforeEach(async () => {
  it1 = await lab({ server: { limits: { helloMs: 1_000, heartbeatMs: 5_000, silenceMs: 1_000 } } });
  await it1.client.echo({ text: "bystander" });
});
afterEach(async () => {
  // Whatever happened: the bystander's session is untouched, and nothing of the other is left.
  expect((await it1.client.echo({ text: "still here" })).text).toBe("still here");
  expect(it1.connection.state.current.status).toBe("open");
  await it1[Symbol.asyncDispose]();
});

/** The reason of the Goaway that a peer got. */
function goaway(peer: RawPeer): { reason: string | undefined; code: Code | undefined } {
  const frame = peer.frames.findLast((each) => each.kind === "goaway");
  const error = frame?.status === undefined ? undefined : errorOf(frame.status);
  return { reason: reasonOf(error), code: error?.code };
}
function endOf(peer: RawPeer, call: number): { reason: string | undefined; code: Code | undefined } {
  const frame = peer.frames.find((each) => each.kind === "end" && each.call === call) as
    | Extract<Frame, { kind: "end" }>
    | undefined;
  const error = frame?.status === undefined ? undefined : errorOf(frame.status);
  return { reason: reasonOf(error), code: error?.code };
}
async function greeted(): Promise<RawPeer> {
  const peer = await rawPeer(it1.memory, it1.clock);
  peer.say(hello());
  await it1.clock.settle();
  welcomeOf(peer);
  return peer;
}

it("a client that never says Hello", async () => {
  const peer = await rawPeer(it1.memory, it1.clock);
  await it1.clock.advance(1_100);
  expect(goaway(peer)).toEqual({ reason: "hello_timeout", code: Code.DeadlineExceeded });
  expect(peer.closed).toBe(true);
  expect(it1.app.sessions).toBe(1);
});

it.each([
  ["garbage", [0x42, 1, 2, 3]],
  ["a truncated frame", [0x0a, 9, 0x0a, 7]],
  ["a varint of eleven bytes", [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
  ["broken JSON", [...new TextEncoder().encode('{"hello":')]],
])("%s in place of Hello", async (_, bytes) => {
  const peer = await rawPeer(it1.memory, it1.clock);
  peer.bytes(...bytes);
  await it1.clock.settle();
  expect(goaway(peer)).toEqual({ reason: "frame_malformed", code: Code.InvalidArgument });
  expect(peer.closed).toBe(true);
});

it("another frame before Hello", async () => {
  const peer = await rawPeer(it1.memory, it1.clock);
  peer.say(open(1, "/lab.v1.LabService/Echo"));
  await it1.clock.settle();
  expect(goaway(peer).reason).toBe("frame_unexpected");
  expect(peer.closed).toBe(true);
});

it("a Hello that is too large, of another version, or with no known codec", async () => {
  for (const [said, reason] of [
    [hello({ header: [{ key: "x", value: "y".repeat(70_000) }] }), "hello_too_large"],
    [hello({ version: 9 }), "version_unsupported"],
    [hello({ codecs: ["morse"] }), "codec_unsupported"],
  ] as const) {
    const peer = await rawPeer(it1.memory, it1.clock);
    peer.say(said);
    await it1.clock.settle();
    expect(goaway(peer).reason).toBe(reason);
    expect(peer.closed).toBe(true);
  }
});

it.each<[string, Frame]>([
  ["a second Hello", hello()],
  [
    "a Welcome from a client",
    {
      kind: "welcome",
      version: 1,
      codec: "proto",
      session: none,
      secret: none,
      received: 0,
      resumed: false,
      window: undefined,
      heartbeatMs: 0,
      silenceMs: 0,
      resumeMs: 0,
      maxMessageBytes: 0,
      transports: [],
      maxBatchBytes: 0,
      maxAgeMs: 0,
      node: "",
      credentialMs: 0,
    },
  ],
  ["data for a call that was never opened", { kind: "data", call: 7, payload: none, header: undefined }],
  [
    "an end of a call that was never opened",
    { kind: "end", call: 7, status: undefined, header: [], trailer: [], payload: undefined },
  ],
  ["an Open with a call id that was used", open(0, "/lab.v1.LabService/Echo")],
])("%s after the handshake", async (_, frame) => {
  const peer = await greeted();
  peer.say(frame);
  await it1.clock.settle();
  expect(goaway(peer)).toEqual({ reason: "frame_unexpected", code: Code.InvalidArgument });
  expect(peer.closed).toBe(true);
});

it("a malformed frame in the midst of a session closes the link, and the session can be resumed", async () => {
  const peer = await greeted();
  const { session, secret } = welcomeOf(peer);
  peer.say(open(1, "/lab.v1.LabService/Echo"));
  await it1.clock.settle();
  peer.bytes(0x0a, 3, 0x1a, 200, 1);
  await it1.clock.settle();
  expect(goaway(peer).reason).toBe("frame_malformed");
  expect(peer.closed).toBe(true);
  const again = await rawPeer(it1.memory, it1.clock);
  again.say(hello({ session, secret, received: 1 }));
  await it1.clock.settle();
  expect(welcomeOf(again)).toMatchObject({ resumed: true, received: 1 });
});

it("counts that are impossible: acknowledging what was never sent, and going backwards", async () => {
  for (const acks of [[99], [1, 0]]) {
    const peer = await greeted();
    peer.say(open(1, "/lab.v1.LabService/Echo"));
    await it1.clock.settle();
    for (const received of acks) peer.say({ kind: "ack", received, from: undefined });
    await it1.clock.settle();
    expect(goaway(peer)).toEqual({ reason: "count_invalid", code: Code.InvalidArgument });
    expect(peer.closed).toBe(true);
  }
});

it("credit that overflows", async () => {
  const peer = await greeted();
  peer.say(open(1, "/lab.v1.LabService/Chat", { end: false, payload: undefined }));
  peer.say({ kind: "credit", call: 1, messages: 0xffff_ffff, bytes: 0xffff_ffff });
  await it1.clock.settle();
  expect(goaway(peer)).toEqual({ reason: "credit_overflow", code: Code.InvalidArgument });
});

it("a client that ignores its credit: the call ends, the session goes on", async () => {
  const clock = virtualClock();
  const memory = memoryTransport();
  await using app = raceway({ transports: [memory.server], clock, limits: { windowMessages: 8 } });
  const never = (): Promise<never> => new Promise(() => {});
  app.serve(labService, { ...handlers([], clock), sum: never });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const peer = await rawPeer(memory, clock);
  peer.say(hello());
  await clock.settle();
  expect(welcomeOf(peer).window?.messages).toBe(8);
  peer.say(open(1, "/lab.v1.LabService/Sum", { end: false, payload: undefined }));
  const data: Frame = { kind: "data", call: 1, payload: none, header: undefined };
  for (let count = 0; count < 8; count++) peer.say(data);
  await clock.settle();
  expect(endOf(peer, 1).code).toBeUndefined();
  peer.say(data);
  await clock.settle();
  expect(endOf(peer, 1)).toEqual({ reason: "flow_violated", code: Code.ResourceExhausted });
  peer.say({ kind: "ping", id: 5 });
  await clock.settle();
  expect(peer.frames.at(-1)).toEqual({ kind: "pong", id: 5 });
});

it("an unknown method, an oversized message, a payload that is no message: the call ends, the session goes on", async () => {
  const peer = await greeted();
  peer.say(open(1, "/lab.v1.LabService/Nothing"));
  peer.say(open(2, "/lab.v1.LabService/Echo", { payload: new Uint8Array(1_048_577) }));
  peer.say(open(3, "/lab.v1.LabService/Echo", { payload: Uint8Array.of(0x0a, 99) }));
  peer.say(open(4, "/lab.v1.LabService/Echo", { header: [{ key: "big", value: "x".repeat(17_000) }] }));
  peer.say(open(5, "/lab.v1.LabService/Ticks"));
  peer.say(open(6, "/lab.v1.LabService/Echo"));
  await it1.clock.settle();
  expect(endOf(peer, 1)).toEqual({ reason: "channel_unknown", code: Code.Unimplemented });
  expect(endOf(peer, 2)).toEqual({ reason: "message_too_large", code: Code.ResourceExhausted });
  expect(endOf(peer, 3)).toEqual({ reason: "payload_malformed", code: Code.InvalidArgument });
  expect(endOf(peer, 4)).toEqual({ reason: "headers_too_large", code: Code.ResourceExhausted });
  expect(endOf(peer, 5)).toEqual({ reason: "address_invalid", code: Code.InvalidArgument });
  expect(endOf(peer, 6)).toEqual({ reason: undefined, code: undefined });
  expect(peer.closed).toBe(false);
});

it("more calls at once, and more subscriptions, than are allowed", async () => {
  const peer = await greeted();
  for (let call = 1; call <= 130; call++)
    peer.say(open(call, "/lab.v1.LabService/Chat", { end: false, payload: undefined }));
  await it1.clock.settle();
  expect(endOf(peer, 128).reason).toBeUndefined();
  expect(endOf(peer, 129)).toEqual({ reason: "too_many_calls", code: Code.ResourceExhausted });
  const board = Uint8Array.of(0x0a, 1, 0x78);
  for (let call = 131; call <= 131 + 257; call++) peer.say(open(call, "/lab.v1.LabService/Ticks", { payload: board }));
  await it1.clock.settle();
  expect(endOf(peer, 131 + 257)).toEqual({ reason: "too_many_subscriptions", code: Code.ResourceExhausted });
});

it("a flood of frames: the link is paused, so that no more than the rate comes through", async () => {
  const peer = await greeted();
  const pings: Frame[] = Array.from({ length: 1_000 }, () => ({ kind: "ping", id: 1 }));
  const pongs = (): number => peer.frames.filter(({ kind }) => kind === "pong").length;
  for (let round = 0; round < 20; round++) {
    peer.say(...pings);
    await it1.clock.settle();
  }
  const burst = pongs();
  expect(burst).toBeGreaterThanOrEqual(4_000);
  expect(burst).toBeLessThanOrEqual(6_000);
  await it1.clock.advance(1_000);
  expect(pongs() - burst).toBeLessThanOrEqual(3_000);
  await it1.clock.advance(20_000);
  expect(pongs()).toBe(20_000);
});

it("a half-open link: nothing is heard, so the link is closed and the session waits", async () => {
  const peer = await greeted();
  peer.say(open(1, "/lab.v1.LabService/Chat", { end: false, payload: undefined }));
  await it1.clock.advance(4_000);
  expect(peer.closed).toBe(false);
  // The server asks, nobody answers.
  await it1.clock.advance(4_000);
  expect(peer.frames.some(({ kind }) => kind === "ping")).toBe(true);
  expect(goaway(peer)).toEqual({ reason: "link_silent", code: Code.Unavailable });
  expect(peer.closed).toBe(true);
  expect(it1.app.sessions).toBe(2);
  await it1.clock.advance(61_000);
  expect(it1.app.sessions).toBe(1);
});

it("resume: a wrong secret, an unknown session, an impossible count; the owner is not disturbed", async () => {
  const owner = await greeted();
  const { session, secret } = welcomeOf(owner);
  owner.say(open(1, "/lab.v1.LabService/Chat", { end: false, payload: undefined }));
  await it1.clock.settle();
  const wrong = secret.slice();
  wrong[31]! ^= 1;
  for (const [said, reason, code] of [
    [hello({ session, secret: wrong }), "resume_refused", Code.Unauthenticated],
    [hello({ session, secret: none }), "resume_refused", Code.Unauthenticated],
    [hello({ session: new Uint8Array(16), secret }), "resume_impossible", Code.NotFound],
    [hello({ session, secret, received: 12_345 }), "resume_impossible", Code.NotFound],
  ] as const) {
    const thief = await rawPeer(it1.memory, it1.clock);
    thief.say(said);
    await it1.clock.settle();
    expect(goaway(thief)).toEqual({ reason, code });
    expect(thief.closed).toBe(true);
  }
  owner.say({ kind: "data", call: 1, payload: Uint8Array.of(0x0a, 1, 0x61), header: undefined });
  await it1.clock.settle();
  expect(owner.frames.at(-1)).toMatchObject({ kind: "data", call: 1 });
});

it("a Hello that comes late, from before what was acknowledged since, repeats nothing", async () => {
  const first = await greeted();
  const { session, secret } = welcomeOf(first);
  first.say(open(1, "/lab.v1.LabService/Chat", { end: false, payload: undefined }));
  first.say({ kind: "data", call: 1, payload: Uint8Array.of(0x0a, 1, 0x61), header: undefined });
  await it1.clock.settle();
  const received = first.frames.filter(({ kind }) => kind === "data" || kind === "credit").length;
  first.say({ kind: "ack", received, from: undefined });
  await it1.clock.settle();
  it1.memory.cut();
  await it1.clock.settle();
  const late = await rawPeer(it1.memory, it1.clock);
  late.say(hello({ session, secret, received: 0 }));
  await it1.clock.settle();
  expect(welcomeOf(late)).toMatchObject({ resumed: true, received: 2 });
  expect(late.frames.slice(1)).toEqual([{ kind: "ack", received: 2, from: received }]);
  await it1.clock.advance(1_000); // the bystander is back, too
});

it("a session in which nothing was said yet outlives links that its client resumed it by and gave up", async () => {
  const first = await greeted();
  const { session, secret } = welcomeOf(first);
  it1.memory.cut(); // with all that was said on it
  await it1.clock.advance(1_000);
  const second = await rawPeer(it1.memory, it1.clock);
  second.say(hello({ session, secret, attempt: 2 }));
  await it1.clock.settle();
  expect(welcomeOf(second).resumed).toBe(true);
  second.link.close(); // the Welcome came too late
  await it1.clock.settle();
  const third = await rawPeer(it1.memory, it1.clock);
  third.say(hello({ session, secret, attempt: 3 }));
  await it1.clock.settle();
  expect(welcomeOf(third).resumed).toBe(true);
});

it("two links that claim one session: the newest has it, and the other is told after a while", async () => {
  const first = await greeted();
  const { session, secret } = welcomeOf(first);
  first.say(open(1, "/lab.v1.LabService/Chat", { end: false, payload: undefined }));
  await it1.clock.settle();
  const second = await rawPeer(it1.memory, it1.clock);
  second.say(hello({ session, secret, received: 0 }));
  await it1.clock.settle();
  expect(welcomeOf(second)).toMatchObject({ resumed: true, received: 1 });
  second.say(
    { kind: "ack", received: 0, from: 1 },
    { kind: "data", call: 1, payload: Uint8Array.of(0x0a, 1, 0x62), header: undefined },
  );
  await it1.clock.settle();
  expect(second.frames.at(-1)).toMatchObject({ kind: "data", call: 1 });
  await it1.clock.advance(5_100);
  expect(goaway(first).reason).toBe("session_taken");
  expect(first.closed).toBe(true);
});

it("a resume under another principal", async () => {
  const named: Principal[] = [{ id: "ann" }, { id: "bob" }];
  await using it2 = await lab({
    server: {
      use: [
        {
          name: "who",
          contract: 1,
          provides: [principal],
          start: () => ({
            session: (opening) =>
              void opening.context.set(principal, named.find(({ id }) => id === opening.credential) ?? { id: "" }),
          }),
        },
      ],
    },
  });
  const ann = await rawPeer(it2.memory, it2.clock);
  ann.say(hello({ credential: "ann" }));
  await it2.clock.settle();
  const { session, secret } = welcomeOf(ann);
  ann.say(open(1, "/lab.v1.LabService/Echo"));
  await it2.clock.settle();
  const bob = await rawPeer(it2.memory, it2.clock);
  bob.say(hello({ session, secret, credential: "bob" }));
  await it2.clock.settle();
  expect(goaway(bob)).toEqual({ reason: "resume_refused", code: Code.Unauthenticated });
  expect(ann.closed).toBe(false);
});

it("more sessions from one address than are allowed", async () => {
  await using it2 = await lab({ server: { limits: { sessionsPerAddress: 3 } } });
  await it2.client.echo({ text: "one" });
  const peers: RawPeer[] = [];
  for (let count = 0; count < 3; count++) {
    const peer = await rawPeer(it2.memory, it2.clock);
    peer.say(hello());
    peers.push(peer);
  }
  await it2.clock.settle();
  expect(peers.map((peer) => goaway(peer).reason)).toEqual([undefined, undefined, "too_many_sessions"]);
});
