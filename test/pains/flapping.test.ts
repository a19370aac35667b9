// Rows 5 and 14 of what went wrong elsewhere: fallback that flaps for ever (Phoenix #6766), swallowed upgrades (Socket.IO #1277, #2751), and
// a backoff that is reset by every socket that opens (turbomcp, 7,657 connects in 2 s).
import { type ConnectOptions, type Connection, connect } from "@raceway/client";
import { type ClientTransport, type Link, fail, memoryTransport, resolveLimits } from "@raceway/core";
import {
  type HelloFrame,
  type WelcomeFrame,
  type WireStatus,
  encodeFrame,
  readBatch,
  statusOf,
} from "@raceway/core/internal";
import { type Raceway, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";

/** What the proxy on the way of the best transport does: a number is how long it lets a link live, in milliseconds. */
type Mood = "passes" | "refuses" | "hangs" | number;

interface Way extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly connection: Connection;
  readonly client: LabClient;
  readonly app: Raceway;
  mood: Mood;
  /** Times at which links of the best transport were asked for. */
  readonly asked: number[];
  /** Times at which the connection was without a link. */
  readonly apart: number[];
  cutBest(): Promise<void>;
  cutSecond(): Promise<void>;
}

async function proxied(options: Partial<ConnectOptions> = {}): Promise<Way> {
  const clock = virtualClock();
  const best = memoryTransport({ transport: "best" });
  const second = memoryTransport({ transport: "second" });
  const app = raceway({ transports: [best.server, second.server], clock });
  app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const proxy: ClientTransport = {
    ...best.client,
    start(host) {
      const started = best.client.start(host);
      return {
        async open(endpoint, opened, signal) {
          it.asked.push(clock.now());
          const { mood } = it;
          if (mood === "refuses") throw fail("transport_failed", { transport: "best", detail: "refused" });
          if (mood === "hangs")
            return new Promise((_, reject) =>
              signal.addEventListener("abort", () =>
                reject(fail("transport_failed", { transport: "best", detail: "called off" })),
              ),
            );
          let link: Link | undefined;
          await started.open(endpoint, (made) => opened((link = made)), signal);
          if (typeof mood === "number")
            clock.after(mood, () =>
              link?.close(fail("link_closed", { transport: "best", detail: "cut by the proxy" })),
            );
        },
      };
    },
  };
  const connection = connect("http://lab", {
    transports: [proxy, second.client],
    clock,
    probeMs: 0,
    ...options,
  });
  const cut = async (link: { cut(): void }): Promise<void> => {
    link.cut();
    await clock.settle();
    expect(connection.state.current.transport).toBeUndefined();
  };
  const it: Way = {
    clock,
    connection,
    client: labClient(connection),
    app,
    mood: "passes",
    asked: [],
    apart: [],
    cutBest: () => cut(best),
    cutSecond: () => cut(second),
    async [Symbol.asyncDispose]() {
      await connection.close();
      await app.close(0);
    },
  };
  let before: string | undefined;
  connection.state.subscribe(({ transport }) => {
    if (transport === undefined && before !== undefined) it.apart.push(clock.now());
    before = transport;
  });
  await it.client.echo({ text: "x" });
  return it;
}

async function until(it: Way, holds: () => boolean, atMostMs: number): Promise<number> {
  const from = it.clock.now();
  while (!holds()) {
    if (it.clock.now() - from > atMostMs) throw new Error(`Not within ${atMostMs} ms.`);
    await it.clock.advance(10);
  }
  return it.clock.now() - from;
}
const isOn = (it: Way, transport: string) => (): boolean =>
  it.connection.state.current.status === "open" && it.connection.state.current.transport === transport;

