// The batch station: coders of one's own, agreed on by name; in order, even where they take their time.
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { type BatchCoder, type Plugin, batchStation, definePlugin } from "@raceway/core";
import { type CodedFrame, type Frame, encodeFrame } from "@raceway/core/internal";
import { describe, expect, it } from "vitest";
import { type Lab, from, lab, take } from "../app/lab.ts";
import { hello, open, rawPeer, welcomeOf } from "../app/raw-peer.ts";

const text = "all is quiet in the market today; ".repeat(20);
const zip = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(deflateRawSync(Buffer.concat(parts)));
const unzip = (bytes: Uint8Array, maxOutputLength: number): Uint8Array =>
  new Uint8Array(inflateRawSync(bytes, { maxOutputLength }));

/** A plugin that compresses what is worth it, and counts. `wait`: it answers with promises. */
function zipping(
  wireNames: readonly string[],
  options: { readonly shared?: boolean; readonly wait?: () => Promise<void>; readonly name?: string } = {},
): { readonly plugin: Plugin; readonly counts: { encoded: number; decoded: number; shared: number } } {
  const counts = { encoded: 0, decoded: 0, shared: 0 };
  const { wait } = options;
  const coder: BatchCoder = {
    encode(parts) {
      if (parts.reduce((bytes, part) => bytes + part.length, 0) < 60) return undefined;
      counts.encoded++;
      const coded = zip(parts);
      return wait === undefined ? coded : wait().then(() => coded);
    },
    decode(coded, maxBytes) {
      counts.decoded++;
      const plain = unzip(coded, maxBytes);
      return wait === undefined ? plain : wait().then(() => plain);
    },
  };
  const share = (): { dictionary: undefined; encode(group: Uint8Array): Uint8Array } => ({
    dictionary: undefined,
    encode(group) {
      counts.shared++;
      return zip([group]);
    },
  });
  const batch = batchStation({ wireNames, open: () => coder, ...(options.shared === true && { share }) });
  return { plugin: definePlugin({ name: options.name ?? "zipping", start: () => ({ batch }) }), counts };
}

/** A raw peer that has made its handshake, offering these coders. */
async function greeted(of: Lab, coders: readonly string[]): ReturnType<typeof rawPeer> {
  const peer = await rawPeer(of.memory, of.clock);
  peer.say(hello({ coders }));
  await of.clock.settle();
  return peer;
}
const coded = (frame: Partial<CodedFrame>): Frame => ({
  kind: "coded",
  coder: 0,
  dictionary: 0,
  data: new Uint8Array(0),
  defines: 0,
  ...frame,
});
const reasonsOf = (peer: Awaited<ReturnType<typeof rawPeer>>): string[] =>
  peer.frames.flatMap((frame) => (frame.kind === "goaway" ? [JSON.stringify(frame.status?.message)] : []));

describe("agreeing on coders", () => {
  it("takes of each of the server's stations the first that the client names, in the server's order", async () => {
    const one = zipping(["a", "b"]);
    const two = zipping(["x", "y"], { name: "another" });
    await using world = await lab({ server: { use: [one.plugin, two.plugin] } });
    const chosen = async (coders: readonly string[]): Promise<readonly string[] | undefined> =>
      welcomeOf(await greeted(world, coders)).coders;
    expect(await chosen(["y", "b", "a"])).toEqual(["b", "y"]);
    expect(await chosen(["q", "x"])).toEqual(["x"]);
    expect(await chosen(["q"])).toBeUndefined();
    expect(await chosen([])).toBeUndefined();
  });

  it("is nothing without a plugin on the other side: batches are plain, both ways", async () => {
    const { plugin, counts } = zipping(["a"]);
    await using server = await lab({ server: { use: [plugin] } });
    expect((await server.client.echo({ text })).text).toBe(text);
    await using client = await lab({ client: { use: [plugin] } });
    expect((await client.client.echo({ text })).text).toBe(text);
    expect(counts).toEqual({ encoded: 0, decoded: 0, shared: 0 });
  });

  it("is not for links of text", async () => {
    const { plugin, counts } = zipping(["a"]);
    await using world = await lab({ server: { use: [plugin] }, client: { use: [plugin] }, memory: { text: true } });
    expect((await world.client.echo({ text })).text).toBe(text);
    expect(counts.encoded).toBe(0);
  });

  it("codes calls both ways where both have it", async () => {
    const { plugin, counts } = zipping(["a"]);
    await using world = await lab({ server: { use: [plugin] }, client: { use: [plugin] } });
    expect((await world.client.echo({ text })).text).toBe(text);
    expect(counts.encoded).toBe(counts.decoded);
    expect(counts.encoded).toBeGreaterThanOrEqual(2);
  });

  it("applies two stations one around the other", async () => {
    const one = zipping(["a"]);
    const two = zipping(["x"], { name: "another" });
    const use = [one.plugin, two.plugin];
    await using world = await lab({ server: { use }, client: { use } });
    expect((await world.client.echo({ text })).text).toBe(text);
    expect(one.counts.decoded).toBeGreaterThanOrEqual(2);
    expect(two.counts.encoded).toBeGreaterThanOrEqual(2);
  });
});

