// What the two ends say of their versions is between them: nobody else says it, sees it, or gets anything by forging it.
import { toBinary } from "@bufbuild/protobuf";
import { type ConnectError, createClient } from "@connectrpc/connect";
import { type Connection, connect } from "@raceway/client";
import {
  type ChannelContract,
  type ClientTransport,
  type LimitOptions,
  type Plugin,
  definePlugin,
  errorInfo,
  fail,
  memoryTransport,
  reasonOf,
} from "@raceway/core";
import { type Frame, type HeaderField, encodeFrame, readBatch } from "@raceway/core/internal";
import { type Raceway, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { hello, open, rawPeer } from "../app/raw-peer.ts";
import { shopClient as newClient } from "./gen/new/shop/v1/shop.client.ts";
import { shopClient as oldClient } from "./gen/old/shop/v1/shop.client.ts";
import * as old from "./gen/old/shop/v1/shop_pb.ts";
import { failure, versions } from "./mismatch.ts";
import { newShop, oldShop } from "./shops.ts";

interface Shop extends AsyncDisposable {
  readonly app: Raceway;
  readonly memory: ReturnType<typeof memoryTransport>;
  readonly clock: VirtualClock;
  /** Headers that are ours, as handlers saw them. */
  readonly seen: string[];
  connect(transport?: ClientTransport, use?: readonly Plugin[], limits?: LimitOptions): Connection;
}

async function shop(
  version: "old" | "new",
  {
    use = [],
    limits = {},
    channels = {},
  }: {
    readonly use?: readonly Plugin[];
    readonly limits?: LimitOptions;
    /** Contracts in place of those of the schema. */
    readonly channels?: Readonly<Record<string, ChannelContract>>;
  } = {},
): Promise<Shop> {
  const memory = memoryTransport();
  const clock = virtualClock();
  const seen: string[] = [];
  const app = raceway({ transports: [memory.server], clock, use, limits });
  (version === "old" ? oldShop : newShop)(app, seen, channels);
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connections: Connection[] = [];
  return {
    app,
    memory,
    clock,
    seen,
    connect(transport = memory.client, use = [], limits = {}) {
      const connection = connect("http://shop", { transports: [transport], clock, use, limits });
      connections.push(connection);
      return connection;
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) await connection.close();
      await app.close(0);
    },
  };
}

describe("a client's claim that is none", () => {
  it.each([
    ["nothing", ""],
    ["another text", "x"],
    ["a long text", `00000000 ${"a".repeat(10_000)}`],
    ["more than a claim", "00000000 call 1 2 3 ; drop"],
    ["many fields", `00000000 call${" 1".repeat(1000)}`],
    ["letters beyond ASCII", "00000000 \u00e9"],
    ["a claim in half a megabyte of space", `${" ".repeat(500_000)}00000000 topic 1`],
  ])("%s: the call goes on, and its handler sees nothing of it", async (_, value) => {
    await using it = await shop("old");
    const peer = await rawPeer(it.memory, it.clock);
    peer.say(hello());
    const payload = toBinary(old.OrderRequestSchema, { $typeName: "shop.v1.OrderRequest" });
    peer.say(open(1, "/shop.v1.ShopService/Order", { payload, header: [{ key: "raceway-channel", value }] }));
    await it.clock.settle();
    const end = peer.frames.find((frame) => frame.kind === "end");
    expect(end).toMatchObject({ call: 1, status: undefined, header: [] });
    expect(it.seen).toEqual(["order "]);
  });
});

it("what clients of other versions are remembered by counts with what sessions without a link keep", async () => {
  await using it = await shop("old", { limits: { detachedBytes: 10_000 } });
  const known = it.app.channels.map(({ path }) => path);
  const made = Array.from({ length: 100 }, (_, at) => `/shop.v1.ShopService/M${at}`);
  for (const [paths, least] of [
    [known, known.length * 130],
    [made, 64 * 130],
    [[], 0],
  ] as const) {
    const value = `00000000 topic${" 1".repeat(16)}`;
    for (let session = 0; session < 30; session++) {
      const peer = await rawPeer(it.memory, it.clock);
      peer.say(hello());
      for (const [at, path] of paths.entries())
        peer.say(open(at + 1, path, { header: [{ key: "raceway-channel", value }] }));
      await it.clock.settle();
      peer.say({ kind: "ack", received: paths.length, from: undefined }); // what is sent again counts, too, and is not meant here
      await it.clock.settle();
      it.memory.cut();
      await it.clock.settle();
    }
    if (least === 0) expect(it.app.sessions).toBe(30);
    else expect(it.app.sessions).toBeLessThanOrEqual(10_000 / least);
    await it.clock.advance(120_000);
    expect(it.app.sessions).toBe(0);
  }
});

