// What is measured, by every way in, and that no client can make the number of series grow.
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { type Plugin, definePlugin, fail } from "@raceway/core";
import { rateLimit } from "@raceway/middleware/rate-limit";
import { telemetry as clientTelemetry } from "@raceway/telemetry/client";
import { telemetry } from "@raceway/telemetry/server";
import { describe, expect, it } from "vitest";
import { from, lab, take } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { first, names, outcome, stage, wayNames } from "../middleware/stage.ts";
import { sight } from "./sight.ts";

/** Calls with the text "name code" fail in that way; what a handler says is made up anew each time. */
const moody: Plugin = definePlugin({
  name: "moody",
  start: () => ({
    call: () => (next) => async (request) => {
      const { text = "" } = request.message as unknown as { text?: string };
      if (text === "busy") throw fail("too_many_calls", { count: 1, limit: 1, retryAfterMs: 1 });
      if (text !== "") throw new ConnectError(`no ${text}`, Code.NotFound);
      return next(request);
    },
  }),
});

describe.each(wayNames)("by %s", (way) => {
  const isDoor = way.endsWith("door");
  const system = !isDoor ? "raceway" : way === "Connect door" ? "connectrpc" : "grpc";
  const transport = isDoor ? "native" : way;

  it("calls are counted by what they came to, and none runs in the end", async () => {
    const seen = sight();
    await using it = await stage({ use: [telemetry(seen.options), names, moody] });
    const client = it.client(way, "ann");
    await Promise.all([client.echo({}), client.echo({}), outcome(client.echo({ text: "tea" }))]);
    await outcome(client.echo({ text: "busy" }));
    await take(client.count({ from: 1, to: 3 }), 4);
    await client.sum(from([{ value: 1 }, { value: 2 }]));
    const labels = (method: string): string =>
      `raceway.transport=${transport} rpc.method=lab.v1.LabService/${method} rpc.status_code`;
    await expect
      .poll(() => seen.metric("rpc.server.call.duration"))
      .toEqual({
        [`${labels("Echo")}=ok rpc.system.name=${system}`]: 2,
        [`${labels("Echo")}=not_found rpc.system.name=${system}`]: 1,
        [`${labels("Echo")}=resource_exhausted rpc.system.name=${system}`]: 1,
        [`${labels("Count")}=ok rpc.system.name=${system}`]: 1,
        [`${labels("Sum")}=ok rpc.system.name=${system}`]: 1,
      });
    expect(Object.values(await seen.metric("raceway.server.calls.active"))).toEqual([0, 0, 0]);
    const messages = (method: string, direction: string): string =>
      `network.io.direction=${direction} raceway.transport=${transport} rpc.method=lab.v1.LabService/${method} rpc.system.name=${system}`;
    expect(await seen.metric("raceway.server.messages")).toEqual({
      [messages("Count", "receive")]: 1,
      [messages("Count", "transmit")]: 3,
      [messages("Sum", "receive")]: 2,
      [messages("Sum", "transmit")]: 1,
    });
    expect(await seen.metric("raceway.server.refusals")).toEqual({
      [`raceway.reason=too_many_calls raceway.refused=call raceway.transport=${transport} rpc.status_code=resource_exhausted`]: 1,
    });
  });

  it("subscriptions are counted as long as they last; what a gate refuses is a refusal", async () => {
    const seen = sight();
    await using it = await stage({ use: [telemetry(seen.options), names, rateLimit({ perSecond: 0.001, burst: 1 })] });
    const abort = new AbortController();
    const client = it.client(way, "ann");
    const reading = outcome(take(client.ticks({ board: "tea" }, { signal: abort.signal }), 2));
    const active = async (): Promise<number[]> =>
      Object.values(await seen.metric("raceway.server.subscriptions.active"));
    await expect.poll(active).toEqual([1]);
    expect(await outcome(take(client.ticks({ board: "tea" }), 1))).toMatchObject({ code: Code.ResourceExhausted });
    await expect
      .poll(() => seen.metric("raceway.server.refusals"))
      .toEqual({
        [`raceway.reason=rate_limited raceway.refused=subscription raceway.transport=${transport} rpc.status_code=resource_exhausted`]: 1,
      });
    abort.abort();
    await reading;
    await expect.poll(active).toEqual([0]);
    const spans = (): unknown[] =>
      seen.spans.flatMap(({ name, attributes }) =>
        name.startsWith("subscribe") ? [attributes["raceway.reason"]] : [],
      );
    await expect.poll(spans).toHaveLength(2);
    if (!isDoor) expect(spans()).toEqual(["rate_limited", undefined]);
  });

  it("links, sessions and what goes over them", async () => {
    const seen = sight();
    const it = await stage({ use: [telemetry(seen.options)] });
    await it.client(way).echo({ data: new Uint8Array(10_000) });
    const sessions = (): Promise<unknown> => seen.metric("raceway.server.session.events");
    if (isDoor) {
      expect(await sessions()).toEqual({});
      expect(await seen.metric("raceway.server.link.size")).toEqual({});
      return it[Symbol.asyncDispose]();
    }
    expect(await seen.metric("raceway.server.sessions.active")).toEqual({ "": 1 });
    expect(await seen.metric("raceway.server.links.active")).toEqual({ [`raceway.transport=${way}`]: 1 });
    const bytes = Object.entries(await seen.metric("raceway.server.link.size"));
    for (const direction of ["receive", "transmit"]) {
      const [, size] = bytes.find(([key]) => key === `network.io.direction=${direction} raceway.transport=${way}`)!;
      expect(size).toBeGreaterThan(10_000);
      expect(size).toBeLessThan(20_000);
    }
    await it[Symbol.asyncDispose]();
    expect(await sessions()).toEqual({
      [`raceway.event=opened raceway.transport=${way}`]: 1,
      [`raceway.event=ended raceway.transport=${way}`]: 1,
    });
    expect(await seen.metric("raceway.server.sessions.active")).toEqual({ "": 0 });
    expect(await seen.metric("raceway.server.links.active")).toEqual({ [`raceway.transport=${way}`]: 0 });
    expect(Object.values(await seen.metric("raceway.server.link.duration"))).toEqual([1]);
  });

  it("nothing that a client makes up is a new series", async () => {
    const seen = sight();
    const it = await stage({ use: [telemetry(seen.options), names, moody] });
    const round = async (name: string): Promise<void> => {
      const client = it.client(way, `who-${name}`, isDoor ? { "user-agent": name, "x-made-up": name } : {});
      const headers = { "x-made-up": name, traceparent: name, "content-language": name };
      await outcome(client.echo({ text: name, secret: name }, { headers }));
      await outcome(client.echo({}, { headers }));
      const abort = new AbortController();
      let over = false;
      const reading = first(client.ticks({ board: name }, { signal: abort.signal, headers })).then(() => (over = true));
      const published = async (): Promise<boolean> => {
        await it.topics.ticks.publish({ board: name }, { symbol: name });
        return over;
      };
      await expect.poll(published).toBe(true);
      abort.abort();
      await reading;
      const active = async (): Promise<number[]> =>
        Object.values(await seen.metric("raceway.server.subscriptions.active"));
      await expect.poll(active).toEqual([0]);
    };
    await round("first");
    const before = await seen.series();
    for (let count = 0; count < 5; count++) await round(`made-up-${count}`);
    expect(await seen.series()).toBe(before);
    await it[Symbol.asyncDispose]();
  });
});

