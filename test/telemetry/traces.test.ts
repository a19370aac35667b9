// One trace from the client through the session to the handler, by every way in; topics, resumes and switches in it; and nothing in it that must not be. Long because each kind of call has its trace, by each way.
import { toBinary, fromBinary, create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Metadata, credentials, makeGenericClientConstructor } from "@grpc/grpc-js";
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type TextMapPropagator,
  context as otel,
  propagation,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { connect } from "@raceway/client";
import { definePlugin, memoryTransport } from "@raceway/core";
import { retry } from "@raceway/middleware/retry";
import { raceway } from "@raceway/server";
import { telemetry as clientTelemetry } from "@raceway/telemetry/client";
import { spanOf, telemetry, traceContext } from "@raceway/telemetry/server";
import { virtualClock } from "@raceway/testkit";
import { afterEach, describe, expect, it } from "vitest";
import { from, handlers, lab, take } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { EchoRequestSchema, EchoResponseSchema } from "../gen/lab/v1/lab_pb.ts";
import { first, names, outcome, stage, wayNames } from "../middleware/stage.ts";
import { troubles } from "../middleware/trouble.ts";
import { sight } from "./sight.ts";

const ECHO = "lab.v1.LabService/Echo";
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;

afterEach(() => {
  otel.disable();
  propagation.disable();
});

describe.each(wayNames)("by %s", (way) => {
  const isDoor = way.endsWith("door");

  it("a call is one trace, from the client to what its handler does", async () => {
    const seen = sight();
    const inside: (string | undefined)[] = [];
    await using it = await stage({
      use: [telemetry(seen.options), names],
      clientUse: [clientTelemetry(seen.options)],
      handlers: {
        echo({ text }, context) {
          inside.push(trace.getSpanContext(context.get(traceContext)!)?.spanId);
          spanOf(context)?.addEvent("tea is made");
          return { text };
        },
      },
    });
    const client = it.client(way, "ann");
    await client.echo({ text: "tea" }, isDoor ? { headers: { traceparent: PARENT, tracestate: "a=1" } } : {});
    const server = seen.span("SERVER", ECHO);
    expect(inside).toEqual([server.spanContext().spanId]);
    expect(server.events.map(({ name }) => name)).toEqual(["tea is made"]);
    expect(server.attributes).toMatchObject({
      "rpc.method": ECHO,
      "rpc.status_code": "ok",
      "rpc.system.name": !isDoor ? "raceway" : way === "Connect door" ? "connectrpc" : "grpc",
      "raceway.transport": isDoor ? "native" : way,
    });
    if (isDoor) {
      expect(server.spanContext().traceId).toBe(TRACE);
      expect(server.spanContext().traceState?.serialize()).toBe("a=1");
      expect(server.parentSpanContext).toMatchObject({ spanId: "b7ad6b7169203331", isRemote: true });
      return;
    }
    const asked = seen.span("CLIENT", ECHO);
    expect(server.spanContext().traceId).toBe(asked.spanContext().traceId);
    expect(server.parentSpanContext?.spanId).toBe(asked.spanContext().spanId);
    expect(server.attributes["raceway.session.id"]).toMatch(/^[0-9a-f]{32}$/);
    expect(asked.attributes).toMatchObject({ "rpc.status_code": "ok", "server.address": "127.0.0.1" });
  });

  it("streams are spans to their very end, with how much went by", async () => {
    const seen = sight();
    await using it = await stage({ use: [telemetry(seen.options)] });
    const client = it.client(way);
    await take(client.count({ from: 1, to: 5 }), 6);
    await client.sum(from([{ value: 1 }, { value: 2 }]));
    await expect.poll(() => seen.spans).toHaveLength(2);
    expect(seen.span("SERVER", "lab.v1.LabService/Count").attributes).toMatchObject({ "raceway.responses": 5 });
    expect(seen.span("SERVER", "lab.v1.LabService/Sum").attributes).toMatchObject({ "raceway.requests": 2 });
  });

  it("a subscription is a span, as long as it lasts", async () => {
    const seen = sight();
    await using it = await stage({ use: [telemetry(seen.options)], clientUse: [clientTelemetry(seen.options)] });
    const abort = new AbortController();
    const headers = { traceparent: PARENT };
    const client = labClient(it.transport(way));
    const reading = first(client.ticks({ board: "tea" }, { signal: abort.signal, ...(isDoor && { headers }) }));
    let over = false;
    void reading.then(() => (over = true));
    const published = async (): Promise<boolean> => {
      await it.topics.ticks.publish({ board: "tea" }, { sequence: 1 });
      return over;
    };
    await expect.poll(published).toBe(true);
    abort.abort();
    const wanted = isDoor ? 1 : 2;
    const spans = () => seen.spans.filter(({ name }) => name === "subscribe boards/{board}/ticks");
    await expect.poll(spans).toHaveLength(wanted);
    const server = spans().find(({ attributes }) => attributes["messaging.destination.name"] === "boards/tea/ticks")!;
    expect(server.kind).toBe(SpanKind.CONSUMER);
    if (isDoor) expect(server.spanContext().traceId).toBe(TRACE);
    else {
      const asked = spans().find((span) => span !== server)!;
      expect(server.parentSpanContext?.spanId).toBe(asked.spanContext().spanId);
    }
  });

  it("nothing of what is said is in a span: no field, no text of an error, no credential", async () => {
    const seen = sight();
    await using it = await stage({
      use: [
        telemetry(seen.options),
        names,
        definePlugin({
          name: "blabbers",
          start: () => ({
            call: () => (next) => async (request) => {
              const { text } = request.message as unknown as { text?: string };
              if (text === "fail") throw new ConnectError("hunter2 is no tea", Code.Internal);
              return next(request);
            },
          }),
        }),
      ],
      clientUse: [clientTelemetry(seen.options)],
    });
    const client = it.client(way, "hunter2");
    await client.echo({ text: "hunter2", secret: "hunter2" });
    await outcome(client.echo({ text: "fail", secret: "hunter2" }, { headers: { "x-api-key": "hunter2" } }));
    const server = seen.spans.filter(({ kind }) => kind === SpanKind.SERVER);
    expect(server).toHaveLength(2);
    expect(server[1]!.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(server[1]!.attributes["error.type"]).toBe("internal");
    const all = seen.spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status }));
    expect(JSON.stringify(all)).not.toContain("hunter2");
  });
});