/** A client's transport over which the server's frames are changed. */
function tampered(client: ClientTransport, change: (frame: Frame) => Frame): ClientTransport {
  return {
    ...client,
    start(host) {
      const started = client.start(host);
      return {
        ...started,
        open: (endpoint, opened, signal) =>
          started.open(
            endpoint,
            (link) => {
              const receiver = opened(link);
              return {
                batch(bytes) {
                  const frames: Uint8Array[] = [];
                  readBatch(bytes, { jsonDepth: 64 }, (frame) => frames.push(encodeFrame(change(frame))));
                  receiver.batch(Buffer.concat(frames));
                },
                drain: () => receiver.drain(),
                closed: (error) => receiver.closed(error),
              };
            },
            signal,
          ),
      };
    },
  };
}

describe("a server's version that is none", () => {
  it.each([
    ["half a megabyte", "0".repeat(500_000)],
    ["lines for a log", "00000000\nall is well"],
    ["escapes", "\u001b[31m00000"],
    ["nothing", ""],
  ])("%s: an error of it shows nothing of it", async (_, value) => {
    await using it = await shop("new");
    const forged: HeaderField = { key: "raceway-channel", value };
    const transport = tampered(it.memory.client, (frame) =>
      frame.kind === "end" ? { ...frame, header: [forged] } : frame,
    );
    const asked = failure(oldClient(it.connect(transport)).price({}));
    await it.clock.settle();
    const error = await asked;
    expect(reasonOf(error)).toBe("payload_malformed");
    expect(error.rawMessage).not.toContain("000");
    expect(error.rawMessage.length).toBeLessThan(500);
    expect(error.metadata.has("raceway-channel")).toBe(false);
  });
});

describe("headers of a user's that are named so", () => {
  const forged = { "raceway-channel": "00000000 topic 1" };

  it("are no claim: neither of a caller, nor of an interceptor, nor of a handler", async () => {
    const forgers: Plugin[] = [
      definePlugin({
        name: "forger",
        start: () => ({
          call: () => (next) => async (request) => {
            request.header.set("raceway-channel", "00000000 topic 1");
            const response = await next(request);
            response.header.set("raceway-channel", "00000000");
            response.trailer.set("raceway-channel", "00000000");
            return response;
          },
        }),
      }),
    ];
    await using it = await shop("new", { use: forgers });
    const said: string[] = [];
    const transport = tampered(it.memory.client, (frame) => {
      if (frame.kind === "end")
        said.push(...[...frame.header, ...frame.trailer].map(({ key, value }) => `${key} ${value}`));
      return frame;
    });
    const same = newClient(it.connect(transport, forgers));
    const order = same.order({ item: { name: "cup" } }, { headers: forged });
    await it.clock.settle();
    expect((await order).item).toMatchObject({ name: "cup" });
    expect(said).toEqual([]);
    // To a client of another version the server says its own, and no other.
    const other = failure(oldClient(it.connect(transport, forgers)).price({}, { headers: forged }));
    await it.clock.settle();
    expect(errorInfo(await other)!.metadata).toMatchObject({ client: versions.old, server: versions.new });
    expect(said).toEqual([`raceway-channel ${versions.new}`]);
  });

  it("through a gateway that copies all headers of the call, both ways", async () => {
    await using behind = await shop("old");
    const upstream = createClient(old.ShopService, behind.connect());
    const memory = memoryTransport();
    await using gateway = raceway({ transports: [memory.server], clock: behind.clock });
    gateway.serve(
      {
        contract: { service: old.ShopService, channels: {}, errors: undefined },
        policy: {},
      } as never,
      Object.fromEntries(
        old.ShopService.methods.map(({ localName }) => [
          localName,
          async (request: never, context: { requestHeader: Headers; responseHeader: Headers }) => {
            // As a foreign client at a native door may have sent it.
            context.requestHeader.set("raceway-channel", "00000000 topic 1");
            return upstream[localName as "order"](request, {
              headers: context.requestHeader,
              onHeader: (headers) => headers.forEach((value, key) => context.responseHeader.set(key, value)),
            });
          },
        ]),
      ),
    );
    await gateway.listen({ port: 0, host: "127.0.0.1" });
    await using connection = connect("http://gateway", { transports: [memory.client], clock: behind.clock });
    const order = oldClient(connection).order({ item: { name: "cup" } });
    await behind.clock.settle();
    expect((await order).item).toMatchObject({ name: "cup" });
    expect(behind.seen).toEqual(["order "]);
  });
});