describe("topics", () => {
  it("publications, and to how many they were handed", async () => {
    const seen = sight();
    await using it = await lab({ server: { use: [telemetry(seen.options)], limits: { messageBytesOut: 100 } } });
    const readers = [1, 2, 3].map(() => take(it.client.ticks({ board: "tea" }), 2));
    await it.clock.settle();
    await Promise.all([1, 2].map((sequence) => it.topics.ticks.publish({ board: "tea" }, { sequence })));
    await Promise.all(readers);
    await outcome(it.topics.ticks.publish({ board: "tea" }, { symbol: "x".repeat(200) }));
    const ticks = "rpc.method=lab.v1.LabService/Ticks";
    expect(await seen.metric("raceway.server.publication.duration")).toEqual({
      [`${ticks} rpc.status_code=ok`]: 2,
      [`${ticks} rpc.status_code=resource_exhausted`]: 1,
    });
    expect(await seen.metric("raceway.server.fan_out.events")).toEqual({ [ticks]: 2 });
    expect(await seen.metric("raceway.server.fan_out.deliveries")).toEqual({ [ticks]: 6 });
    expect((await seen.metric("raceway.server.fan_out.size"))[ticks]).toBeGreaterThan(60);
  });
});

describe("limits that are hit", () => {
  const reasons = async (seen: ReturnType<typeof sight>): Promise<string[]> =>
    Object.keys(await seen.metric("raceway.server.refusals")).map((key) =>
      /raceway\.reason=(\w+) raceway\.refused=(\w+)/.exec(key)!.slice(1).join(" "),
    );

  it("have their reasons: calls, subscriptions, headers, sessions", async () => {
    const seen = sight();
    await using it = await lab({
      server: {
        use: [telemetry(seen.options)],
        limits: { calls: 1, subscriptions: 0, headerBytes: 500, sessionsPerAddress: 1 },
      },
    });
    const slow = it.client.echo({ delayMs: 1_000 });
    await it.clock.settle();
    await outcome(it.client.peek({}));
    await it.clock.advance(1_000);
    await slow;
    await outcome(take(it.client.ticks({ board: "x" }), 1));
    await outcome(it.client.echo({}, { headers: { long: "x".repeat(600) } }));
    const second = outcome(labClient(it.connect()).peek({}));
    await it.clock.settle();
    expect(await reasons(seen)).toEqual([
      "too_many_calls call",
      "too_many_subscriptions subscription",
      "headers_too_large call",
      "too_many_sessions handshake",
    ]);
    void second;
  });

  it("a reason that is none of the catalogue is other", async () => {
    const seen = sight();
    const shut = definePlugin({
      name: "shut",
      start: () => ({
        session({ credential }) {
          const error = new ConnectError("no", Code.PermissionDenied);
          error.details.push({
            type: "google.rpc.ErrorInfo",
            value: new TextEncoder().encode(`\n\u0004${(credential ?? "none").slice(0, 4)}`),
          });
          throw error;
        },
      }),
    });
    await using it = await stage({ use: [telemetry(seen.options), shut] });
    for (const name of ["anna", "bert", "carl"]) await outcome(it.client("Connect door", name).peek({}));
    expect(await reasons(seen)).toEqual(["other handshake"]);
  });
});