it("a gRPC client that knows nothing of Raceway has its trace go on", async () => {
  const seen = sight();
  await using it = await stage({ use: [telemetry(seen.options)] });
  const Foreign = makeGenericClientConstructor({}, "Foreign");
  const foreign = new Foreign(new URL(it.url).host, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set("traceparent", PARENT);
  await new Promise<void>((resolve, reject) => {
    foreign.makeUnaryRequest(
      `/${ECHO}`,
      (request: Uint8Array) => Buffer.from(request),
      (reply) => fromBinary(EchoResponseSchema, reply),
      toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: "tea" })),
      metadata,
      {},
      (error) => (error === null ? resolve() : reject(error)),
    );
  });
  foreign.close();
  expect(seen.span("SERVER", ECHO).spanContext().traceId).toBe(TRACE);
  expect(seen.span("SERVER", ECHO).attributes["rpc.system.name"]).toBe("grpc");
});

describe("what the active span is", () => {
  it("a handler's own spans are within its call, its generator's too, and the client's within what calls it", async () => {
    otel.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const seen = sight();
    const tracer = seen.options.tracerProvider.getTracer("app");
    await using it = await stage({
      use: [telemetry(seen.options)],
      clientUse: [clientTelemetry(seen.options)],
      handlers: {
        async echo() {
          await Promise.resolve();
          tracer.startSpan("in the handler").end();
          return {};
        },
        async *count() {
          for (const value of [1, 2]) {
            tracer.startSpan(`in the generator ${value}`).end();
            yield { value };
            await Promise.resolve();
          }
        },
      },
    });
    const client = it.client("websocket");
    await tracer.startActiveSpan("page", async (page) => {
      await client.echo({});
      page.end();
    });
    await take(client.count({}), 3);
    await expect
      .poll(() => seen.spans.some(({ name, kind }) => kind === SpanKind.SERVER && name.endsWith("Count")))
      .toBe(true);
    const parent = (name: string): string | undefined => seen.span("INTERNAL", name).parentSpanContext?.spanId;
    expect(parent("in the handler")).toBe(seen.span("SERVER", ECHO).spanContext().spanId);
    for (const value of [1, 2])
      expect(parent(`in the generator ${value}`)).toBe(
        seen.span("SERVER", "lab.v1.LabService/Count").spanContext().spanId,
      );
    expect(seen.span("CLIENT", ECHO).parentSpanContext?.spanId).toBe(
      seen.span("INTERNAL", "page").spanContext().spanId,
    );
  });

  it("what a client did not sample, the server does not either, and the trace goes on all the same", async () => {
    const seen = sight();
    const unsampled = PARENT.replace(/01$/, "00");
    const ids: (string | undefined)[] = [];
    await using it = await stage({
      use: [telemetry({ ...seen.options })],
      handlers: {
        echo(_, context) {
          ids.push(trace.getSpanContext(context.get(traceContext)!)?.traceId);
          return {};
        },
      },
    });
    await it.client("gRPC door").echo({}, { headers: { traceparent: unsampled } });
    expect(seen.spans).toEqual([]);
    expect(ids).toEqual([TRACE]);
  });

  it.each([
    "",
    "nonsense",
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    `${PARENT}\u0020x`,
    `ff${PARENT.slice(2)}`,
    "x".repeat(2_000),
  ])("a header that is none begins a trace of its own: %s", async (traceparent) => {
    const seen = sight();
    await using it = await stage({ use: [telemetry(seen.options)] });
    await it.client("Connect door").echo({}, { headers: { traceparent } });
    const span = seen.span("SERVER", ECHO);
    expect(span.parentSpanContext).toBeUndefined();
    expect(span.spanContext().traceId).not.toBe(TRACE);
  });
});