describe("the limits of headers are the caller's and the handler's own:", () => {
  const count = (limits: LimitOptions): number => limits.headerCount ?? 64;
  it.each([
    ["by default", {}],
    ["at the highest", { headerCount: 10_000, headerBytes: 1_048_576 }],
  ] satisfies [string, LimitOptions][])("%s, a claim takes nothing away from them", async (_, limits) => {
    const names = Array.from({ length: count(limits) }, (_each, at) => `x-${at}`);
    const got: number[] = [];
    const fills: Plugin = definePlugin({
      name: "fills",
      start: () => ({
        call: () => (next) => async (request) => {
          got.push([...request.header.keys()].filter((name) => name.startsWith("x-")).length);
          const response = await next(request);
          for (const name of names) response.header.set(name, "1");
          return response;
        },
      }),
    });
    await using it = await shop("old", { use: [fills], limits });
    const client = newClient(it.connect(undefined, [], limits));
    const headers = Object.fromEntries(names.map((name) => [name, "1"]));
    for (let time = 0; time < 2; time++) {
      const kept: number[] = [];
      const order = client.order({ item: { name: "cup" } }, { headers, onHeader: (all) => kept.push([...all].length) });
      await it.clock.settle();
      expect((await order).item).toMatchObject({ name: "cup" });
      expect(kept).toEqual([names.length]);
    }
    expect(got).toEqual([names.length, names.length]);
    const tooMany = failure(client.order({}, { headers: { ...headers, "one-more": "1" } }));
    await it.clock.settle();
    expect(reasonOf(await tooMany)).toBe("headers_too_many");
  });
});

describe("what is no matter of versions is not told as one:", () => {
  it("a handler's own mistake with an address", async () => {
    await using it = await shop("old");
    const shown = failure(newClient(it.connect()).show({ shop: "", item: {} }));
    await it.clock.settle();
    expect(reasonOf(await shown)).toBe("address_invalid");
  });

  it("what a server behind a handler could not read", async () => {
    const unread = fail("payload_malformed", { type: "shop.v1.OrderRequest", detail: "it was behind" });
    const behind: Plugin = definePlugin({
      name: "behind",
      start: () => ({ call: () => () => () => Promise.reject(unread) }),
    });
    await using it = await shop("old", { use: [behind] });
    const order = failure(newClient(it.connect()).order({}));
    await it.clock.settle();
    expect(errorInfo(await order)).toMatchObject({
      reason: "payload_malformed",
      metadata: { detail: "it was behind" },
    });
  });
});

describe("what differs in options alone, which no version has,", () => {
  /** A server whose schema is the new one but for what one channel is. */
  async function served(
    name: "arrivals" | "stock",
    contract: ChannelContract,
    way: (client: ReturnType<typeof newClient>) => AsyncIterable<unknown>,
  ): Promise<ConnectError> {
    await using it = await shop("new", { channels: { [name]: contract } });
    const client = newClient(it.connect());
    const reading = failure(way(client)[Symbol.asyncIterator]().next());
    await it.clock.settle();
    const order = client.order({ item: { name: "cup" } });
    await it.clock.settle();
    expect((await order).item).toMatchObject({ name: "cup" });
    return await reading;
  }
  const same = { client: versions.new, server: versions.new };

  it("is told, too: the kind of a channel", async () => {
    const error = await served("arrivals", { kind: "feed" }, (client) => client.arrivals({ store: "x" }));
    expect(errorInfo(error)).toMatchObject({ reason: "schema_mismatch", metadata: same });
    expect(error.rawMessage).toContain("the client takes it for a topic, and it is a feed");
  });

  it("is told, too: the fields of an address", async () => {
    const contract: ChannelContract = { kind: "topic", address: "stock/{shop}", addressFields: ["shop"] };
    const error = await served("stock", contract, (client) => client.stock({ shop: "x", region: "y" }));
    expect(errorInfo(error)).toMatchObject({ reason: "schema_mismatch", metadata: same });
    expect(error.rawMessage).toContain(
      "its address is stock/{shop}, by field 1 of shop.v1.StockRequest, and the client's by field 2, 1",
    );
  });
});

it("a call under way is judged by its own claim, though code of another version asks in the same session", async () => {
  await using it = await shop("new");
  const connection = it.connect();
  const asked = Promise.withResolvers<void>();
  async function* items(): AsyncGenerator<{ readonly name: string }> {
    await asked.promise;
    yield { name: "cup" };
  }
  const prices = oldClient(connection).haggle(items())[Symbol.asyncIterator]();
  const price = failure(prices.next());
  await it.clock.settle();
  const others = newClient(connection).haggle((async function* () {})());
  const done = others[Symbol.asyncIterator]().next();
  await it.clock.settle();
  expect((await done).done).toBe(true);
  asked.resolve();
  await it.clock.settle();
  expect(errorInfo(await price)).toMatchObject({
    reason: "schema_mismatch",
    metadata: { client: versions.old, server: versions.new },
  });
});
