// A subscription against servers that do what real ones do rarely: positions that come late, resets before all is read, restarts again and again.
import { create, toBinary } from "@bufbuild/protobuf";
import { connect } from "@raceway/client";
import { type ClientTransport, CONTRACT, type Link, memoryLink, memoryTransport, reasonOf } from "@raceway/core";
import { type Frame, encodeFrame, encodePublication, readBatch } from "@raceway/core/internal";
import { MemoryStorage, memory, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { EchoRequestSchema, TickSchema, TicksRequestSchema } from "../gen/lab/v1/lab_pb.ts";
import { handlers, lab, take } from "./lab.ts";
import { hello, open, rawPeer } from "./raw-peer.ts";

/** A transport whose server is a function: what it is told, frame by frame, and the link to answer on. */
function scripted(clock: VirtualClock, told: (frame: Frame, link: Link) => void): ClientTransport {
  const traits = { binary: true, duplex: true, push: true, maxBatchBytes: 1_114_112 };
  return {
    name: "scripted",
    contract: CONTRACT,
    traits,
    supports: () => true,
    start: () => ({
      async open(_endpoint, opened) {
        memoryLink(
          opened,
          (link) => ({
            batch: (bytes) => readBatch(bytes, { jsonDepth: 64 }, (frame) => told(frame, link)),
            drain() {},
            closed() {},
          }),
          { clock },
        );
      },
    }),
  };
}

const welcome: Frame = {
  kind: "welcome",
  version: 1,
  codec: "proto",
  session: new Uint8Array(16),
  secret: new Uint8Array(32),
  received: 0,
  resumed: false,
  window: { messages: 100, bytes: 100_000 },
  heartbeatMs: 60_000,
  silenceMs: 120_000,
  resumeMs: 60_000,
  maxMessageBytes: 100_000,
  transports: ["scripted"],
  maxBatchBytes: 1_000_000,
  maxAgeMs: 0,
  node: "",
  credentialMs: 0,
};
const events = (from: number, to: number): Uint8Array[] =>
  Array.from({ length: to - from + 1 }, (_, at) =>
    encodePublication(1, from + at, toBinary(TickSchema, create(TickSchema, { sequence: from + at }))),
  );

it("asks for the beginning when the first that it hears is where the server stands", async () => {
  const clock = virtualClock();
  const asked: (number | undefined)[] = [];
  const transport = scripted(clock, (frame, link) => {
    const stands = (offset: number, state: number): Uint8Array =>
      encodeFrame({ kind: "topic", call: 1, handle: 1, position: { epoch: "e", offset }, state });
    if (frame.kind === "hello") link.send([encodeFrame(welcome)]);
    // The beginning and events 1 to 11 went with another link; this one says where the server goes on.
    if (frame.kind === "open") link.send([stands(11, 0), ...events(12, 12)]);
    if (frame.kind === "topic") {
      asked.push(frame.position?.offset);
      link.send([stands(0, 1), ...events(1, 12)]);
    }
  });
  await using connection = connect("http://lab", { transports: [transport], clock });
  const reading = take(labClient(connection).ticks({ board: "x" }, { from: "start" }), 12);
  await clock.settle();
  expect((await reading).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect(asked).toEqual([undefined]);
});

it("tells of a gap after all that came before it was read, with positions that fit", async () => {
  const clock = virtualClock();
  const transport = scripted(clock, (frame, link) => {
    const at = (epoch: string, offset: number, state: number): Uint8Array =>
      encodeFrame({ kind: "topic", call: 1, handle: 1, position: { epoch, offset }, state });
    if (frame.kind === "hello") link.send([encodeFrame(welcome)]);
    if (frame.kind === "open") link.send([at("old", 0, 1), ...events(1, 3), at("new", 4, 2), ...events(5, 6)]);
  });
  await using connection = connect("http://lab", { transports: [transport], clock });
  const seen: unknown[] = [];
  const subscription = labClient(connection).ticks(
    { board: "x" },
    { from: "start", onReset: ({ after, first, epoch }) => void seen.push({ after, first, epoch }) },
  );
  for await (const { sequence } of subscription) {
    const { epoch, offset } = subscription.position!;
    seen.push(`${sequence} at ${epoch}/${offset}`);
    if (sequence === 6) break;
  }
  expect(seen).toEqual([
    "1 at old/1",
    "2 at old/2",
    "3 at old/3",
    { after: { epoch: "old", offset: 3 }, first: 5, epoch: "new" },
    "5 at new/5",
    "6 at new/6",
  ]);
});

it("survives any number of restarts, as long as the server takes it each time", async () => {
  const clock = virtualClock();
  const link = memoryTransport();
  const storage = new MemoryStorage();
  const start = async () => {
    const app = raceway({ transports: [link.server], clock, backplane: memory({ storage }) });
    const topics = app.serve(labService, handlers([], clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    return { app, topics };
  };
  let server = await start();
  // Back within five seconds, whatever the jitter.
  await using connection = connect("http://lab", { transports: [link.client], clock, backoff: { capMs: 1_000 } });
  const reading = take(labClient(connection).ticks({ board: "x" }, { from: "start" }), 10);
  for (let sequence = 1; sequence <= 10; sequence++) {
    await clock.advance(5_000);
    await server.topics.ticks.publish({ board: "x" }, { sequence });
    await clock.advance(100);
    const closing = server.app.close(0);
    await clock.advance(100);
    await closing;
    server = await start();
  }
  await clock.advance(60_000); // no link was stable, so the client's pause has grown, by chance up to 30 s
  expect((await reading).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const closing = server.app.close(0);
  await clock.advance(100);
  await closing;
});

it("catches up when room comes in the very batch in which it found none", async () => {
  await using it = await lab({ server: { limits: { replayBytes: 200 } } });
  const position = await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
  const peer = await rawPeer(it.memory, it.clock);
  peer.say(hello());
  await it.clock.settle();
  const data = toBinary(EchoRequestSchema, create(EchoRequestSchema, { data: new Uint8Array(300) }));
  peer.say(open(1, "/lab.v1.LabService/Echo", { payload: data }));
  await it.clock.settle(); // its reply fills the replay buffer
  const board = toBinary(TicksRequestSchema, create(TicksRequestSchema, { board: "x" }));
  peer.say(open(2, "/lab.v1.LabService/Ticks", { payload: board, after: { epoch: "", offset: 0 } }));
  await it.clock.settle();
  const publications = (): number => peer.frames.filter(({ kind }) => kind === "publication").length;
  expect(publications()).toBe(0);
  const start = { epoch: position.epoch, offset: 0 };
  peer.say(
    { kind: "topic", call: 2, handle: 0, position: start, state: 0 },
    { kind: "ack", received: 1, from: undefined },
  );
  await it.clock.settle();
  expect(publications()).toBe(1);
});

it("writes once a turn to each subscriber, whatever comes together: events of several topics, and replies", async () => {
  await using it = await lab();
  const peer = await rawPeer(it.memory, it.clock);
  const subscribe = (call: number, board: string): Frame =>
    open(call, "/lab.v1.LabService/Ticks", {
      payload: toBinary(TicksRequestSchema, create(TicksRequestSchema, { board })),
    });
  peer.say(hello());
  await it.clock.settle();
  peer.say(subscribe(1, "x"), subscribe(2, "y"));
  await it.clock.settle();
  const publish = (board: string, sequence: number): unknown => it.topics.ticks.publish({ board }, { sequence });
  const next = async (act: () => void): Promise<string[][]> => {
    peer.batches.length = 0;
    act();
    await it.clock.settle();
    return peer.batches;
  };
  expect(await next(() => publish("x", 1))).toEqual([["publication"]]);
  expect(await next(() => [1, 2, 3].map((sequence) => publish("x", sequence)))).toEqual([
    ["publication", "publication", "publication"],
  ]);
  expect(await next(() => [publish("x", 4), publish("y", 1)])).toEqual([["publication", "publication"]]);
  const echo = toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: "one" }));
  const together = await next(() => {
    peer.say(open(3, "/lab.v1.LabService/Echo", { payload: echo }));
    publish("x", 5);
  });
  expect(together.flat().toSorted()).toEqual(["end", "publication"]);
  // And alone again.
  expect(await next(() => publish("x", 6))).toEqual([["publication"]]);
  const offsets = peer.frames.flatMap((frame) => (frame.kind === "publication" ? [[frame.handle, frame.offset]] : []));
  const [[x]] = offsets as [[number, number]];
  expect(offsets.filter(([handle]) => handle === x).map(([, offset]) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

it("cuts what it says to batches that the link carries, however small those are", async () => {
  const limits = { batchBytes: 4_096 };
  await using it = await lab({ server: { limits }, client: { limits }, memory: { text: true, maxBatchBytes: 4_096 } });
  const all = Array.from({ length: 300 }, (_, at) => at + 1);
  for (const sequence of all) void it.topics.ticks.publish({ board: "x" }, { sequence });
  await it.clock.settle();
  const reading = take(it.client.ticks({ board: "x" }, { from: "start" }), 600);
  await it.clock.settle();
  for (const sequence of all) void it.topics.ticks.publish({ board: "x" }, { sequence: 300 + sequence });
  await it.clock.advance(1_000);
  expect((await reading).map(({ sequence }) => sequence)).toEqual([...all, ...all.map((sequence) => 300 + sequence)]);
});

it("a subscription has no more headers than a call may have", async () => {
  await using it = await lab({ server: { limits: { headerBytes: 100 } } });
  const { client } = it;
  const headers = { large: "x".repeat(200) };
  const reasons = [client.echo({}, { headers }), take(client.ticks({ board: "x" }, { headers }), 1)];
  for (const each of reasons)
    expect(await each.then(String, (error: unknown) => reasonOf(error))).toBe("headers_too_large");
  expect(await client.echo({ text: "well" })).toMatchObject({ text: "well" });
});

it("callers may have all headers that their limits allow, also with the first call of a channel; or none", async () => {
  for (const headerCount of [0, 2]) {
    await using it = await lab({ server: { limits: { headerCount } }, client: { limits: { headerCount } } });
    const headers = headerCount === 0 ? {} : { one: "1", two: "2" };
    for (let call = 0; call < 2; call++)
      expect(await it.client.echo({ text: "well" }, { headers })).toMatchObject({ text: "well" });
    const more = it.client.echo({}, { headers: { ...headers, three: "3" } });
    expect(await more.then(String, (error: unknown) => reasonOf(error))).toBe("headers_too_many");
  }
});

it("topics that nobody reads any more give way when there are as many as may be", async () => {
  await using it = await lab({ server: { limits: { topics: 2 } } });
  const reads = async (board: string): Promise<AsyncIterator<unknown>> => {
    const ticks = it.client.ticks({ board }, { from: "start" })[Symbol.asyncIterator]();
    const first = ticks.next();
    await it.clock.settle();
    await it.topics.ticks.publish({ board }, { symbol: board });
    await it.clock.settle();
    expect(await first).toMatchObject({ value: { symbol: board } });
    return ticks;
  };
  for (const board of ["a", "b", "c", "a", "d"]) {
    await (
      await reads(board)
    ).return!();
    await it.clock.settle();
  }
  await reads("e");
  await reads("f");
  const more = take(it.client.ticks({ board: "g" }), 1).catch((error: unknown) => reasonOf(error));
  await it.clock.settle();
  expect(await more).toBe("too_many_topics"); // both have readers
});