describe("topics", () => {
  it("a publication is within the call that publishes, and what hands it on links to it", async () => {
    const seen = sight();
    const clock = virtualClock();
    const memory = memoryTransport();
    const app = raceway({ transports: [memory.server], clock, use: [telemetry(seen.options)] });
    const topics = app.serve(labService, {
      ...handlers([], clock),
      async echo({ text }, context) {
        await topics.ticks.publish({ board: "tea" }, { symbol: text }, context);
        return { text };
      },
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const connection = connect("http://lab", { transports: [memory.client], clock });
    const client = labClient(connection);
    const readers = [1, 2].map(() => take(client.ticks({ board: "tea" }), 2));
    await clock.settle();
    await Promise.all(["a", "b"].map((text) => client.echo({ text })));
    await Promise.all(readers);
    const sends = seen.spans.filter(({ name }) => name === "send boards/{board}/ticks");
    const calls = seen.spans.filter(({ kind }) => kind === SpanKind.SERVER);
    expect(sends.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(
      calls.map((call) => call.spanContext().spanId),
    );
    expect(sends[0]!.attributes).toMatchObject({
      "messaging.system": "raceway",
      "messaging.operation.type": "send",
      "messaging.destination.template": "boards/{board}/ticks",
      "messaging.destination.name": "boards/tea/ticks",
      "messaging.message.id": expect.stringMatching(/:1$/),
    });
    const delivers = seen.spans.filter(({ name }) => name === "deliver boards/{board}/ticks");
    expect(delivers.flatMap(({ links }) => links.map(({ context: { spanId } }) => spanId))).toEqual(
      sends.map((send) => send.spanContext().spanId),
    );
    expect(delivers.map(({ attributes }) => attributes["raceway.subscribers"])).toEqual(delivers.map(() => 2));
    await connection.close();
    await app.close(0);
  });

  it("what nobody reads, or nobody traces, is not handed on in a span", async () => {
    const seen = sight();
    await using it = await lab({ server: { use: [telemetry(seen.options)] } });
    await it.topics.ticks.publish({ board: "tea" }, {});
    expect(seen.spans.map(({ name }) => name)).toEqual(["send boards/{board}/ticks"]);
    const unsampled = sight({ sampled: false });
    await using other = await lab({ server: { use: [telemetry(unsampled.options)] } });
    const reading = take(other.client.ticks({ board: "tea" }), 1);
    await other.clock.settle();
    await other.topics.ticks.publish({ board: "tea" }, {});
    await reading;
    expect(unsampled.spans).toEqual([]);
  });
});

describe("sessions", () => {
  async function moving() {
    const seen = sight();
    const clock = virtualClock();
    const a = memoryTransport({ transport: "a" });
    const b = memoryTransport({ transport: "b" });
    const app = raceway({ transports: [a.server, b.server], clock, use: [telemetry(seen.options)] });
    const topics = app.serve(labService, handlers([], clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    const plugin = clientTelemetry(seen.options);
    const connection = connect("http://lab", { transports: [a.client, b.client], clock, probeMs: 0, use: [plugin] });
    plugin.watch(connection);
    return {
      seen,
      clock,
      a,
      topics,
      connection,
      client: labClient(connection),
      async [Symbol.asyncDispose](): Promise<void> {
        await connection.close();
        await app.close(0);
      },
    };
  }

  it("streams that run while their session resumes or moves say so", async () => {
    await using it = await moving();
    const talk = it.client.chat(
      (async function* () {
        yield { text: "a" };
        await new Promise<void>((resolve) => it.clock.after(5_000, resolve));
        yield { text: "b" };
      })(),
    );
    const ticks = take(it.client.ticks({ board: "tea" }), 1);
    const talking = take(talk, 3);
    await it.clock.settle();
    it.a.cut();
    await it.clock.advance(1_000);
    await it.connection.switchTo("b");
    await it.clock.advance(5_000);
    expect((await talking).map(({ text }) => text)).toEqual(["a!", "b!"]);
    await it.topics.ticks.publish({ board: "tea" }, {});
    await ticks;
    await it.clock.settle();
    const events = (span: { events: { name: string }[] }): string[] => span.events.map(({ name }) => name);
    expect(events(it.seen.span("SERVER", "lab.v1.LabService/Chat"))).toEqual([
      "raceway.session.resumed",
      "raceway.session.switched",
    ]);
    const subscription = it.seen.spans.find(
      ({ name, attributes }) =>
        name === "subscribe boards/{board}/ticks" && attributes["messaging.destination.name"] !== undefined,
    )!;
    expect(events(subscription)).toEqual([
      "raceway.session.resumed",
      "raceway.subscription.resume",
      "raceway.session.switched",
      "raceway.subscription.resume",
    ]);
  });

  it("a watched connection has a span for each way to an open link", async () => {
    await using it = await moving();
    await it.client.echo({});
    it.a.cut();
    await it.clock.advance(1_000);
    await it.connection.switchTo("b");
    await it.clock.settle();
    await it.connection.close();
    const ways = it.seen.spans.filter(({ name }) => name.startsWith("raceway "));
    expect(ways.map(({ name, attributes }) => [name, attributes["raceway.transport"]])).toEqual([
      ["raceway connect", "a"],
      ["raceway resume", "a"],
      ["raceway switch", "b"],
    ]);
    expect(await it.seen.metric("raceway.client.connection.events")).toEqual({
      "raceway.event=opened raceway.transport=a": 1,
      "raceway.event=lost raceway.transport=a": 1,
      "raceway.event=resumed raceway.transport=a": 1,
      "raceway.event=switched raceway.transport.before=a raceway.transport=b": 1,
      "raceway.event=closed raceway.transport=b": 1,
    });
    expect(await it.seen.metric("raceway.client.connection.way.duration")).toEqual({
      "raceway.transport=a raceway.way=connect": 1,
      "raceway.transport=a raceway.way=resume": 1,
      "raceway.transport=b raceway.way=switch": 1,
    });
    expect(Object.keys(await it.seen.metric("raceway.client.round_trip.duration"))).toContain("raceway.transport=a");
  });
});

it("a call that is made again is one span on the client, and one for each attempt on the server", async () => {
  const seen = sight();
  const clock = virtualClock();
  const server = troubles(clock);
  await using it = await lab({
    server: { use: [telemetry(seen.options), server.plugin], clock },
    client: { use: [retry({ firstMs: 0 }), clientTelemetry(seen.options)], clock },
  });
  server.next("Peek", new ConnectError("later", Code.Unavailable));
  const call = it.client.peek({});
  await clock.advance(1_000);
  await call;
  const asked = seen.span("CLIENT", "lab.v1.LabService/Peek");
  const served = seen.spans.filter(({ kind }) => kind === SpanKind.SERVER);
  expect(served.map(({ attributes }) => attributes["rpc.status_code"])).toEqual(["unavailable", "ok"]);
  for (const { parentSpanContext } of served) expect(parentSpanContext?.spanId).toBe(asked.spanContext().spanId);
});

it("times are the host's", async () => {
  const seen = sight();
  await using it = await lab({ server: { use: [telemetry(seen.options)] } });
  const { clock } = it;
  const call = it.client.echo({ delayMs: 1_500 });
  await clock.advance(1_500);
  await call;
  const { startTime, duration } = seen.span("SERVER", ECHO);
  expect(startTime[0]).toBe(Math.floor((clock.wallNow() - 1_500) / 1_000));
  expect(duration).toEqual([1, 500_000_000]);
});

it("errors that are answers are no faults of the server, but errors to the client", async () => {
  const seen = sight();
  const clock = virtualClock();
  const server = troubles(clock);
  await using it = await lab({
    server: { use: [telemetry(seen.options), server.plugin], clock },
    client: { use: [clientTelemetry(seen.options)], clock },
  });
  server.next("Echo", new ConnectError("no", Code.NotFound));
  await outcome(it.client.echo({}));
  expect(seen.span("SERVER", ECHO).status.code).toBe(SpanStatusCode.UNSET);
  expect(seen.span("SERVER", ECHO).attributes["rpc.status_code"]).toBe("not_found");
  expect(seen.span("CLIENT", ECHO).status.code).toBe(SpanStatusCode.ERROR);
});

it("a call that its caller leaves is a span that ends then", async () => {
  const seen = sight();
  await using it = await lab({ server: { use: [telemetry(seen.options)] } });
  const abort = new AbortController();
  const call = outcome(it.client.echo({ delayMs: 60_000 }, { signal: abort.signal }));
  await it.clock.advance(100);
  abort.abort();
  await call;
  await it.clock.settle();
  expect(seen.span("SERVER", ECHO).attributes["rpc.status_code"]).toBe("canceled");
  expect(seen.span("SERVER", ECHO).duration).toEqual([0, 100_000_000]);
});

it("without spans, or without measurements, there are none", async () => {
  const seen = sight();
  await using it = await lab({
    server: { use: [telemetry({ ...seen.options, tracerProvider: false })] },
    client: { use: [clientTelemetry({ ...seen.options, tracerProvider: false })] },
  });
  await it.client.echo({});
  expect(seen.spans).toEqual([]);
  expect(Object.values(await seen.metric("rpc.server.call.duration"))).toEqual([1]);
  const other = sight();
  await using traced = await lab({ server: { use: [telemetry({ ...other.options, meterProvider: false })] } });
  await traced.client.echo({});
  expect(other.spans).toHaveLength(1);
  expect(await other.series()).toBe(0);
});

it("a propagator that is given, or that the application has registered, takes the place of the standard", async () => {
  const letters = (name: string): TextMapPropagator => ({
    inject: (context, carrier, setter) => setter.set(carrier, name, trace.getSpanContext(context)!.traceId),
    extract(context, carrier, getter) {
      const traceId = getter.get(carrier, name);
      if (typeof traceId !== "string") return context;
      return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: "b7ad6b7169203331", traceFlags: 1, isRemote: true });
    },
    fields: () => [name],
  });
  for (const registered of [false, true]) {
    const seen = sight();
    if (registered) propagation.setGlobalPropagator(letters("x-own"));
    const options = { ...seen.options, ...(!registered && { propagator: letters("x-given") }) };
    const headers: Headers[] = [];
    await using it = await lab({
      server: {
        use: [
          telemetry(options),
          definePlugin({
            name: "peeks",
            start: () => ({
              call: () => (next) => (request) => {
                headers.push(request.header);
                return next(request);
              },
            }),
          }),
        ],
      },
      client: { use: [clientTelemetry(options)] },
    });
    await it.client.echo({});
    const { traceId } = seen.span("CLIENT", ECHO).spanContext();
    expect(headers[0]!.get(registered ? "x-own" : "x-given")).toBe(traceId);
    expect(headers[0]!.has("traceparent")).toBe(false);
    expect(seen.span("SERVER", ECHO).spanContext().traceId).toBe(traceId);
  }
});

it("options that do not exist are refused where they are written", () => {
  expect(() => telemetry({ tracer: 1 } as never)).toThrow("tracer");
  expect(() => clientTelemetry({ tracer: 1 } as never)).toThrow("tracer");
});