describe("what a topic says", () => {
  it("is coded once for all subscribers, who all get it", async () => {
    const { plugin, counts } = zipping(["a"], { shared: true });
    await using world = await lab({ server: { use: [plugin] }, client: { use: [plugin] } });
    const readers = Array.from({ length: 20 }, () => world.connect());
    const { labClient } = await import("../gen/lab/v1/lab.client.ts");
    const reading = readers.map((connection) => take(labClient(connection).ticks({ board: "b" }), 3));
    await world.clock.advance(100);
    for (let sequence = 1; sequence <= 3; sequence++) {
      await world.topics.ticks.publish({ board: "b" }, { sequence, symbol: text });
      await world.clock.advance(10);
    }
    for (const ticks of await Promise.all(reading))
      expect(ticks.map((tick) => [tick.sequence, tick.symbol])).toEqual([1, 2, 3].map((each) => [each, text]));
    expect(counts.shared).toBe(3);
  });

  it("is sent plain to those who have no coder, beside those who have", async () => {
    const { plugin } = zipping(["a"], { shared: true });
    await using world = await lab({ server: { use: [plugin] } });
    const { labClient } = await import("../gen/lab/v1/lab.client.ts");
    const readers = [world.connection, world.connect({ use: [plugin] })];
    const reading = readers.map((connection) => take(labClient(connection).ticks({ board: "b" }), 1));
    await world.clock.advance(100);
    await world.topics.ticks.publish({ board: "b" }, { sequence: 7, symbol: text });
    await world.clock.advance(10);
    for (const [tick] of await Promise.all(reading)) expect(tick?.symbol).toBe(text);
  });
});

describe("a coder that answers with promises", () => {
  /** Each answer takes another time, a short one after a long one. */
  const slow = (world: () => Lab): (() => Promise<void>) => {
    let turn = 0;
    return () => new Promise((resolve) => world().clock.after([70, 1, 30, 5][turn++ % 4]!, resolve));
  };

  it("keeps the order of streams and topics, on the way there and back", async () => {
    let world!: Lab;
    const { plugin, counts } = zipping(["a"], { wait: slow(() => world) });
    world = await lab({ server: { use: [plugin] }, client: { use: [plugin] } });
    await using _ = world;
    const said = Array.from({ length: 40 }, (_, at) => ({ text: `${at} ${at % 3 === 0 ? text : ""}` }));
    const chat = take(world.client.chat(from(said)), said.length);
    const ticks = take(world.client.ticks({ board: "b" }), 30);
    await world.clock.advance(500);
    for (let sequence = 1; sequence <= 30; sequence++) {
      void world.topics.ticks.publish({ board: "b" }, { sequence, symbol: sequence % 2 === 0 ? text : "" });
      if (sequence % 4 === 0) await world.clock.advance(3);
    }
    await world.clock.advance(10_000);
    expect((await chat).map((message) => message.text)).toEqual(said.map((message) => `${message.text}!`));
    expect((await ticks).map(({ sequence }) => sequence)).toEqual(Array.from({ length: 30 }, (_, at) => at + 1));
    expect(counts.encoded).toBeGreaterThan(5);
  });

  it("loses nothing when the link dies with batches under way", async () => {
    let world!: Lab;
    const { plugin } = zipping(["a"], { wait: slow(() => world) });
    world = await lab({ server: { use: [plugin] }, client: { use: [plugin], backoff: { firstMs: 5, capMs: 10 } } });
    await using _ = world;
    const said = Array.from({ length: 30 }, (_, at) => ({ text: `${at} ${text}` }));
    const chat = take(world.client.chat(from(said)), said.length);
    for (let cut = 0; cut < 6; cut++) {
      await world.clock.advance(40 + cut * 17);
      world.memory.cut();
    }
    await world.clock.advance(20_000);
    expect((await chat).map((message) => message.text)).toEqual(said.map((message) => `${message.text}!`));
  });

  it("says what was said before the end, before the end", async () => {
    let world!: Lab;
    const { plugin } = zipping(["a"], { wait: slow(() => world) });
    world = await lab({ server: { use: [plugin] }, client: { use: [plugin] } });
    await using _ = world;
    const echo = world.client.echo({ text });
    await world.clock.advance(5);
    expect(world.calls).toEqual([]);
    await world.clock.advance(500);
    expect((await echo).text).toBe(text);
    expect(world.calls[0]).toBe(`echo ${text}`);
  });
});