describe("Phoenix #6766, Socket.IO #1277: a proxy turns against the best transport", () => {
  it.each(["refuses", "hangs", 0, 200] as const)("%s: another is in use within a second", async (mood) => {
    await using it = await proxied();
    await it.clock.advance(20_000);
    it.mood = mood;
    await it.cutBest();
    expect(await until(it, isOn(it, "second"), 1_000)).toBeLessThanOrEqual(1_000);
    expect((await it.client.echo({ text: "on" })).text).toBe("on");
    await it.clock.advance(60_000);
    expect(it.connection.state.current.transport).toBe("second");
  });

  it("cuts after two seconds, too: the cut before says nothing, after this one another is in use within a second", async () => {
    await using it = await proxied();
    await it.clock.advance(20_000);
    it.mood = 2_000;
    await it.cutBest();
    await until(it, isOn(it, "best"), 500);
    const cuts = it.apart.length; // counted, for it may be back within the ten milliseconds between two looks
    await until(it, () => it.apart.length > cuts, 2_500);
    expect(await until(it, isOn(it, "second"), 1_000)).toBeLessThanOrEqual(1_000);
    await it.clock.advance(60_000);
    expect(it.connection.state.current.transport).toBe("second");
  });

  it.each([0, 200, 2_000])(
    "cuts after %i ms, for an hour of looks at it: at most nine pauses, and fewer and fewer",
    async (mood) => {
      await using it = await proxied({ probeMs: 30_000 });
      it.mood = mood;
      await it.cutBest();
      await it.clock.advance(3_600_000);
      expect(it.connection.state.current).toMatchObject({ status: "open", transport: "second" });
      expect(it.apart.length).toBeLessThanOrEqual(9);
      const last = it.apart.filter((at) => at > 1_800_000);
      expect(last.length).toBeLessThanOrEqual(2);
    },
  );
});

it("one cut of a young link costs nothing: the same transport is taken again", async () => {
  await using it = await proxied();
  await it.cutBest();
  expect(await until(it, isOn(it, "best"), 500)).toBeLessThanOrEqual(500);
  await it.clock.advance(10_000);
  await it.cutBest();
  expect(await until(it, isOn(it, "best"), 500)).toBeLessThanOrEqual(500);
});

it("what flapped is forgiven: the best transport comes back when it works, and then one cut costs nothing again", async () => {
  await using it = await proxied({ probeMs: 30_000 });
  it.mood = 100;
  await it.cutBest();
  await until(it, isOn(it, "second"), 2_000);
  it.mood = "passes";
  await until(it, isOn(it, "best"), 200_000);
  await it.clock.advance(900_000);
  expect(isOn(it, "best")()).toBe(true);
  await it.cutBest();
  await until(it, isOn(it, "best"), 500);
});

it("Socket.IO #2751: a look at the better transport that is swallowed disturbs nobody", async () => {
  await using it = await proxied({ probeMs: 30_000 });
  it.mood = "refuses";
  await it.cutBest();
  await until(it, isOn(it, "second"), 1_000);
  it.mood = "hangs";
  await until(it, () => it.connection.state.current.status === "switching", 40_000);
  for (let call = 0; call < 20; call++) {
    expect((await it.client.echo({ text: String(call) })).text).toBe(String(call));
    await it.clock.advance(400);
  }
  expect(it.connection.state.current.transport).toBe("second");
  await it.cutSecond(); // and the link that is in use may die meanwhile
  await until(it, isOn(it, "second"), 1_000);
  await until(it, () => it.connection.state.current.status === "open", 15_000);
  expect(it.connection.state.current.transport).toBe("second");
});