it("on a client: calls with all their attempts, by channel and what they came to", async () => {
  const seen = sight();
  await using it = await lab({ server: { use: [moody] }, client: { use: [clientTelemetry(seen.options)] } });
  await it.client.echo({});
  await outcome(it.client.echo({ text: "tea" }));
  const echo = "rpc.method=lab.v1.LabService/Echo";
  expect(await seen.metric("rpc.client.call.duration")).toEqual({
    [`${echo} rpc.status_code=ok rpc.system.name=raceway`]: 1,
    [`${echo} rpc.status_code=not_found rpc.system.name=raceway`]: 1,
  });
  expect(await seen.metric("raceway.client.calls.active")).toEqual({ [`${echo} rpc.system.name=raceway`]: 0 });
});

it("one connection may be watched without being traced", async () => {
  const seen = sight();
  const plugin = clientTelemetry({ meterProvider: seen.options.meterProvider, tracerProvider: false });
  await using it = await lab();
  const connection = connect("http://lab", { transports: [it.memory.client], clock: it.clock });
  using _ = plugin.watch(connection);
  await labClient(connection).echo({});
  await connection.close();
  expect(Object.keys(await seen.metric("raceway.client.connection.events"))).toEqual([
    "raceway.event=opened raceway.transport=memory",
    "raceway.event=closed raceway.transport=memory",
  ]);
  expect(seen.spans).toEqual([]);
});
