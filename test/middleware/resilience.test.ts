// Timeout, retry, hedging, circuit breaker and attempt timeout together: one order, whatever the list says, and what follows from it.
import { Code, ConnectError } from "@connectrpc/connect";
import { fail, reasonOf, type Plugin } from "@raceway/core";
import { orderPlugins } from "@raceway/core/internal";
import { circuitBreaker } from "@raceway/middleware/circuit-breaker";
import { hedging } from "@raceway/middleware/hedging";
import { retry } from "@raceway/middleware/retry";
import { attemptTimeout, timeout } from "@raceway/middleware/timeout";
import { virtualClock } from "@raceway/testkit";
import fc from "fast-check";
import { expect, it } from "vitest";
import { lab, take } from "../app/lab.ts";
import { outcome } from "./stage.ts";
import { middle, troubles } from "./trouble.ts";

const order = ["timeout", "retry", "hedging", "circuit-breaker", "attempt-timeout"];
const all = (): Plugin[] => [timeout(), retry(), hedging(), circuitBreaker(), attemptTimeout()];

it("they run in one order, however they are listed", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(all()), (listed) => {
      const names = orderPlugins(listed).map(({ name }) => name);
      expect(names).toEqual(order.filter((name) => names.includes(name)));
      expect(names).toHaveLength(listed.length);
    }),
  );
});

it("an attempt that takes too long is a failure to the breaker, and the next attempt comes at once or later", async () => {
  const clock = virtualClock();
  const server = troubles(clock);
  const breaker = circuitBreaker({ leastCalls: 3 });
  await using it = await lab({
    server: { use: [server.plugin], clock },
    client: {
      use: [attemptTimeout({ attemptMs: 100 }), breaker, retry({ codes: ["deadline_exceeded"], firstMs: 0 })],
      random: middle,
      clock,
    },
  });
  server.always("Peek", 5_000);
  const call = outcome(it.client.peek({}));
  await clock.advance(300);
  expect(reasonOf(await call)).toBe("call_deadline");
  expect(server.came).toHaveLength(3);
  expect(breaker.circuits).toMatchObject([{ state: "open", calls: 3, failures: 3 }]);
});

it("the whole call has its limit, however many attempts are left", async () => {
  const clock = virtualClock();
  const server = troubles(clock);
  await using it = await lab({
    server: { use: [server.plugin], clock },
    client: {
      use: [retry({ attempts: 20, firstMs: 200, capMs: 200 }), timeout({ ms: 350 })],
      random: middle,
      clock,
    },
  });
  server.always("Peek", fail("draining", {}));
  const call = outcome(it.client.peek({}));
  await clock.advance(350);
  expect(reasonOf(await call)).toBe("call_deadline");
  expect(server.came).toHaveLength(4); // at 0, 100, 200, 300
  await clock.advance(5_000);
  expect(server.came).toHaveLength(4);
});

it("what an open circuit refuses is made again when it lets calls through, if that is soon enough", async () => {
  const clock = virtualClock();
  const server = troubles(clock);
  await using it = await lab({
    server: { use: [server.plugin], clock },
    client: {
      use: [retry({ firstMs: 0 }), circuitBreaker({ leastCalls: 1, openMs: 1_000 })],
      random: middle,
      clock,
    },
  });
  server.next("Peek", fail("draining", {}));
  const call = outcome(it.client.peek({}));
  await clock.advance(1_099);
  expect(server.came).toHaveLength(1);
  await clock.advance(1);
  expect(await call).toBe("ok");
  expect(server.came).toHaveLength(2);
});

it("a hedge that the breaker refuses leaves the first attempt alone", async () => {
  const clock = virtualClock();
  const server = troubles(clock);
  await using it = await lab({
    server: { use: [server.plugin], clock },
    client: {
      use: [hedging({ afterMs: 100 }), circuitBreaker({ leastCalls: 1, openMs: 60_000 })],
      random: middle,
      clock,
    },
  });
  server.next("Peek", 500, fail("draining", {}));
  const slow = outcome(it.client.peek({}));
  await clock.settle();
  expect(reasonOf(await outcome(it.client.peek({})))).toBe("draining"); // opens the circuit
  await clock.advance(500);
  expect(await slow).toBe("ok");
  expect(server.came).toHaveLength(2);
});

