// Row 10: what compression costs with many subscribers. A context per socket is 250 KB each; here a publication is compressed once, and a subscriber
// costs next to nothing more than without.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Plugin, type SharedCoder, type Stations, memoryTransport } from "@raceway/core";
import { compression } from "@raceway/middleware/compression";
import { type Raceway, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { type RawPeer, hello, open, rawPeer } from "../app/raw-peer.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { TicksRequestSchema } from "../gen/lab/v1/lab_pb.ts";

const SUBSCRIBERS = 10_000;
const PUBLICATIONS = 50;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
function memory(): number {
  for (let round = 0; round < 3; round++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external; // of which array buffers are a part
}

/** Compression, and how often it compresses for a topic. */
function counting(): { readonly plugin: Plugin; readonly done: { shared: number } } {
  const done = { shared: 0 };
  const inner = compression();
  const plugin: Plugin = {
    ...inner,
    async start(host): Promise<Stations> {
      const { batch } = await inner.start(host);
      const share = (name: string): SharedCoder => {
        const coder = batch!.share!(name);
        return {
          get dictionary() {
            return coder.dictionary;
          },
          said: (group) => coder.said?.(group),
          encode(group, audience) {
            done.shared++;
            return coder.encode(group, audience);
          },
        };
      };
      return { batch: { ...batch!, share } };
    },
  };
  return { plugin, done };
}

/**
 * Memory that a subscriber holds after all was said, in bytes. Both ends are in this process; what they hold stays until `close`, so that one
 * measurement is not credited with what another frees.
 */
async function each(
  subscribers: number,
  plugin: Plugin | undefined,
  coders: readonly string[],
): Promise<{ readonly bytes: number; close(): Promise<void> }> {
  const clock = virtualClock();
  const transport = memoryTransport();
  const app: Raceway = raceway({
    transports: [transport.server],
    clock,
    use: [plugin],
    limits: { sessionsPerAddress: 1_000_000 },
  });
  const topics = app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const payload = toBinary(TicksRequestSchema, create(TicksRequestSchema, { board: "b" }));
  const before = memory();
  const peers: RawPeer[] = [];
  for (let at = 0; at < subscribers; at++) {
    const peer = await rawPeer({ client: transport.client }, clock);
    peer.say(hello({ coders }));
    peer.say(open(1, "/lab.v1.LabService/Ticks", { payload }));
    peers.push(peer);
  }
  await clock.settle();
  for (let sequence = 1; sequence <= PUBLICATIONS; sequence++) {
    void topics.ticks.publish({ board: "b" }, { sequence, symbol: `what was said, number ${sequence}; `.repeat(20) });
    await clock.settle();
    if (sequence === PUBLICATIONS)
      for (const { frames } of peers) expect(frames.at(-1)?.kind).toBe(coders.length > 0 ? "coded" : "publication");
    for (const { frames } of peers) frames.length = 0; // they have read it
  }
  const bytes = (memory() - before) / subscribers;
  return {
    bytes,
    async close() {
      await app.close(0);
      expect(peers).toHaveLength(subscribers);
    },
  };
}

it("10,000 compressed subscribers cost no more than a kilobyte each above plain ones, and one compression a publication", async () => {
  const warm = [await each(500, undefined, []), await each(500, counting().plugin, ["deflate"])]; // compiled code is nobody's
  const plain = await each(SUBSCRIBERS, undefined, []);
  const { plugin, done } = counting();
  const compressed = await each(SUBSCRIBERS, plugin, ["deflate"]);
  expect(done.shared).toBe(PUBLICATIONS);
  expect(plain.bytes).toBeGreaterThan(1_000); // else it is not measured at all
  expect(compressed.bytes - plain.bytes).toBeGreaterThan(0);
  expect(compressed.bytes - plain.bytes).toBeLessThan(1_024);
  for (const { close } of [...warm, plain, compressed]) await close();
}, 60_000);
