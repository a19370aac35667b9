// Timeout, retry, hedging, circuit breaker and attempt timeout together: one order, whatever the list says, and what follows from it.
import { fail, reasonOf, type Plugin } from "@raceway/core";
import { orderPlugins } from "@raceway/core/internal";
import { circuitBreaker } from "@raceway/middleware/circuit-breaker";
import { hedging } from "@raceway/middleware/hedging";
import { retry } from "@raceway/middleware/retry";
import { attemptTimeout, timeout } from "@raceway/middleware/timeout";
import { virtualClock } from "@raceway/testkit";
import fc from "fast-check";
import { expect, it } from "vitest";
import { lab } from "../app/lab.ts";
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
