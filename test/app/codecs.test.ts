// Codecs of plugins: agreed on by name, over links of both kinds, beside others on one topic, and over servers that lack them.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Backplane } from "@raceway/core";
import { defineCodec, errorInfo, jsonCodec, protoCodec, reasonOf } from "@raceway/core";
import { encodeFrame, partsToJson } from "@raceway/core/internal";
import { memory, raceway } from "@raceway/server";
import { grpc } from "@raceway/transport-grpc/server";
import { describe, expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { AddRequestSchema, EchoRequestSchema, TickSchema } from "../gen/lab/v1/lab_pb.ts";
import { from, handlers, lab, take } from "./lab.ts";
import { mirrorCodec } from "./mirror-codec.ts";
import { nodes } from "./nodes.ts";
import { hello, rawPeer } from "./raw-peer.ts";
import { street } from "./street.ts";

describe("a codec of a plugin", () => {
  it.each([
    ["a binary link", {}],
    ["a text link", { text: true }],
  ])("carries calls of all kinds, and topics, over %s", async (_, memoryOptions) => {
    const onServer = mirrorCodec();
    const onClient = mirrorCodec();
    await using it = await lab({
      server: { codecs: [onServer] },
      client: { codecs: [onClient, protoCodec()] },
      memory: memoryOptions,
    });
    const data = Uint8Array.from({ length: 256 }, (_each, at) => at);
    const reply = await it.client.echo({ text: "grüße ✓", data });
    expect(reply.text).toBe("grüße ✓");
    expect([...reply.data]).toEqual([...data]);
    expect((await take(it.client.count({ from: 1, to: 5 }), 5)).map(({ value }) => value)).toEqual([1, 2, 3, 4, 5]);
    expect((await it.client.sum(from([{ value: 4 }, { value: 5 }]))).sum).toBe(9);
    expect((await take(it.client.chat(from([{ text: "a" }, { text: "b" }])), 2)).map(({ text }) => text)).toEqual([
      "a!",
      "b!",
    ]);
    const ticks = take(it.client.ticks({ board: "x" }, { from: "start" }), 2);
    await it.clock.settle();
    await it.topics.ticks.publish({ board: "x" }, { symbol: "A", sequence: 1 });
    await it.topics.ticks.publish({ board: "x" }, { symbol: "B", sequence: 2 });
    await it.clock.settle();
    expect((await ticks).map(({ symbol }) => symbol)).toEqual(["A", "B"]);
    expect(onServer.read).toContain("EchoRequest");
    expect(onServer.written).toEqual(expect.arrayContaining(["EchoResponse", "CountResponse", "SumResponse", "Tick"]));
    expect(onClient.read.toSorted()).toEqual(onServer.written.toSorted());
    // The first call was made before a session was there: with the codec that is hoped for.
    expect(onServer.read.toSorted()).toEqual(onClient.written.toSorted());
  });

  it("keeps what a message has that this end does not know, and numbers above 2^53", async () => {
    const codec = mirrorCodec();
    const message = fromBinary(TickSchema, Uint8Array.from([0xf8, 0x7f, 1]));
    const again = codec.of(TickSchema).decode(codec.of(TickSchema).encode(message));
    expect([...toBinary(TickSchema, again)]).toEqual([0xf8, 0x7f, 1]);
  });

  it("may write text: text links show it as it is", async () => {
    const shouting = (): ReturnType<typeof mirrorCodec> => {
      const json = jsonCodec();
      return mirrorCodec((desc) => json.of(desc), { name: "plain", binary: false });
    };
    await using it = await lab({
      server: { codecs: [shouting()] },
      client: { codecs: [shouting()] },
      memory: { text: true },
    });
    expect((await it.client.echo({ text: "hello" })).text).toBe("hello");
    const peer = await rawPeer(it.memory, it.clock);
    const text = partsToJson([encodeFrame(hello({ codecs: ["plain"] }))], false);
    peer.link.send(text);
    await it.clock.settle();
    expect(peer.frames[0]).toMatchObject({ kind: "welcome", codec: "plain" });
  });
});

describe("client and server agree on", () => {
  it("the client's best codec that the server has", async () => {
    await using it = await lab({ server: { codecs: [mirrorCodec()] } });
    const welcomed = async (...codecs: string[]): Promise<string | undefined> => {
      const peer = await rawPeer(it.memory, it.clock);
      peer.say(hello({ codecs }));
      await it.clock.settle();
      const [frame] = peer.frames;
      return frame?.kind === "welcome" ? frame.codec : undefined;
    };
    expect(await welcomed("mirror", "proto")).toBe("mirror");
    expect(await welcomed("proto", "mirror")).toBe("proto");
    expect(await welcomed("cbor", "json", "mirror")).toBe("json");
  });

  it("what both have, if one lacks the best: also for calls that were made before", async () => {
    const mirror = mirrorCodec();
    await using it = await lab({ client: { codecs: [mirror, protoCodec()] } });
    const early = it.client.echo({ text: "made before there was a session" });
    const stream = take(it.client.count({ from: 1, to: 3 }), 3);
    const duplex = take(it.client.chat(from([{ text: "a" }])), 1);
    expect((await early).text).toBe("made before there was a session");
    expect((await stream).map(({ value }) => value)).toEqual([1, 2, 3]);
    expect((await duplex)[0]!.text).toBe("a!");
    expect(mirror.written.length).toBeGreaterThan(0);
    mirror.written.length = 0;
    expect((await it.client.echo({ text: "later" })).text).toBe("later");
    expect(mirror.written).toEqual([]);
    expect(mirror.read).toEqual(expect.not.arrayContaining(["EchoResponse", "CountResponse"]));
  });

  it("protobuf, if the client names none", async () => {
    await using it = await lab({ server: { codecs: [mirrorCodec()] }, client: { codecs: [] } });
    expect((await it.client.echo({ text: "x" })).text).toBe("x");
  });

  it("nothing, if they have none in common: the client is told, and its calls end", async () => {
    await using it = await lab({ client: { codecs: [mirrorCodec()] } });
    const error = await it.client.echo({ text: "x" }).catch((cause: unknown) => cause);
    expect(reasonOf(error)).toBe("codec_unsupported");
    expect(errorInfo(error)?.metadata["codecs"]).toBe("mirror");
    expect(it.connection.state.current.status).toBe("offline");
  });

  it("nothing that the client did not offer", async () => {
    await using it = await lab({ server: { codecs: [mirrorCodec()] } });
    // A server that takes no notice of what it was offered.
    const stubborn = {
      ...it.memory.client,
      start: (host: Parameters<typeof it.memory.client.start>[0]) => {
        const started = it.memory.client.start(host);
        const open: typeof started.open = (endpoint, opened, signal) =>
          started.open(
            endpoint,
            (link) => {
              let said = false;
              return opened({
                ...link,
                get buffered() {
                  return link.buffered;
                },
                pause: () => link.pause(),
                resume: () => link.resume(),
                close: (error) => link.close(error),
                send(parts) {
                  if (said) return link.send(parts);
                  said = true;
                  return link.send([encodeFrame(hello({ codecs: ["mirror"] }))]);
                },
              });
            },
            signal,
          );
        return { ...started, open };
      },
    };
    const connection = it.connect({ transports: [stubborn] });
    void labClient(connection)
      .echo({ text: "x" })
      .catch(() => {});
    await it.clock.settle();
    expect(connection.state.current).toMatchObject({ status: "offline" });
    expect(connection.state.current.reason?.message).toContain("with a codec that was not offered");
  });

  it("what the next server has, when the session moves on: what waits to be read is not lost", async () => {
    await using it = nodes();
    const mirror = mirrorCodec();
    const first = await it.start("http://a", { codecs: [mirrorCodec()] });
    const connection = it.connect("http://a", { codecs: [mirror, protoCodec()] });
    const client = labClient(connection);
    const ticks = client.ticks({ board: "x" })[Symbol.asyncIterator]();
    const one = ticks.next();
    await it.clock.settle();
    await first.topics.ticks.publish({ board: "x" }, { symbol: "A", sequence: 1 });
    expect((await it.during(one)).value).toMatchObject({ symbol: "A" });
    // Received, and not read before the codec changes.
    await first.topics.ticks.publish({ board: "x" }, { symbol: "B", sequence: 2 });
    await it.clock.advance(100);
    first.cut();
    const second = await it.start("http://a");
    await it.clock.advance(5_000);
    await second.topics.ticks.publish({ board: "x" }, { symbol: "C", sequence: 3 });
    const rest: string[] = [];
    for (let at = 0; at < 2; at++) {
      const next = await it.during(ticks.next());
      if (next.done !== true) rest.push(next.value.symbol);
    }
    expect(rest).toEqual(["B", "C"]);
    expect((await it.during(client.add({ a: 1, b: 2 }))).sum).toBe(3);
    expect([...second.calls]).toEqual(["add 1 2"]);
    expect(mirror.read.filter((type) => type === "Tick")).toEqual(["Tick", "Tick"]); // A by the reader, B when the codec changed
    await ticks.return?.();
  });
});

describe("a topic", () => {
  it("is written once per codec, however many subscribe with each", async () => {
    const onServer = mirrorCodec();
    let encoded = 0;
    const json = jsonCodec();
    const counting = mirrorCodec(
      (desc) => ({
        encode(message: never) {
          encoded++;
          return json.of(desc).encode(message);
        },
        decode: (bytes: Uint8Array) => json.of(desc).decode(bytes),
      }),
      { name: "json", binary: false },
    );
    await using it = await lab({ server: { codecs: [onServer, counting] } });
    const readers = [[protoCodec()], [mirrorCodec()], [jsonCodec()]].flatMap((codecs) =>
      [1, 2, 3].map(() => take(labClient(it.connect({ codecs })).ticks({ board: "x" }), 2)),
    );
    await it.clock.settle();
    onServer.written.length = encoded = 0;
    await it.topics.ticks.publish({ board: "x" }, { symbol: "A", sequence: 1 });
    await it.topics.ticks.publish({ board: "x" }, { symbol: "B", sequence: 2 });
    await it.clock.settle();
    for (const ticks of await Promise.all(readers)) expect(ticks.map(({ symbol }) => symbol)).toEqual(["A", "B"]);
    expect(onServer.written).toEqual(["Tick", "Tick"]);
    expect(encoded).toBe(2);
  });

  it("is kept in protobuf, so each subscriber gets what was published before he had his codec", async () => {
    const kept: Uint8Array[] = [];
    const inner = memory();
    const backplane: Backplane = {
      ...inner,
      async start(host) {
        const started = await inner.start(host);
        const { log } = started;
        return Object.assign(Object.create(started) as typeof started, {
          log: Object.assign(Object.create(log) as typeof log, {
            append: (...how: Parameters<typeof log.append>) => {
              kept.push(...how[1].map(({ payload }) => payload.slice()));
              return log.append(...how);
            },
            head: (key: string) => log.head(key),
            read: (...how: Parameters<typeof log.read>) => log.read(...how),
            follow: (...how: Parameters<typeof log.follow>) => log.follow(...how),
          }),
        });
      },
    };
    await using it = await lab({ server: { codecs: [mirrorCodec()], backplane } });
    await it.topics.ticks.publish({ board: "x" }, { symbol: "A", sequence: 7 });
    expect(fromBinary(TickSchema, kept[0]!)).toMatchObject({ symbol: "A", sequence: 7 });
    const client = labClient(it.connect({ codecs: [mirrorCodec()] }));
    const read = take(client.ticks({ board: "x" }, { from: "start" }), 1);
    await it.clock.settle();
    expect((await read)[0]).toMatchObject({ symbol: "A", sequence: 7 });
  });
});

it("bounds hold for payloads of any codec", async () => {
  await using it = await lab({
    server: { codecs: [mirrorCodec()], limits: { messageBytes: 2_000, messageBytesOut: 1_000 } },
    client: { codecs: [mirrorCodec()] },
  });
  await it.client.echo({ text: "small" });
  const reasons = await Promise.all(
    [3_000, 1_500].map((size) => it.client.echo({ text: "x".repeat(size) }).then(() => undefined, reasonOf)),
  );
  expect(reasons).toEqual(["message_too_large", "message_too_large"]);
});

it("a codec that writes many times as much as protobuf has its topics in pieces that a batch carries", async () => {
  const proto = protoCodec();
  const wordy = defineCodec({
    name: "wordy",
    binary: true,
    of: (desc) => ({
      encode: (message) => Buffer.concat([proto.of(desc).encode(message)], 6_000), // zeros follow
      decode(bytes) {
        let end = bytes.length;
        while (bytes[end - 1] === 0) end--;
        return proto.of(desc).decode(bytes.subarray(0, end));
      },
    }),
  });
  await using it = await lab({ server: { codecs: [wordy] }, client: { codecs: [wordy] } });
  const all = Array.from({ length: 800 }, (_, at) => at + 1);
  const live = take(it.client.ticks({ board: "x" }), all.length);
  await it.clock.settle();
  for (const sequence of all) void it.topics.ticks.publish({ board: "x" }, { sequence });
  await it.clock.advance(5_000);
  expect((await live).map(({ sequence }) => sequence)).toEqual(all);
});

it("the negotiation document names the codecs, and native doors know protobuf and JSON only", async () => {
  const app = raceway({ transports: [grpc()], codecs: [mirrorCodec()] });
  await using _ = app;
  app.serve(labService, handlers([], { after: () => ({ [Symbol.dispose]() {} }) }));
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  const document = (await (await fetch(`${url}/.well-known/raceway`)).json()) as { readonly codecs: string[] };
  expect(document.codecs).toEqual(["mirror", "proto", "json"]);
  const echo = async (type: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
    fetch(`${url}/lab.v1.LabService/Echo`, { method: "POST", headers: { "content-type": type }, body });
  expect((await echo("application/mirror", new Uint8Array([1, 2]))).status).toBe(415);
  const json = await echo("application/json", '{"text":"x"}');
  expect(await json.json()).toMatchObject({ text: "x" });
  const proto = await echo("application/proto", toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: "y" })));
  expect(proto.status).toBe(200);
});