describe("hostile peers", () => {
  const { plugin } = zipping(["a", "b"]);
  const echo = open(1, "/lab.v1.LabService/Echo");
  it.each<[string, Frame, string]>([
    ["a coder that was not agreed on", coded({ coder: 1, data: zip([encodeFrame(echo)]) }), "not agreed on"],
    ["what is no coded batch", coded({ data: Uint8Array.of(1, 2, 3, 255) }), "cannot be decoded"],
    ["nothing", coded({}), "cannot be decoded"],
    [
      "a batch coded twice by the same",
      coded({ data: zip([encodeFrame(coded({ data: zip([encodeFrame(echo)]) }))]) }),
      "twice by one",
    ],
    ["a dictionary", coded({ defines: 1, data: zip([new Uint8Array(500)]) }), "dictionary from a client"],
    ["a dictionary that was not defined", coded({ dictionary: 3, data: zip([encodeFrame(echo)]) }), "was not defined"],
    ["what is no batch", coded({ data: zip([Buffer.from("neither a batch nor text")]) }), "a batch begins with"],
    ["more than a hundred times its size", coded({ data: zip([new Uint8Array(1_000_000)]) }), "become more than"],
  ])("%s ends the link, and no other", async (_, frame, why) => {
    await using world = await lab({ server: { use: [plugin] } });
    const peer = await greeted(world, ["a"]);
    peer.say(frame);
    await world.clock.settle();
    expect(reasonsOf(peer).join()).toContain(why);
    expect(peer.closed).toBe(true);
    expect((await world.client.echo({ text: "still here" })).text).toBe("still here");
  });

  it("a coded frame where no coder was agreed on ends the link", async () => {
    await using world = await lab();
    const peer = await greeted(world, ["a"]);
    peer.say(coded({ data: zip([encodeFrame(echo)]) }));
    await world.clock.settle();
    expect(reasonsOf(peer).join()).toContain("Frame coded is not allowed after the handshake");
    expect(peer.closed).toBe(true);
  });

  it("many small bombs in one batch are bounded together", async () => {
    await using world = await lab({ server: { use: [plugin], limits: { decodedBytes: 40_000 } } });
    const peer = await greeted(world, ["a"]);
    const pings = new Uint8Array(4_000 - (4_000 % 4)).map((_, at) => [0x0a, 2, 0x5a, 0][at % 4]!);
    peer.say(...Array.from({ length: 9 }, () => coded({ data: zip([pings.subarray(0, 400)]) })));
    await world.clock.settle();
    expect(peer.closed).toBe(false);
    peer.say(...Array.from({ length: 11 }, () => coded({ data: zip([pings]) })));
    await world.clock.settle();
    expect(reasonsOf(peer).join()).toContain("limits.decodedBytes");
    expect(peer.closed).toBe(true);
  });
});