describe("turbomcp PR 24: a server that accepts and closes", () => {
  /** Accepts each link; `answer` says what it says to a Hello before it closes the link, after `afterMs`. */
  async function storm(
    answer: (session: number, resumes: boolean) => Uint8Array[],
    afterMs: number,
    forMs: number,
  ): Promise<number> {
    const clock = virtualClock();
    let opened = 0;
    const link = memoryTransport();
    const routes = await link.server.start({
      side: "server",
      clock,
      random: { next: () => 0.5, bytes: (length) => new Uint8Array(length) },
      log: { debug() {}, info() {}, warn() {}, error() {} },
      store: undefined as never,
      draining: new AbortController().signal,
      path: "/raceway/memory",
      maxBatchBytes: 1_000_000,
      allowsOrigin: () => true,
      native: { register() {} },
      opened(made) {
        const session = ++opened;
        return {
          batch(bytes) {
            let hello: HelloFrame | undefined;
            readBatch(bytes, resolveLimits(), (frame) => {
              if (frame.kind === "hello") hello = frame;
            });
            if (hello === undefined) return;
            made.send(answer(session, hello.session.length > 0));
            clock.after(afterMs, () => made.close());
          },
          drain() {},
          closed() {},
        };
      },
    });
    let seed = 1;
    const connection = connect("http://lab", {
      transports: [link.client],
      clock,
      random: {
        next: () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647,
        bytes: (length) => new Uint8Array(length),
      },
    });
    await clock.advance(forMs);
    await connection.close();
    await routes[Symbol.asyncDispose]?.();
    return opened;
  }
  const welcomeFrame: WelcomeFrame = {
    kind: "welcome",
    version: 1,
    codec: "proto",
    session: new Uint8Array(16).fill(1),
    secret: new Uint8Array(32).fill(7),
    received: 0,
    resumed: false,
    window: { messages: 10, bytes: 10_000 },
    heartbeatMs: 25_000,
    silenceMs: 35_000,
    resumeMs: 60_000,
    maxMessageBytes: 1_000_000,
    transports: ["memory"],
    maxBatchBytes: 1_000_000,
    maxAgeMs: 0,
    node: "",
    credentialMs: 0,
  };
  const goaway = (status: WireStatus, retryAfterMs: number): Uint8Array =>
    encodeFrame({ kind: "goaway", status, retryAfterMs, endpoints: [], final: true });
  /** Each session is a new one. */
  const welcome = (session: number, resumes: boolean): Uint8Array[] => [
    resumes
      ? goaway(statusOf(fail("resume_impossible")), 0)
      : encodeFrame({ ...welcomeFrame, session: new Uint8Array(16).fill(session) }),
  ];
  /** The session goes on, and nothing is ever said in it. */
  const idle = (_: number, resumes: boolean): Uint8Array[] => [encodeFrame({ ...welcomeFrame, resumed: resumes })];
  const tenMinutes = 600_000;

  it("without a word", async () => {
    expect(await storm(() => [], 0, tenMinutes)).toBeLessThan(100);
  });
  it("after a Welcome to a new session each time", async () => {
    expect(await storm(welcome, 0, tenMinutes)).toBeLessThan(140); // each time it is asked to resume first
  });
  it("after a Welcome and eleven seconds in which nothing useful came", async () => {
    expect(await storm(welcome, 11_000, tenMinutes)).toBeLessThan(80);
  });
  it("after a Welcome to the session that was", async () => {
    expect(await storm(idle, 50, tenMinutes)).toBeLessThan(80);
  });
  it("and with a wish for how long to stay away, which is granted", async () => {
    const draining = goaway({ code: 14, message: "not now", details: [] }, 20_000);
    const asked = await storm(() => [draining], 0, tenMinutes);
    expect(asked).toBeGreaterThan(10);
    expect(asked).toBeLessThanOrEqual(30);
  });
  it("but not for ever", async () => {
    const never = goaway({ code: 14, message: "not now", details: [] }, 4_000_000_000);
    expect(await storm(() => [never], 0, 1_000_000)).toBeGreaterThan(2);
  });
});

describe("the backoff", () => {
  /** The longest wait before the next attempt, over 40 links that each live so long. */
  async function longestWait(livesMs: number, useful: boolean): Promise<number> {
    const clock = virtualClock();
    const link = memoryTransport();
    await using app = raceway({ transports: [link.server], clock });
    app.serve(labService, handlers([], clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    await using connection = connect("http://lab", { transports: [link.client], clock });
    let longest = 0;
    connection.state.subscribe(({ nextAttemptAt }) => {
      if (nextAttemptAt !== undefined) longest = Math.max(longest, nextAttemptAt - clock.wallNow());
    });
    for (let cut = 0; cut < 40; cut++) {
      while (connection.state.current.status !== "open") await clock.advance(250);
      if (useful) await labClient(connection).echo({ text: "useful" });
      await clock.advance(livesMs);
      link.cut();
      await clock.settle();
    }
    return longest;
  }
  it("starts anew after a link that carried something and lived for ten seconds", async () => {
    expect(await longestWait(11_000, true)).toBeLessThanOrEqual(200);
  });
  it("grows while links die sooner", async () => {
    expect(await longestWait(2_000, true)).toBeGreaterThan(5_000);
  });
  it("grows while links carry nothing", async () => {
    expect(await longestWait(11_000, false)).toBeGreaterThan(5_000);
  });
  it("starts anew after a link that lived for long, though there was nothing to carry", async () => {
    expect(await longestWait(310_000, false)).toBeLessThanOrEqual(200);
  });
});
