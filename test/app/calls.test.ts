// Calls of every kind through a session, in both codecs and both forms of frames.
import { createClient, Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { jsonCodec, memoryTransport, protoCodec, reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { from, handlers, lab, take } from "./lab.ts";

const forms = [
  { codec: "proto", frames: "binary" },
  { codec: "proto", frames: "json" },
  { codec: "json", frames: "binary" },
  { codec: "json", frames: "json" },
] as const;

describe.each(forms)("with codec $codec in $frames frames", ({ codec, frames }) => {
  const form = { codecs: [codec === "json" ? jsonCodec() : protoCodec()], frames };
  it("answers a call", async () => {
    await using it = await lab({ client: form });
    const data = Uint8Array.from({ length: 256 }, (_, at) => at);
    const reply = await it.client.echo({ text: "grüße ✓", data });
    expect(reply.text).toBe("grüße ✓");
    expect([...reply.data]).toEqual([...data]);
  });

  it("streams down, up and both ways", async () => {
    await using it = await lab({ client: form });
    expect((await take(it.client.count({ from: 1, to: 1_000 }), 1_000)).map(({ value }) => value)).toEqual(
      Array.from({ length: 1_000 }, (_, at) => at + 1),
    );
    expect(await it.client.sum(from([{ value: 1 }, { value: 2 }, { value: 39 }]))).toMatchObject({ sum: 42, count: 3 });
    expect((await take(it.client.chat(from([{ text: "a" }, { text: "b" }])), 2)).map(({ text }) => text)).toEqual([
      "a!",
      "b!",
    ]);
  });

  it("delivers a topic to all its subscribers in order", async () => {
    await using it = await lab({ client: form });
    const readers = Array.from({ length: 3 }, () => take(it.client.ticks({ board: "a" }, { from: "start" }), 50));
    for (let sequence = 1; sequence <= 50; sequence++)
      void it.topics.ticks.publish({ board: "a" }, { symbol: "X", price: sequence / 4, sequence });
    for (const reader of readers) {
      const ticks = await reader;
      expect(ticks.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
      expect(ticks[2]?.price).toBe(0.75);
    }
  });
});

it("carries headers, trailers and error details", async () => {
  await using it = await lab({
    server: {
      use: [
        {
          name: "stamp",
          contract: 1,
          start: () => ({
            call: () => (next) => async (request) => {
              const response = await next(request);
              response.header.set("seen", request.header.get("asked") ?? "");
              response.trailer.set("after", "all");
              return response;
            },
          }),
        },
      ],
    },
  });
  const seen: string[] = [];
  await it.client.echo(
    { text: "x" },
    {
      headers: { asked: "yes" },
      onHeader: (headers) => seen.push(headers.get("seen")!),
      onTrailer: (trailers) => seen.push(trailers.get("after")!),
    },
  );
  expect(seen).toEqual(["yes", "all"]);
});

it("serves Connect's own clients unchanged", async () => {
  await using it = await lab();
  const client = createClient(LabService, it.connection);
  expect((await client.echo({ text: "plain" })).text).toBe("plain");
  expect((await take(client.count({ from: 1, to: 3 }), 3)).map(({ value }) => value)).toEqual([1, 2, 3]);
});

it("cancels a call: the handler's signal fires, the caller gets canceled", async () => {
  await using it = await lab();
  const stop = new AbortController();
  const call = it.client.echo({ text: "slow", delayMs: 60_000 }, { signal: stop.signal });
  const failed = expect(call).rejects.toMatchObject({ code: Code.Canceled });
  await it.clock.settle();
  expect(it.calls).toEqual(["echo slow"]);
  stop.abort();
  await failed;
  await it.clock.settle();
  expect(it.calls).toEqual(["echo slow", "over slow"]);
});

it("ends a call at its deadline, on both sides", async () => {
  await using it = await lab();
  const failed = expect(it.client.echo({ text: "late", delayMs: 5_000 }, { timeoutMs: 1_000 })).rejects.toMatchObject({
    code: Code.DeadlineExceeded,
  });
  await it.clock.advance(1_100);
  await failed;
  expect(it.calls).toEqual(["echo late", "over late"]);
});

it("shows nothing of an error that is not a ConnectError", async () => {
  const logged: string[] = [];
  const log = {
    debug() {},
    info() {},
    warn() {},
    error: (_: string, fields?: Readonly<Record<string, unknown>>) => void logged.push(String(fields?.["error"])),
  };
  const memory = memoryTransport();
  await using app = raceway({ transports: [memory.server], log });
  const failing = () => {
    throw new Error("password is swordfish");
  };
  app.serve(labService, { ...handlers([], virtualClock()), echo: failing, count: failing });
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://lab", { transports: [memory.client] });
  const client = labClient(connection);
  for (const call of [client.echo({}), take(client.count({}), 1)]) {
    const error = await call.then(
      () => undefined,
      (cause: unknown) => ConnectError.from(cause),
    );
    expect(error?.code).toBe(Code.Internal);
    expect(error?.message).not.toContain("swordfish");
  }
  expect(logged).toHaveLength(2);
  expect(logged[0]).toContain("swordfish");
});

it("leaving a stream early ends the handler's generator", async () => {
  await using it = await lab();
  await take(it.client.count({ from: 7, to: 4_000_000 }), 3);
  await it.clock.settle();
  expect(it.calls).toEqual(["counted 7"]);
});

it("bounds what a fast handler sends to a slow reader", async () => {
  const clock = virtualClock();
  const memory = memoryTransport();
  await using app = raceway({ transports: [memory.server], clock });
  let made = 0;
  app.serve(labService, {
    ...handlers([], clock),
    async *count() {
      for (;;) yield { value: ++made };
    },
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://lab", {
    transports: [memory.client],
    clock,
    limits: { windowMessages: 16 },
  });
  const reader = labClient(connection).count({})[Symbol.asyncIterator]();
  expect((await reader.next()).value?.value).toBe(1);
  await clock.settle();
  // Nobody reads on: what was made is the window, and what the handler had at hand.
  expect(made).toBeLessThanOrEqual(18);
  for (let next = 2; next <= 100; next++) expect((await reader.next()).value?.value).toBe(next);
  await clock.settle();
  expect(made).toBeLessThanOrEqual(120);
  await reader.return?.();
});

it("refuses a call that no handler serves", async () => {
  await using it = await lab();
  const { echo } = LabService.method;
  const stranger = { ...echo, name: "Nothing", parent: echo.parent } as typeof echo;
  const error: unknown = await it.connection
    .unary(stranger, undefined, undefined, undefined, {})
    .catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(ConnectError);
  expect((error as ConnectError).code).toBe(Code.Unimplemented);
  expect(reasonOf(error)).toBe("channel_unknown");
});

it("signals: the newest message of each key arrives, overtaken ones need not", async () => {
  await using it = await lab();
  await it.client.echo({ text: "open" });
  const cursor = it.client.cursor();
  for (let x = 1; x <= 100; x++) {
    cursor.send({ userId: "ann", x });
    cursor.send({ userId: "bob", x: -x });
  }
  await cursor.close();
  await it.clock.settle();
  const seen = it.calls.filter((call) => call.startsWith("cursor"));
  expect(seen.findLast((call) => call.includes("ann"))).toBe("cursor ann 100");
  expect(seen.findLast((call) => call.includes("bob"))).toBe("cursor bob -100");
  expect(seen.length).toBeLessThan(200);
});

it("on a text link, a message that base64 would make too large ends its call, and the session goes on", async () => {
  await using it = await lab({ memory: { text: true } });
  expect((await it.client.echo({ text: "first" })).text).toBe("first");
  const large = it.client.echo({ data: new Uint8Array(900_000) }).catch((error: unknown) => reasonOf(error));
  expect(await large).toBe("message_too_large");
  const fits = await it.client.echo({ data: new Uint8Array(700_000) });
  expect(fits.data.length).toBe(700_000);
  expect(it.connection.state.current.status).toBe("open");
});
