// Headers that are made for each attempt of a call, and may take their time: order, links that die meanwhile, calls that are given up.
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { type Plugin, attemptHeaders, definePlugin, memoryTransport, reasonOf } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { outcome } from "../middleware/stage.ts";
import { from, handlers, take } from "./lab.ts";

interface Yard extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly client: LabClient;
  /** Attempts that asked for headers. */
  readonly asked: string[];
  /** What the server saw of them. */
  readonly seen: (string | null)[];
  readonly calls: string[];
  cut(): void;
  serve(): Promise<void>;
}

/** A client whose attempts are numbered by a header, which takes a while to make; its server is not there at first. */
function yard(
  options: { readonly tookMs?: number; readonly resumeMs?: number; readonly fails?: () => boolean } = {},
): Yard {
  const { tookMs = 0, resumeMs = 60_000, fails = () => false } = options;
  const clock = virtualClock();
  const memory = memoryTransport();
  const asked: string[] = [];
  const seen: (string | null)[] = [];
  const calls: string[] = [];
  const numbered: Plugin = definePlugin({
    name: "numbered",
    start: () => ({
      call: () => (next) => (request) => {
        request.contextValues.set(attemptHeaders, ({ idempotencyKey }) => {
          asked.push(idempotencyKey);
          const headers = { "x-attempt": String(asked.length) };
          if (tookMs === 0) return headers;
          return new Promise((resolve, reject) =>
            clock.after(tookMs, () =>
              fails() ? reject(new ConnectError("no headers today", Code.Internal)) : resolve(headers),
            ),
          );
        });
        return next(request);
      },
    }),
  });
  const watching: Plugin = definePlugin({
    name: "watching",
    start: () => ({
      call: () => (next) => (request) => {
        seen.push(request.header.get("x-attempt"));
        return next(request);
      },
    }),
  });
  const connection = connect("http://lab", {
    transports: [memory.client],
    clock,
    probeMs: 0,
    use: [numbered],
    limits: { calls: 20 },
  });
  let app: Raceway | undefined;
  return {
    clock,
    client: labClient(connection),
    asked,
    seen,
    calls,
    cut: memory.cut,
    async serve() {
      app = raceway({ transports: [memory.server], clock, use: [watching], limits: { calls: 20, resumeMs } });
      app.serve(labService, {
        ...handlers(calls, clock),
        async add({ a, b }) {
          calls.push(`add ${a} ${b}`);
          await new Promise<void>((resolve) => clock.after(500, resolve)); // long enough to lose its session
          return { sum: a + b };
        },
      });
      await app.listen({ port: 0, host: "127.0.0.1" });
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
      const closing = app?.close(0);
      await clock.advance(100);
      await closing;
    },
  };
}

describe.each([0, 7])("headers that take %i ms", (tookMs) => {
  it("go with each call, and calls that waited for a link leave in their order, in lots that the server takes", async () => {
    await using it = yard({ tookMs });
    const answers = Promise.all(
      Array.from({ length: 100 }, (_, at) => outcome(it.client.echo({ text: String(at), delayMs: 5 }))),
    );
    await it.clock.advance(60_000);
    expect(it.asked).toEqual([]); // made when they leave, and not before
    await it.serve();
    await it.clock.advance(60_000);
    expect(new Set(await answers)).toEqual(new Set(["ok"]));
    expect(it.calls.filter((call) => call.startsWith("echo"))).toEqual(
      Array.from({ length: 100 }, (_, at) => `echo ${at}`),
    );
    expect(it.seen).toEqual(Array.from({ length: 100 }, (_, at) => String(at + 1)));
  });

  it("are made anew when a session is lost with a call, under the same key", async () => {
    await using it = yard({ tookMs, resumeMs: 0 });
    await it.serve();
    await it.clock.advance(1_000);
    const answer = outcome(it.client.add({ a: 1, b: 2 }));
    await it.clock.advance(tookMs);
    it.cut();
    await it.clock.advance(30_000);
    expect(await answer).toBe("ok");
    expect(it.asked.length).toBeGreaterThan(1);
    expect(new Set(it.asked).size).toBe(1);
    expect(it.calls).toEqual(["add 1 2"]);
  });

  it("go with streams, feeds and empty streams", async () => {
    await using it = yard({ tookMs });
    const waiting = [
      outcome(it.client.sum(from([{ value: 1 }, { value: 2 }]))),
      outcome(it.client.sum(from([]))),
      outcome(take(it.client.count({ from: 1, to: 3 }), 3)),
      outcome(take(it.client.chat(from([{ text: "a" }])), 1)),
    ];
    await it.clock.advance(5_000);
    await it.serve();
    await it.clock.advance(60_000);
    expect(await Promise.all(waiting)).toEqual(["ok", "ok", "ok", "ok"]);
    expect(it.seen).toHaveLength(4);
    expect(it.seen).not.toContain(null);
  });
});

describe("while headers are made", () => {
  it("a link may die: they are made again for the next", async () => {
    await using it = yard({ tookMs: 50, resumeMs: 0 });
    await it.serve();
    await it.clock.advance(1_000);
    const answer = outcome(it.client.echo({ text: "x" })); // not idempotent, and never sent twice
    await it.clock.settle();
    expect(it.asked).toHaveLength(1);
    it.cut();
    await it.clock.advance(30_000);
    expect(await answer).toBe("ok");
    expect(it.asked).toHaveLength(2);
    expect(it.seen).toEqual(["2"]);
  });

  it("a call may be given up, and is never sent", async () => {
    await using it = yard({ tookMs: 50 });
    await it.serve();
    await it.clock.advance(1_000);
    const abort = new AbortController();
    const aborted = outcome(it.client.echo({ text: "x" }, { signal: abort.signal }));
    const late = outcome(it.client.echo({ text: "y" }, { timeoutMs: 20 }));
    await it.clock.settle();
    abort.abort();
    await it.clock.advance(30_000);
    expect(reasonOf(await aborted)).toBe("call_cancelled");
    expect(reasonOf(await late)).toBe("call_deadline");
    expect(it.seen).toEqual([]);
  });

  it("something may go wrong: that call ends with it, and no other", async () => {
    let fails = true;
    await using it = yard({ tookMs: 5, fails: () => fails });
    await it.serve();
    await it.clock.advance(1_000);
    const bad = outcome(it.client.echo({ text: "x" }));
    await it.clock.advance(5);
    fails = false;
    const good = outcome(it.client.echo({ text: "y" }));
    await it.clock.advance(1_000);
    expect(String(await bad)).toContain("no headers today");
    expect(await good).toBe("ok");
    expect(it.calls.filter((call) => call.startsWith("echo"))).toEqual(["echo y"]);
  });
});
