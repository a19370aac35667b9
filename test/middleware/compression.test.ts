// Compression by every transport that carries binary: the same comes out, less goes in, and no bomb goes off.
import { createHash } from "node:crypto";
import { brotliCompressSync, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import { connect } from "@raceway/client";
import { type ClientTransport, memoryTransport, reasonOf } from "@raceway/core";
import { type CodedFrame, type Frame, encodeFrame, encodePublication, readBatch } from "@raceway/core/internal";
import { nodeClock } from "@raceway/core/node";
import { compression } from "@raceway/middleware/compression";
import { raceway } from "@raceway/server";
import { grpc as grpcLink } from "@raceway/transport-grpc/client";
import { grpc } from "@raceway/transport-grpc/server";
import { poll as pollLink } from "@raceway/transport-poll/client";
import { poll } from "@raceway/transport-poll/server";
import { sse as sseLink } from "@raceway/transport-sse/client";
import { sse } from "@raceway/transport-sse/server";
import { websocket as websocketLink } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { describe, expect, it, vi } from "vitest";
import { from, handlers, take } from "../app/lab.ts";
import { type RawPeer, hello, open, rawPeer, welcomeOf } from "../app/raw-peer.ts";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";

const algorithms = ["deflate", "zstd", "br", "gzip"] as const;
const links: Readonly<Record<string, () => ClientTransport>> = {
  websocket: websocketLink,
  sse: sseLink,
  poll: pollLink,
  grpc: grpcLink,
};
const encoders: Readonly<Record<(typeof algorithms)[number], (bytes: Uint8Array) => Uint8Array>> = {
  deflate: (bytes) => deflateRawSync(bytes),
  zstd: (bytes) => zstdCompressSync(bytes),
  br: (bytes) => brotliCompressSync(bytes),
  gzip: (bytes) => gzipSync(bytes),
};

/** Made before anybody looks at memory. */
const bombs = new Map(algorithms.map((name) => [name, encoders[name](new Uint8Array(64 * 1024 * 1024))]));

interface Served extends AsyncDisposable {
  readonly url: string;
  readonly topics: LabPublishers;
  client(transport: ClientTransport, use?: Parameters<typeof compression>[0]): LabClient;
}

async function served(options: Parameters<typeof compression>[0] = {}): Promise<Served> {
  const app = raceway({ transports: [websocket(), sse(), poll(), grpc()], use: [compression(options)] });
  const topics = app.serve(labService, handlers([], nodeClock()));
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  const closers: (() => Promise<void>)[] = [];
  return {
    url,
    topics,
    client(transport, use) {
      const connection = connect(url, { transports: [transport], use: [compression(use)], probeMs: 0 });
      closers.push(() => connection.close());
      return labClient(connection);
    },
    async [Symbol.asyncDispose]() {
      for (const close of closers) await close();
      await app.close(0);
    },
  };
}

/** Compresses well, and is not the same all through. */
const prose = (bytes: number): string =>
  Array.from({ length: Math.ceil(bytes / 40) }, (_, at) => `line ${at} of what there is to be said today; `)
    .join("")
    .slice(0, bytes);
/** Does not compress. */
const noise = (bytes: number): Uint8Array => {
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 32)
    all.set(
      createHash("sha256")
        .update(String(at))
        .digest()
        .subarray(0, bytes - at),
      at,
    );
  return all;
};
const coded = (data: Uint8Array, more: Partial<CodedFrame> = {}): Frame => ({
  kind: "coded",
  coder: 0,
  dictionary: 0,
  data,
  defines: 0,
  ...more,
});
async function greeted(url: string, transport: ClientTransport, coder: string): Promise<RawPeer> {
  const peer = await rawPeer({ client: transport }, nodeClock(), url);
  peer.say(hello({ coders: [coder] }));
  await vi.waitFor(() => expect(welcomeOf(peer).coders).toEqual([coder]), { timeout: 5_000 });
  return peer;
}

describe.each(Object.entries(links))("over %s", (_, link) => {
  it.each(algorithms)("%s gives what was said, large and small, both ways", async (algorithm) => {
    await using world = await served();
    const client = world.client(link(), { algorithms: [algorithm] });
    for (const size of [0, 1, 299, 300, 5_000, 400_000]) {
      const text = prose(size);
      const data = noise(size);
      const reply = await client.echo({ text, data });
      expect(reply.text).toBe(text);
      expect(Buffer.compare(reply.data, data)).toBe(0);
    }
    const said = Array.from({ length: 20 }, (__, at) => ({ text: `${at} ${prose(at * 100)}` }));
    expect((await take(client.chat(from(said)), 20)).map(({ text }) => text)).toEqual(
      said.map(({ text }) => `${text}!`),
    );
    const heard: (readonly [number, string])[] = [];
    const ticks = (async (): Promise<void> => {
      for await (const { sequence, symbol } of client.ticks({ board: "b" })) {
        heard.push([sequence, symbol]);
        if (sequence === 80) return;
      }
    })();
    // The first ones are said until the subscription stands.
    let sequence = 0;
    const say = async (): Promise<void> => {
      sequence++;
      await world.topics.ticks.publish({ board: "b" }, { sequence, symbol: `ACME ${prose(sequence * 10)}` });
    };
    for (; heard.length === 0; await client.echo({ text: "" })) await say();
    expect(sequence).toBeLessThan(20);
    while (sequence < 80) await say();
    await ticks;
    expect(heard).toEqual(heard.map((_, at) => [heard[0]![0] + at, `ACME ${prose((heard[0]![0] + at) * 10)}`]));
  });

  it.each(algorithms)("a bomb in %s ends its link, and nothing else", async (algorithm) => {
    await using world = await served();
    const peer = await greeted(world.url, link(), algorithm);
    const heap = process.memoryUsage().arrayBuffers;
    peer.say(coded(bombs.get(algorithm)!));
    await vi.waitFor(() => expect(peer.closed).toBe(true), { timeout: 5_000 });
    const [reason] = peer.frames.flatMap((frame) => (frame.kind === "goaway" ? [frame.status?.message] : []));
    expect(reason).toMatch(/^Coded bytes \(\d+\) become more than \d+\./);
    expect(process.memoryUsage().arrayBuffers - heap).toBeLessThan(32 * 1024 * 1024);
    expect((await world.client(link()).echo({ text: "others live" })).text).toBe("others live");
  });

  it.each(algorithms)("%s that lies, is cut off, or holds more of the same ends its link", async (algorithm) => {
    await using world = await served();
    const encode = encoders[algorithm];
    const batch = encodeFrame(open(1, "/lab.v1.LabService/Echo"));
    const whole = encode(batch);
    const lying = whole.slice();
    lying[lying.length - 1]! ^= 0x55; // gzip: the length; elsewhere the last of the content
    const broken: readonly [string, Uint8Array][] = [
      ["cut off", whole.subarray(0, whole.length - 3)],
      ["in itself", encode(encodeFrame(coded(whole)))],
      ["compressed again, and not said so", encode(whole)],
      ...(algorithm === "gzip" ? [["with a length that lies", lying] as [string, Uint8Array]] : []),
    ];
    for (const [what, bytes] of broken) {
      const peer = await greeted(world.url, link(), algorithm);
      peer.say(coded(bytes));
      await vi.waitFor(() => expect(peer.closed, what).toBe(true), { timeout: 5_000 });
    }
    expect((await world.client(link()).echo({ text: "others live" })).text).toBe("others live");
  });
});

