// Links that are slow or small: nothing is thrown away, nothing grows without bound, and what does not fit ends itself and nothing else.
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { type Backplane, type Log, jsonCodec, memoryTransport, reasonOf } from "@raceway/core";
import { type Frame, errorOf } from "@raceway/core/internal";
import { memory, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { type Lab, handlers, lab, take } from "./lab.ts";
import { type RawPeer, hello, open, rawPeer, welcomeOf } from "./raw-peer.ts";

const ECHO = "/lab.v1.LabService/Echo";
const TICKS = "/lab.v1.LabService/Ticks";
const board = (name: string): Uint8Array => Uint8Array.of(0x0a, name.length, ...new TextEncoder().encode(name));
const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

async function greeted(it1: Pick<Lab, "memory" | "clock">): Promise<RawPeer> {
  const peer = await rawPeer(it1.memory, it1.clock);
  peer.say(hello());
  await it1.clock.settle();
  welcomeOf(peer);
  return peer;
}
const ends = (peer: RawPeer): Extract<Frame, { kind: "end" }>[] => peer.frames.filter((frame) => frame.kind === "end");
function read(messages: AsyncIterable<{ readonly sequence: number }>): { seen: number[]; error?: ConnectError } {
  const reading: { seen: number[]; error?: ConnectError } = { seen: [] };
  void (async () => {
    try {
      for await (const { sequence } of messages) reading.seen.push(sequence);
    } catch (error) {
      reading.error = ConnectError.from(error);
    }
  })();
  return reading;
}

it("a slow link gets all that was written, though it is many times what is kept for a lost one", async () => {
  await using it1 = await lab({ server: { limits: { replayBytes: 4_096, messageBytesOut: 16_384 } } });
  const peer = await greeted(it1);
  peer.link.pause();
  // EchoRequest { data } of 10,000 bytes: 40 replies are ten times what would be kept.
  const request = Uint8Array.of(0x12, 0x90, 0x4e, ...new Uint8Array(10_000));
  for (let call = 1; call <= 40; call++) {
    peer.say(open(call, ECHO, { payload: request }));
    await it1.clock.settle();
  }
  expect(ends(peer).length).toBeLessThan(40);
  peer.link.resume();
  await it1.clock.settle();
  expect(ends(peer).map(({ call }) => call)).toEqual(upTo(40));
  for (const end of ends(peer)) expect(end.payload?.length).toBe(request.length);
});

it("a reader of a long history over a slow link: the server takes no more out of the log than the link takes", async () => {
  let taken = 0;
  const kept = memory();
  const counting: Backplane = {
    ...kept,
    async start(host) {
      const started = await kept.start(host);
      const log: Log = {
        append: (...how) => started.log.append(...how),
        head: (key) => started.log.head(key),
        follow: (...how) => started.log.follow(...how),
        async read(...how) {
          const page = await started.log.read(...how);
          if (page.kind === "entries") for (const { payload } of page.entries) taken += payload.length;
          return page;
        },
      };
      return { ...started, log, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
    },
  };
  await using it1 = await lab({ server: { backplane: counting, limits: { historyBytes: 64 * 1024 * 1024 } } });
  const symbol = "x".repeat(20_000);
  for (const sequence of upTo(500)) await it1.topics.ticks.publish({ board: "x" }, { symbol, sequence });
  const peer = await greeted(it1);
  peer.link.pause();
  peer.say(open(1, TICKS, { payload: board("x"), after: { epoch: "", offset: 0 } }));
  await it1.clock.settle();
  expect(taken).toBeLessThan(1_000_000);
  peer.link.resume();
  const offsets = (): number[] => peer.frames.flatMap((frame) => (frame.kind === "publication" ? [frame.offset] : []));
  for (let step = 0; step < 100 && offsets().length < 500; step++) await it1.clock.settle();
  expect(offsets().length).toBe(500);
  expect(offsets()).toEqual(upTo(500));
});

it("a peer that asks for pongs and does not read them: its link is closed, the others stay", async () => {
  await using it1 = await lab({ memory: { highWater: 100 } });
  await it1.client.echo({ text: "bystander" });
  const peer = await greeted(it1);
  peer.link.pause();
  for (let round = 0; round < 4; round++) {
    peer.say(...upTo(900).map((id): Frame => ({ kind: "ping", id })));
    await it1.clock.settle();
  }
  peer.link.resume();
  await it1.clock.settle();
  expect(peer.closed).toBe(true);
  const goaway = peer.frames.find((frame) => frame.kind === "goaway");
  expect(goaway?.kind === "goaway" && reasonOf(errorOf(goaway.status!))).toBe("too_many_frames");
  expect(peer.frames.filter(({ kind }) => kind === "pong").length).toBeLessThan(2_000);
  expect((await it1.client.echo({ text: "still here" })).text).toBe("still here");
});

it("an event that a codec cannot write ends the subscriptions that want it so, and all others go on", async () => {
  let log: Log | undefined;
  const kept = memory();
  const clock = virtualClock();
  const link = memoryTransport();
  await using app = raceway({
    transports: [link.server],
    clock,
    backplane: {
      ...kept,
      async start(host) {
        const started = await kept.start(host);
        log = started.log;
        return started;
      },
    },
  });
  const topics = app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://lab", { transports: [link.client], clock, codecs: [jsonCodec()] });
  const client = labClient(connection);
  const wanting = read(client.ticks({ board: "x" }));
  const elsewhere = read(client.ticks({ board: "y" }));
  await clock.settle();
  // Two, since the fan-out begins elsewhere each time: one comes after the one that fails.
  const binary = [await greeted({ memory: link, clock }), await greeted({ memory: link, clock })];
  for (const peer of binary) peer.say(open(1, TICKS, { payload: board("x") }));
  await clock.settle();
  await topics.ticks.publish({ board: "x" }, { sequence: 1 });
  await clock.settle();
  // Bytes that are no Tick: as they are for who takes protobuf, and nothing at all in JSON.
  const retention = { maxEvents: 10, maxBytes: 1_000_000, maxAgeMs: 1_000_000 };
  await log!.append("boards/x/ticks", [{ payload: Uint8Array.of(0x0a, 99) }], retention);
  await topics.ticks.publish({ board: "y" }, { sequence: 7 });
  await clock.settle();
  expect(wanting.seen).toEqual([1]);
  expect(wanting.error?.code).toBeDefined();
  await topics.ticks.publish({ board: "x" }, { sequence: 3 });
  await clock.settle();
  expect(elsewhere).toEqual({ seen: [7] });
  for (const { frames } of binary)
    expect(frames.flatMap((frame) => (frame.kind === "publication" ? [frame.offset] : []))).toEqual([1, 2, 3]);
  expect(connection.state.current.status).toBe("open");
  const again = read(client.ticks({ board: "x" }));
  await clock.settle();
  await topics.ticks.publish({ board: "x" }, { sequence: 4 });
  await clock.settle();
  expect(again).toEqual({ seen: [4] });
  await connection.close();
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it("an event that is too large for a link ends that subscription, live or from the log, and the link stays", async () => {
  const clock = virtualClock();
  const small = memoryTransport({ transport: "small", maxBatchBytes: 20_000 });
  const large = memoryTransport({ transport: "large" });
  await using app = raceway({ transports: [small.server, large.server], clock });
  const topics = app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using narrow = connect("http://lab", { transports: [small.client], clock });
  await using wide = connect("http://lab", { transports: [large.client], clock });
  const live = read(labClient(narrow).ticks({ board: "x" }));
  const other = read(labClient(narrow).ticks({ board: "y" }));
  const easy = read(labClient(wide).ticks({ board: "x" }));
  await clock.settle();
  let links = 0;
  const watch = narrow.state.subscribe(({ status }) => void (status === "open" && links++));
  await topics.ticks.publish({ board: "x" }, { sequence: 1 });
  await topics.ticks.publish({ board: "x" }, { sequence: 2, symbol: "x".repeat(30_000) });
  await topics.ticks.publish({ board: "y" }, { sequence: 3 });
  await clock.advance(1_000);
  const late = read(labClient(narrow).ticks({ board: "x" }, { from: "start" }));
  await clock.advance(1_000);
  await topics.ticks.publish({ board: "y" }, { sequence: 4 });
  await clock.advance(1_000);
  for (const reading of [live, late]) {
    expect(reasonOf(reading.error)).toBe("message_too_large");
    expect(reading.error?.code).toBe(Code.ResourceExhausted);
  }
  expect(other).toEqual({ seen: [3, 4] });
  expect(easy).toEqual({ seen: [1, 2] });
  expect(links).toBeLessThanOrEqual(2); // told of once at the beginning, and of its round-trip time
  watch();
  await narrow.close();
  await wide.close();
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it("a request too large for a link of text is refused at the call, before there is a link as well as after", async () => {
  await using it1 = await lab({
    memory: { text: true, maxBatchBytes: 60_000 },
    client: { limits: { batchBytes: 60_000 } },
  });
  const data = new Uint8Array(50_000); // in base64 more than a batch
  const early = it1.client.echo({ data }).catch((error: unknown) => ConnectError.from(error));
  const fits = it1.client.echo({ data: data.subarray(0, 30_000) });
  await it1.clock.advance(1_000);
  expect((await fits).data.length).toBe(30_000);
  const late = it1.client.echo({ data }).catch((error: unknown) => ConnectError.from(error));
  await it1.clock.advance(1_000);
  for (const error of [await early, await late]) {
    expect(reasonOf(error)).toBe("message_too_large");
    expect(error).toMatchObject({ code: Code.ResourceExhausted });
  }
  expect(it1.calls).toEqual(["echo ", "over "]);
  expect((await take(it1.client.count({ from: 1, to: 3 }), 3)).length).toBe(3);
});