it("a channel that none of them is for has no interceptor at all", async () => {
  const host = {
    side: "client" as const,
    clock: virtualClock(),
    random: middle,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    store: {} as never,
    draining: new AbortController().signal,
  };
  const { LabService } = await import("../gen/lab/v1/lab_pb.ts");
  const info = (
    desc: (typeof LabService.method)[keyof typeof LabService.method],
    kind: "call" | "signal" | "topic",
  ) => ({
    path: `/lab.v1.LabService/${desc.name}`,
    service: LabService,
    desc,
    contract: { kind },
    policy: undefined,
    gated: false,
  });
  const asked = async (plugin: Plugin, kind: "signal" | "topic"): Promise<unknown> =>
    (await plugin.start(host)).call?.(
      info(kind === "signal" ? LabService.method.cursor : LabService.method.ticks, kind),
    );
  for (const plugin of [retry(), hedging(), circuitBreaker(), attemptTimeout()])
    for (const kind of ["signal", "topic"] as const) expect(await asked(plugin, kind)).toBeUndefined();
});

/** What may happen in a run: calls that come to something after a while, and what goes wrong meanwhile. */
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("call" as const),
        method: fc.constantFrom("peek" as const, "add" as const, "echo" as const, "count" as const),
        /** What comes of its attempts, in order: an error, or milliseconds. */
        troubles: fc.array(
          fc.oneof(
            fc.constantFrom(0, 30, 300, 3_000),
            fc.constantFrom(Code.Unavailable, Code.Internal, Code.NotFound).map((code) => new ConnectError("no", code)),
            fc.constant(fail("too_many_calls", { count: 1, limit: 1, retryAfterMs: 50 })),
          ),
          { maxLength: 3 },
        ),
        leavesAfterMs: fc.option(fc.constantFrom(0, 20, 200), { nil: undefined, freq: 4 }),
        timeoutMs: fc.option(fc.constantFrom(25, 250), { nil: undefined, freq: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1, 50, 700) }) },
  ),
  { minLength: 5, maxLength: 25 },
);

it(
  "whatever happens, each call ends, none that may have effects is made twice, and nothing is left behind",
  { timeout: 120_000 },
  async () => {
    const rules = (): Plugin[] => [
      circuitBreaker({ leastCalls: 3, openMs: 200, windowMs: 2_000 }),
      hedging({ afterMs: 40, percentile: 0, attempts: 3, budget: 100 }),
      timeout({ ms: 1_000, channels: { "lab.v1.LabService/Count": 1_500 } }),
      retry({ firstMs: 20, budget: 100, patienceMs: 1_000 }),
      attemptTimeout({ attemptMs: 150, channels: { "lab.v1.LabService/Count": 150 } }),
    ];
    await fc.assert(
      fc.asyncProperty(steps, fc.shuffledSubarray([0, 1, 2, 3, 4]), async (run, chosen) => {
        const clock = virtualClock();
        const server = troubles(clock);
        const listed = rules();
        await using it = await lab({
          server: { use: [server.plugin], clock },
          client: { use: chosen.map((at) => listed[at]), random: middle, clock },
        });
        await it.client.peek({}); // connected
        await clock.advance(5_000);
        const { timers } = clock;
        const names = { peek: "Peek", add: "Add", echo: "Echo", count: "Count" } as const;
        const ends: Promise<unknown>[] = [];
        const before = server.came.length;
        let echoes = 0;
        for (const step of run) {
          if (step.kind === "cut") it.memory.cut();
          else if (step.kind === "wait") await clock.advance(step.ms);
          else {
            const { method, timeoutMs, leavesAfterMs } = step;
            server.next(names[method], ...step.troubles);
            const leave = new AbortController();
            const options = { signal: leave.signal, ...(timeoutMs !== undefined && { timeoutMs }) };
            if (method === "echo") echoes++;
            ends.push(
              outcome(
                method === "count"
                  ? take(it.client.count({ from: 1, to: 2 }, options), 3)
                  : it.client[method]({}, options),
              ),
            );
            if (leavesAfterMs !== undefined) clock.after(leavesAfterMs, () => leave.abort());
          }
        }
        let areOver = false;
        const results = Promise.all(ends).finally(() => (areOver = true));
        while (!areOver) await clock.advance(5);
        for (const end of await results) if (end !== "ok") expect(end).toBeInstanceOf(ConnectError);
        await clock.settle();
        const came = server.came.length;
        await clock.advance(60_000);
        // What was on its way when a link died comes to the server with the next one.
        if (run.every(({ kind }) => kind !== "cut")) expect(server.came).toHaveLength(came);
        expect(server.came.slice(before).filter((name) => name === "Echo").length).toBeLessThanOrEqual(echoes);
        expect(clock.timers).toBe(timers);
      }),
      { numRuns: 60 },
    );
  },
);
