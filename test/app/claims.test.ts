// Who claims a session that is not his, or claims of it what cannot be: a clear answer, and the owner goes on, over links in memory and over sockets.
import { Code } from "@connectrpc/connect";
import { type ClientTransport, memoryTransport, principal, reasonOf, retryAfterMs, systemClock } from "@raceway/core";
import { type Frame, type WelcomeFrame, errorOf } from "@raceway/core/internal";
import { type RacewayOptions, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { poll as pollClient } from "@raceway/transport-poll/client";
import { poll } from "@raceway/transport-poll/server";
import { sse as sseClient } from "@raceway/transport-sse/client";
import { sse } from "@raceway/transport-sse/server";
import { websocket as websocketClient } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { describe, expect, it, vi } from "vitest";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { handlers } from "./lab.ts";
import { type RawPeer, hello, none, open, rawPeer, welcomeOf } from "./raw-peer.ts";

const ADD = "/lab.v1.LabService/Add";
const CHAT = "/lab.v1.LabService/Chat";
const LIMITS = { resumesPerSecond: 5, helloMs: 2_000, detachedSessions: 20 };

interface Scene extends AsyncDisposable {
  /** How often somebody was asked who he is. */
  readonly asked: string[];
  readonly sessions: number;
  /** Timers that wait; 0 where nobody counts them. */
  readonly timers: number;
  peer(): Promise<RawPeer>;
  until(holds: () => boolean): Promise<void>;
}

async function scene(
  link: { readonly server: RacewayOptions["transports"][number]; readonly client: ClientTransport },
  limits: RacewayOptions["limits"] = {},
): Promise<Scene> {
  const virtual = link.client.name === "memory" ? virtualClock() : undefined;
  const clock = virtual ?? systemClock();
  const asked: string[] = [];
  const app = raceway({
    transports: [link.server],
    clock,
    limits: { ...LIMITS, ...limits },
    use: [
      {
        name: "who",
        contract: 1,
        provides: [principal],
        start: () => ({
          session: ({ context, kind, credential = "" }) => {
            asked.push(`${kind} ${credential}`);
            context.set(principal, { id: credential });
          },
        }),
      },
    ],
  });
  app.serve(labService, handlers([], clock));
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  const peers: RawPeer[] = [];
  return {
    asked,
    get sessions() {
      return app.sessions;
    },
    get timers() {
      return virtual?.timers ?? 0;
    },
    async peer() {
      const peer = await rawPeer(link, clock, url);
      peers.push(peer);
      return peer;
    },
    async until(holds) {
      if (virtual === undefined) return vi.waitFor(() => expect(holds()).toBe(true), { timeout: 4_000, interval: 5 });
      for (let count = 0; count < 20 && !holds(); count++) await virtual.settle();
      expect(holds()).toBe(true);
    },
    async [Symbol.asyncDispose]() {
      for (const peer of peers) peer.link.close();
      const closing = app.close(0);
      await virtual?.advance(100);
      await closing;
    },
  };
}

const has = (peer: RawPeer, kind: Frame["kind"]): boolean => peer.frames.some((frame) => frame.kind === kind);

/** Opens a session with a conversation in it. */
async function owner(
  it: Scene,
  said = hello({ credential: "ann" }),
): Promise<{ peer: RawPeer; welcome: WelcomeFrame }> {
  const peer = await it.peer();
  peer.say(said);
  await it.until(() => has(peer, "welcome"));
  peer.say(open(1, CHAT, { end: false, payload: undefined }));
  await answered(it, peer);
  return { peer, welcome: welcomeOf(peer) };
}

/** The conversation goes on, and on this link. What is said first on a link that resumes is the number that comes next on it, and how much was received. */
async function answered(it: Scene, peer: RawPeer, first?: { received: number; from: number }): Promise<void> {
  if (first !== undefined) peer.say({ kind: "ack", ...first });
  const before = peer.frames.filter(({ kind }) => kind === "data").length;
  peer.say({ kind: "data", call: 1, payload: Uint8Array.of(0x0a, 1, 0x61), header: undefined });
  await it.until(() => peer.frames.filter(({ kind }) => kind === "data").length === before + 1);
}

/** What a link that says this is told. */
async function refused(
  it: Scene,
  said: Frame,
): Promise<{ reason: string | undefined; code: Code | undefined; retryAfterMs: number | undefined; peer: RawPeer }> {
  const peer = await it.peer();
  peer.say(said);
  await it.until(() => has(peer, "goaway"));
  return { ...farewell(peer), peer };
}
function farewell(peer: RawPeer): {
  reason: string | undefined;
  code: Code | undefined;
  retryAfterMs: number | undefined;
} {
  const frame = peer.frames.findLast(({ kind }) => kind === "goaway");
  const error = frame?.kind === "goaway" && frame.status !== undefined ? errorOf(frame.status) : undefined;
  return { reason: reasonOf(error), code: error?.code, retryAfterMs: retryAfterMs(error) };
}

const links = {
  memory: memoryTransport,
  websocket: () => ({ client: websocketClient(), server: websocket() }),
  sse: () => ({ client: sseClient(), server: sse() }),
  poll: () => ({ client: pollClient(), server: poll() }),
};

describe.each(Object.entries(links))("over %s", (_, link) => {
  it("a secret that is guessed, and a session that is: refused before anybody is asked who he is", async () => {
    await using it = await scene(link());
    const { peer, welcome } = await owner(it);
    const { session, secret } = welcome;
    const wrong = secret.slice();
    wrong[0]! ^= 1;
    for (const guess of [wrong, none, secret.subarray(1)])
      expect(await refused(it, hello({ session, secret: guess, credential: "ann" }))).toMatchObject({
        reason: "resume_refused",
        code: Code.Unauthenticated,
      });
    expect(await refused(it, hello({ session: secret.subarray(16), secret, credential: "ann" }))).toMatchObject({
      reason: "resume_impossible",
      code: Code.NotFound,
    });
    expect(it.asked).toEqual(["open ann"]);
    await answered(it, peer);
    expect(it.sessions).toBe(1);
  });

  it("a secret that is stolen, under another principal or none: refused as if it were wrong", async () => {
    await using it = await scene(link());
    const { peer, welcome } = await owner(it);
    const { session, secret } = welcome;
    for (const credential of ["bob", ""])
      expect(await refused(it, hello({ session, secret, credential }))).toMatchObject({
        reason: "resume_refused",
        code: Code.Unauthenticated,
      });
    await answered(it, peer);
  });

  it("a Hello that is said again, by somebody who heard it: refused; so is an older one", async () => {
    await using it = await scene(link());
    const first = hello({ credential: "ann" });
    const { peer, welcome } = await owner(it, first);
    const { session, secret } = welcome;
    const older = hello({ session, secret, credential: "ann", received: 1 });
    const moved = hello({ session, secret, credential: "ann", received: 1 });
    const next = await it.peer();
    next.say(moved);
    await it.until(() => has(next, "welcome"));
    await answered(it, next, { received: 1, from: 2 });
    for (const replayed of [moved, older])
      expect(await refused(it, replayed)).toMatchObject({ reason: "session_taken", code: Code.Aborted });
    await answered(it, next);
    expect(it.sessions).toBe(1);
    peer.link.close();
    await answered(it, next);
  });

  it("two links that claim it at once: it goes on where the client speaks, and the other gets nothing more", async () => {
    await using it = await scene(link());
    const { peer, welcome } = await owner(it);
    const { session, secret } = welcome;
    const [second, third] = [await it.peer(), await it.peer()];
    for (const claim of [second, third]) claim.say(hello({ session, secret, credential: "ann", received: 1 }));
    await it.until(() => has(second, "welcome") && has(third, "welcome"));
    await answered(it, peer); // neither has spoken: nothing has changed
    await answered(it, third, { received: 2, from: 3 });
    const seen = [peer.frames.length, second.frames.length];
    await answered(it, third);
    expect([peer.frames.length, second.frames.length]).toEqual(seen);
    expect(it.sessions).toBe(1);
  });

  it("counts that cannot be, in a Hello: refused, and nothing of the session is given up", async () => {
    await using it = await scene(link());
    const { peer, welcome } = await owner(it);
    const { session, secret } = welcome;
    peer.say(...acks(1));
    await answered(it, peer);
    for (const received of [3, 12_345, 2 ** 32, Number.MAX_SAFE_INTEGER])
      expect(await refused(it, hello({ session, secret, credential: "ann", received }))).toMatchObject({
        reason: "resume_impossible",
        code: Code.NotFound,
      });
    await answered(it, peer);
  });

  it.each<[string, readonly Frame[], string]>([
    ["an acknowledgement that goes backwards", acks(1, 0), "count_invalid"],
    ["an acknowledgement of what was never sent", acks(99), "count_invalid"],
    ["an acknowledgement as large as can be", acks(Number.MAX_SAFE_INTEGER), "count_invalid"],
    ["credit that overflows at once", [credit(0xffff_ffff, 1)], "credit_overflow"],
    ["credit that overflows in bytes", [credit(1, 0xffff_ffff)], "credit_overflow"],
    ["credit that overflows bit by bit", [credit(0x4000_0000, 1), credit(0x4000_0000, 1)], "credit_overflow"],
  ])("%s: the link is closed, and the owner resumes", async (_what, frames, reason) => {
    await using it = await scene(link());
    const { peer, welcome } = await owner(it);
    const { session, secret } = welcome;
    peer.say(...frames);
    await it.until(() => has(peer, "goaway"));
    expect(farewell(peer)).toMatchObject({ reason, code: Code.InvalidArgument });
    await it.until(() => peer.closed);
    const counted = frames.filter(({ kind }) => kind === "credit").length;
    const again = await it.peer();
    again.say(hello({ session, secret, credential: "ann", received: 1 }));
    await it.until(() => has(again, "welcome"));
    expect(welcomeOf(again)).toMatchObject({ resumed: true, received: 2 + counted });
    await answered(it, again, { received: 1, from: 2 + counted });
  });

  it("a flood of resumes with wrong secrets: each is refused, and nothing is left of it", async () => {
    await using it = await scene(link(), { helloMs: 60_000 }); // for the flood takes long on a busy machine
    const { peer, welcome } = await owner(it);
    const { session } = welcome;
    const { timers } = it;
    for (let round = 0; round < 10; round++) {
      const flood = await Promise.all(Array.from({ length: 20 }, () => it.peer()));
      for (const each of flood) each.say(hello({ session, secret: new Uint8Array(32), credential: "ann" }));
      await it.until(() => flood.every((each) => each.closed));
      expect(new Set(flood.map((each) => farewell(each).reason))).toEqual(new Set(["resume_refused"]));
    }
    expect(it.asked).toEqual(["open ann"]);
    expect(it.sessions).toBe(1);
    expect(it.timers).toBeLessThanOrEqual(timers + 1);
    // And the owner has still all that he is allowed.
    const next = await it.peer();
    next.say(hello({ session, secret: welcome.secret, credential: "ann", received: 1 }));
    await it.until(() => has(next, "welcome"));
    await answered(it, peer);
  });

  it("a flood of resumes with the right secret: a few, then none for a while, and the link in use stays", async () => {
    await using it = await scene(link());
    const { peer, welcome } = await owner(it);
    const { session, secret } = welcome;
    const flood: RawPeer[] = [];
    for (let count = 0; count < 60; count++) {
      const each = await it.peer();
      each.say(hello({ session, secret, credential: "ann", received: 1 }));
      flood.push(each);
    }
    await it.until(() => flood.every((each) => has(each, "welcome") || has(each, "goaway")));
    const refusals = flood.filter((each) => !has(each, "welcome"));
    expect(refusals.length).toBeGreaterThan(10);
    for (const each of refusals) {
      expect(farewell(each)).toMatchObject({ reason: "too_many_resumes", code: Code.ResourceExhausted });
      expect(farewell(each).retryAfterMs).toBeGreaterThan(0);
    }
    // Of the others, some stand by; those before have been closed.
    expect(flood.length - refusals.length).toBeGreaterThan(8);
    await it.until(() => flood.filter((each) => !each.closed).length <= 8);
    await answered(it, peer);
    expect(it.sessions).toBe(1);
  });

  it("an idempotency key that comes again with another request: that call is refused, the session goes on", async () => {
    await using it = await scene(link());
    const { peer } = await owner(it);
    const end = (call: number): Extract<Frame, { kind: "end" }> | undefined =>
      peer.frames.find((frame) => frame.kind === "end" && frame.call === call) as never;
    peer.say(open(2, ADD, { payload: Uint8Array.of(0x08, 1, 0x10, 2), idempotencyKey: "k" }));
    await it.until(() => end(2) !== undefined);
    peer.say(open(3, ADD, { payload: Uint8Array.of(0x08, 1, 0x10, 3), idempotencyKey: "k" }));
    peer.say(open(4, ADD, { payload: Uint8Array.of(0x08, 1, 0x10, 2), idempotencyKey: "k" }));
    await it.until(() => end(3) !== undefined && end(4) !== undefined);
    const error = errorOf(end(3)!.status!);
    expect([reasonOf(error), error.code]).toEqual(["idempotency_key_reused", Code.InvalidArgument]);
    expect(end(4)).toMatchObject({ status: undefined, payload: Uint8Array.of(0x08, 3) });
    await answered(it, peer);
  });
});

it("a flood of sessions that are left at once: no more wait for a resume than is allowed, and the newest do", async () => {
  await using it = await scene(memoryTransport(), { detachedSessions: 5, sessionsPerPrincipal: 1_000 });
  const left: WelcomeFrame[] = [];
  for (let count = 0; count < 50; count++) {
    const { peer, welcome } = await owner(it);
    left.push(welcome);
    peer.link.close();
    await it.until(() => peer.closed);
  }
  await it.until(() => it.sessions <= 5);
  const { session, secret } = left.at(-1)!;
  const back = await it.peer();
  back.say(hello({ session, secret, credential: "ann", received: 0 }));
  await it.until(() => has(back, "welcome"));
  const gone = left[0]!;
  expect(
    await refused(it, hello({ session: gone.session, secret: gone.secret, credential: "ann", received: 0 })),
  ).toMatchObject({ reason: "resume_impossible", code: Code.NotFound });
});

function acks(...counts: number[]): Frame[] {
  return counts.map((received) => ({ kind: "ack", received, from: undefined }));
}
function credit(messages: number, bytes: number): Frame {
  return { kind: "credit", call: 1, messages, bytes };
}