it("a server's own JSON gives way to one that is given", async () => {
  await using it = await lab({ server: { codecs: [jsonCodec({ jsonDepth: 1 })] } });
  const client = labClient(it.connect({ codecs: [jsonCodec()] }));
  expect((await client.echo({ text: "flat" })).text).toBe("flat");
  const deeper = client.echo({ tags: { some: "more" } });
  expect(reasonOf(await deeper.catch((error: unknown) => error))).toBe("payload_malformed");
});

describe("kept calls", () => {
  it("come back to who made them if the next session has another codec than they were written with", async () => {
    await using it = await street();
    const first = await it.page(true, { codecs: [jsonCodec(), protoCodec()] });
    void first.client.add({ a: 1, b: 2 }).catch(() => {});
    await it.clock.settle();
    first.die();
    expect([...it.disk.entries.values()].map(({ codec }) => codec)).toEqual(["json"]);
    const second = await it.page(false, { codecs: [protoCodec(), jsonCodec()] });
    await it.clock.advance(60_000);
    const [call] = second.restored;
    expect(reasonOf(call!.error)).toBe("codec_unsupported");
    // What was asked is there still, and the key with which it can be asked again, to run once.
    const { a, b } = call!.request(AddRequestSchema);
    expect((await second.client.add({ a, b }, { headers: { "idempotency-key": call!.key } })).sum).toBe(3);
    expect(it.calls).toEqual(["add 1 2"]);
    await it.clock.settle();
    expect(it.disk.entries.size).toBe(0);
  });

  it("are sent with the codec that wrote them if the session has it", async () => {
    await using it = await street();
    const first = await it.page(true, { codecs: [jsonCodec()] });
    void first.client.add({ a: 1, b: 2 }).catch(() => {});
    await it.clock.settle();
    first.die();
    const second = await it.page(false, { codecs: [jsonCodec(), protoCodec()] });
    await it.clock.advance(60_000);
    expect(second.restored.map(({ error }) => error)).toEqual([undefined]);
    expect(it.calls).toEqual(["add 1 2"]);
  });
});