describe("what a topic says", () => {
  /** What a subscriber is sent for each publication, in bytes, its dictionary apart. */
  async function sizes(
    algorithm: string,
    count: number,
    event: (at: number) => string,
  ): Promise<{
    readonly each: readonly number[];
    readonly dictionaries: number;
  }> {
    const memory = memoryTransport();
    await using app = raceway({ transports: [memory.server], use: [compression()] });
    const topics = app.serve(labService, handlers([], nodeClock()));
    await app.listen({ port: 0, host: "127.0.0.1" });
    const peer = await greeted("http://lab", memory.client, algorithm);
    const { TicksRequestSchema } = await import("../gen/lab/v1/lab_pb.ts");
    const { create, toBinary } = await import("@bufbuild/protobuf");
    const payload = toBinary(TicksRequestSchema, create(TicksRequestSchema, { board: "b" }));
    peer.say(open(1, "/lab.v1.LabService/Ticks", { payload }));
    await vi.waitFor(() => expect(peer.frames.some(({ kind }) => kind === "topic")).toBe(true));
    const each: number[] = [];
    let dictionaries = 0;
    for (let at = 0; at < count; at++) {
      const before = peer.frames.length;
      await topics.ticks.publish({ board: "b" }, { sequence: at, symbol: event(at) });
      await vi.waitFor(() => expect(peer.frames.length).toBeGreaterThan(before), { interval: 1 });
      let bytes = 0;
      for (const frame of peer.frames.slice(before)) {
        if (frame.kind === "coded" && frame.defines > 0) dictionaries++;
        else bytes += encodeFrame(frame).length;
      }
      each.push(bytes);
    }
    return { each, dictionaries };
  }
  const row = (at: number): string =>
    `{"symbol":"ACME","date":"Jan ${(at % 28) + 1} 2024","price":${100 + ((at * 37) % 50)}}`;

  it.each(["deflate", "zstd"])("shrinks though it is small, once the topic has a dictionary: %s", async (algorithm) => {
    const { each, dictionaries } = await sizes(algorithm, 120, row);
    expect(dictionaries).toBe(1);
    const plain = encodePublication(1, 100, Buffer.from(row(100))).length;
    expect(each[0]).toBeGreaterThanOrEqual(plain); // nothing under 300 bytes without a dictionary
    expect(each.at(-1)).toBeLessThan(plain * 0.6);
  });

  it.each(["br", "gzip"])("is not touched by %s, which knows no dictionaries, while it is small", async (algorithm) => {
    const { each, dictionaries } = await sizes(algorithm, 100, row);
    expect(dictionaries).toBe(0);
    expect(Math.min(...each)).toBeGreaterThanOrEqual(encodePublication(1, 1, Buffer.from(row(0))).length - 2);
  });

  it("which cannot be compressed goes as it is", async () => {
    const { each } = await sizes("deflate", 20, (at) =>
      Buffer.from(noise(600 + at))
        .toString("latin1")
        .replace(/[^!-~]/g, "x"),
    );
    expect(Math.max(...each)).toBeLessThan(700);
  });
});

it("tells on the user's own line what is no algorithm", () => {
  for (const algorithms of [["rar"], []]) {
    let error: unknown;
    try {
      compression({ algorithms });
    } catch (thrown) {
      error = thrown;
    }
    expect(reasonOf(error)).toBe("option_invalid");
  }
});

it("handshakes are never coded", async () => {
  await using world = await served();
  const first: Frame[] = [];
  const peer = await rawPeer({ client: websocketLink() }, nodeClock(), world.url);
  peer.say(hello({ coders: ["deflate"], header: [{ key: "x", value: prose(2_000) }] }));
  await vi.waitFor(() => expect(welcomeOf(peer).coders).toEqual(["deflate"]));
  first.push(peer.frames[0]!);
  expect(first[0]!.kind).toBe("welcome");
  expect(() => readBatch(encodeFrame(first[0]!), { jsonDepth: 64 }, () => {})).not.toThrow();
});
