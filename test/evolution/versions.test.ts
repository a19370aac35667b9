// Client and server of different versions of one schema, by every way: what is new hurts nobody and survives those who do not know it; what does not fit says so, and names both.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { errorInfo, jsonCodec, reasonOf } from "@raceway/core";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";
import { describe, expect, it, vi } from "vitest";
import { wayNames } from "../middleware/stage.ts";
import { shopClient as newClient } from "./gen/new/shop/v1/shop.client.ts";
import * as next from "./gen/new/shop/v1/shop_pb.ts";
import { shopClient as oldClient } from "./gen/old/shop/v1/shop.client.ts";
import * as old from "./gen/old/shop/v1/shop_pb.ts";
import { facts, failure, mismatch, versions } from "./mismatch.ts";
import { shop } from "./shops.ts";

const sessions = wayNames.filter((way) => !way.includes("door"));
/** gRPC-web has no duplex. */
const duplexes = wayNames.filter((way) => way !== "gRPC-web door");

/** With all that the old version does not know, also within what it knows. */
const gift = create(next.ItemSchema, {
  name: "cup",
  kind: next.Kind.GIFT,
  wrapping: { paper: "blue", bow: true },
  tags: ["a", "b"],
});

/** A client of either version, for what both have. */
type Either = ReturnType<typeof oldClient> & ReturnType<typeof newClient>;

async function first<T>(messages: AsyncIterable<T>): Promise<T | undefined> {
  for await (const message of messages) return message;
  return undefined;
}
async function second<T>(messages: AsyncIterable<T>): Promise<T | undefined> {
  const iterator = messages[Symbol.asyncIterator]();
  expect(await iterator.next()).toMatchObject({ done: false });
  const result = await iterator.next();
  await iterator.return?.();
  return result.done === true ? undefined : result.value;
}
/** Items that are given one by one. */
class Pushed<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #more = Promise.withResolvers<void>();
  push(item: T): void {
    this.#items.push(item);
    this.#more.resolve();
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      await this.#more.promise;
      this.#more = Promise.withResolvers<void>();
      yield* this.#items.splice(0);
    }
  }
}
async function* each<T>(...messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}
async function* once<T>(message: T): AsyncGenerator<T> {
  yield message;
}
it("the versions are different, and eight digits each", () => {
  expect(versions.old).toMatch(/^[0-9a-f]{8}$/);
  expect(versions.new).toMatch(/^[0-9a-f]{8}$/);
  expect(versions.new).not.toBe(versions.old);
});

describe("what an old server does not know survives it", () => {
  it.each(wayNames)("in a handler's reply, by %s", async (way) => {
    await using it = await shop("old");
    const client = newClient(it.transport(way));
    expect((await client.order({ item: gift })).item).toEqual(gift);
  });

  it.each(wayNames)("in the first reply of a call that runs once, by %s", async (way) => {
    await using it = await shop("old");
    const client = newClient(it.transport(way));
    const headers = { "idempotency-key": "one" };
    expect((await client.order({ item: gift }, { headers })).item).toEqual(gift);
    expect((await client.order({ item: gift }, { headers })).item).toEqual(gift);
    expect(it.seen).toHaveLength(1);
    // What a server does not know makes a request another one all the same.
    const other = { ...gift, tags: ["c"] };
    expect(reasonOf(await failure(client.order({ item: other }, { headers })))).toBe("idempotency_key_reused");
  });

  it.each(wayNames)("in the log of a topic, by %s", async (way) => {
    await using it = await shop("old");
    const client = newClient(it.transport(way));
    await client.show({ shop: "x", item: gift });
    const kept = way.includes("door")
      ? client.window({ store: "x" }, { headers: { "raceway-after": "start" } })
      : client.window({ store: "x" }, { from: "start" });
    expect(await first(kept)).toEqual(gift);
  });

  it.each(duplexes)("in a conversation, by %s", async (way) => {
    await using it = await shop("old");
    expect(await first(newClient(it.transport(way)).echo(once(gift)))).toEqual(gift);
  });
});

describe("what an old client does not know survives it", () => {
  it.each(wayNames)("in a reply that it sends again, by %s", async (way) => {
    await using it = await shop("new");
    // As an old client gets it: read, changed, written.
    const item = fromBinary(old.ItemSchema, toBinary(next.ItemSchema, gift));
    const { item: answer } = await oldClient(it.transport(way)).order({ item: { ...item, name: "saucer" } });
    expect(fromBinary(next.ItemSchema, toBinary(old.ItemSchema, answer!))).toEqual({
      ...gift,
      name: "saucer",
      tags: ["a", "b", "seen"],
    });
  });

  it.each(wayNames)("and what is new beside it is nobody's trouble, by %s", async (way) => {
    await using it = await shop("new");
    const client = oldClient(it.transport(way));
    const { item } = await client.order({ item: { name: "cup", kind: old.Kind.GOODS } });
    expect(item).toMatchObject({ name: "cup", kind: old.Kind.GOODS });
    await client.show({ shop: "x", item: { name: "cup" } });
    const kept = way.includes("door")
      ? client.window({ shop: "x" }, { headers: { "raceway-after": "start" } })
      : client.window({ shop: "x" }, { from: "start" });
    expect(await first(kept)).toMatchObject({ name: "cup" });
  });
});

describe("in JSON", () => {
  it.each([websocket, sse, poll])("what is not known is left out, by %o", async (transport) => {
    await using it = await shop("old");
    await using connection = connect(it.url, { transports: [transport()], codecs: [jsonCodec()] });
    const { item } = await newClient(connection).order({ item: { ...gift, kind: next.Kind.GOODS } });
    expect(item).toEqual(create(next.ItemSchema, { name: "cup", kind: next.Kind.GOODS }));
  });

  it("values of enums are written by name: one that is not known is left out, too", async () => {
    await using it = await shop("old");
    await using connection = connect(it.url, { transports: [websocket()], codecs: [jsonCodec()] });
    const { item } = await newClient(connection).order({ item: gift });
    expect(item).toEqual(create(next.ItemSchema, { name: "cup" }));
  });
});

describe.each(sessions)("what does not fit is an error that names both versions, by %s:", (way) => {
  it("a method that is not there", async () => {
    await using before = await shop("old");
    await using after = await shop("new");
    for (const [call, path, client, server] of [
      [() => newClient(before.transport(way)).refund({}), "/shop.v1.ShopService/Refund", "new", "old"],
      [() => oldClient(after.transport(way)).cancel({}), "/shop.v1.ShopService/Cancel", "old", "new"],
    ] as const) {
      const error = await failure(call());
      expect(reasonOf(error)).toBe("channel_unknown");
      expect(error.code).toBe(Code.Unimplemented);
      expect(error.rawMessage).toBe(
        `There is no channel ${path} here. The client has version ${versions[client]} of its schema, the server has version ${versions[server]}. Serve it, or check that both ends were generated from the same schema.`,
      );
    }
  });

  it("a kind that is another, in both directions, and again the next time", async () => {
    const path = "/shop.v1.ShopService/Arrivals";
    await using after = await shop("new");
    const client = oldClient(after.transport(way));
    for (let time = 0; time < 2; time++)
      expect(facts(await failure(first(client.arrivals({ shop: "x" }))))).toEqual(
        mismatch(path, "old", "the client takes it for a feed, and it is a topic"),
      );
    // All else goes on.
    expect((await client.order({ item: { name: "cup" } })).item).toMatchObject({ name: "cup" });
    await using before = await shop("old");
    const events = newClient(before.transport(way)).arrivals({ store: "x" });
    expect(facts(await failure(first(events)))).toEqual(
      mismatch(path, "new", "the client takes it for a topic, and it is a feed"),
    );
  });

  it("a topic that is found by other fields", async () => {
    await using after = await shop("new");
    const error = await failure(first(oldClient(after.transport(way)).stock({ shop: "x" })));
    const detail =
      "its address is stock/{region}/{shop}, by field 2, 1 of shop.v1.StockRequest, and the client's by field 1.";
    expect(facts(error)).toEqual(mismatch("/shop.v1.ShopService/Stock", "old", detail));
  });

  it("a request that cannot be read any more", async () => {
    await using after = await shop("new");
    const error = await failure(oldClient(after.transport(way)).find({ words: "green tea" }));
    const detail = "shop.v1.FindRequest cannot be read: ";
    expect(facts(error)).toEqual(mismatch("/shop.v1.ShopService/Find", "old", detail));
    await using before = await shop("old");
    const other = await failure(newClient(before.transport(way)).find({ words: { hash: 0xffffffffffffffffn } }));
    expect(facts(other)).toEqual(mismatch("/shop.v1.ShopService/Find", "new", detail));
  });

  it("also after a call that was given up before the server had it", async () => {
    await using after = await shop("new");
    const client = oldClient(after.transport(way));
    await client.order({ item: { name: "cup" } });
    const leaving = new AbortController();
    const given = failure(client.find({ words: "green tea" }, { signal: leaving.signal }));
    leaving.abort();
    expect((await given).code).toBe(Code.Canceled);
    const error = await failure(client.find({ words: "green tea" }));
    expect(facts(error)).toEqual(mismatch("/shop.v1.ShopService/Find", "old"));
  });

  it("also after a call that was too large to be sent", async () => {
    await using after = await shop("new");
    const client = oldClient(after.transport(way));
    await client.order({ item: { name: "cup" } });
    const large = failure(client.find({ words: "x".repeat(5 * 1024 * 1024) }));
    expect(reasonOf(await large)).toBe("message_too_large");
    const error = await failure(client.find({ words: "green tea" }));
    expect(facts(error)).toEqual(mismatch("/shop.v1.ShopService/Find", "old"));
  });

  describe("a reply or an event that cannot be read:", () => {
    /** Each kind of answer, to a client of one version from a server of the other. */
    const answers = {
      Price: (client: Either) => client.price({}),
      Prices: (client: Either) => second(client.prices({})),
      Haggle: (client: Either) => second(client.haggle(each({ name: "" }, { name: "cup" }))),
      Add: (client: Either) => client.add(each({ name: "cup" })),
      Board: async (client: Either, field: "shop" | "store") => {
        await client.write({ shop: "x" });
        return first(client.board({ [field]: "x" }, { from: "start" }));
      },
    };
    it.each(Object.keys(answers) as (keyof typeof answers)[])("%s", async (method) => {
      const ask = answers[method];
      const path = `/shop.v1.ShopService/${method}`;
      const detail = "shop.v1.PriceResponse cannot be read: ";
      await using after = await shop("new");
      const client = oldClient(after.transport(way)) as Either;
      for (let time = 0; time < 2; time++)
        expect(facts(await failure(ask(client, "shop")))).toEqual(mismatch(path, "old", detail));
      // All else goes on, and shows nothing of it.
      const seen: string[] = [];
      const onHeader = (headers: Headers): unknown => seen.push(...headers.keys());
      await client.order({ item: { name: "cup" } }, { onHeader });
      for await (const item of client.echo(each({ name: "cup" }), { onHeader })) expect(item.name).toBe("cup");
      expect(seen).toEqual([]);
      await using before = await shop("old");
      const other = newClient(before.transport(way)) as Either;
      expect(facts(await failure(ask(other, "store")))).toEqual(mismatch(path, "new", detail));
    });
  });

  it("and is none for code of the server's version in the same session", async () => {
    await using it = await shop("old");
    const connection = it.transport(way);
    const path = "/shop.v1.ShopService/Arrivals";
    const wrong = await failure(first(newClient(connection).arrivals({ store: "x" })));
    expect(facts(wrong)).toEqual(mismatch(path, "new", "the client takes it for a topic, and it is a feed"));
    expect(await first(oldClient(connection).arrivals({ shop: "x" }))).toMatchObject({ name: "arrived" });
  });

  it("and is one again for the other code of that session", async () => {
    await using it = await shop("old");
    const connection = it.transport(way);
    const path = "/shop.v1.ShopService/Price";
    for (let time = 0; time < 2; time++) {
      expect(facts(await failure(newClient(connection).price({})))).toEqual(mismatch(path, "new"));
      expect(await oldClient(connection).price({})).toMatchObject({ cost: "twelve" });
    }
  });

  it("handlers do not see what the two ends say of it", async () => {
    await using it = await shop("old");
    await newClient(it.transport(way)).order({ item: gift });
    expect(it.seen).toEqual(["order "]);
  });

  it("a client without contracts claims nothing that it does not know", async () => {
    await using it = await shop("old");
    const { show, window } = createClient(next.ShopService, it.transport(way));
    const reading = first(window({ store: "x" }));
    // A subscription begins now: what comes after it is read.
    for (let at = 0, answered = false; !answered; at++) {
      await show({ shop: "x", item: { name: String(at) } });
      answered = (await Promise.race([
        reading.then(() => true),
        new Promise((resolve) => setTimeout(resolve, 20, false)),
      ])) as boolean;
    }
    expect((await reading)!.name).toMatch(/^\d+$/);
  });
});

describe.each(["gRPC door", "gRPC-web door", "Connect door"] as const)("a foreign client, by the %s,", (way) => {
  it("is told of a method that is not there, with the server's version and what it calls itself", async () => {
    await using it = await shop("old");
    const error = await failure(newClient(it.transport(way)).refund({}));
    expect(error.code).toBe(Code.Unimplemented);
    expect(error.rawMessage).toMatch(
      new RegExp(
        `^There is no channel /shop\\.v1\\.ShopService/Refund here\\. The client is connect-es/\\S+, the server has version ${versions.old} of its schema\\. `,
      ),
    );
    expect(errorInfo(error)).toMatchObject({ reason: "channel_unknown", metadata: { server: versions.old } });
  });
});

it("that a method is not there is kept by no cache: the next release may have it", async () => {
  await using it = await shop("old");
  for (const method of ["GET", "HEAD", "POST"]) {
    const response = await fetch(`${it.url}/shop.v1.ShopService/Refund`, { method });
    expect([response.status, response.headers.get("cache-control")]).toEqual([501, "no-store"]);
    await response.body?.cancel();
  }
});

it.each([websocket, sse, poll])("what cannot be read in JSON names both versions, too, by %o", async (transport) => {
  await using it = await shop("new");
  await using connection = connect(it.url, { transports: [transport()], codecs: [jsonCodec()] });
  const client = oldClient(connection);
  await client.write({ shop: "x" });
  // A number in JSON is a text: this one is read, as another thing than it is.
  expect(await client.price({})).toMatchObject({ cost: "1200" });
  await using before = await shop("old");
  await using other = connect(before.url, { transports: [transport()], codecs: [jsonCodec()] });
  const next = newClient(other);
  await next.write({ shop: "x" });
  for (const [method, error] of [
    ["Price", await failure(next.price({}))],
    ["Board", await failure(first(next.board({ store: "x" }, { from: "start" })))],
  ] as const)
    expect(facts(error)).toEqual(mismatch(`/shop.v1.ShopService/${method}`, "new"));
});

it("a stream and a subscription that change transports under way name both versions, too", async () => {
  await using it = await shop("new");
  const transports = [websocket(), sse(), poll(), grpc()];
  await using connection = connect(it.url, { transports });
  const client = oldClient(connection);
  const events = client.board({ shop: "x" }, { from: "start" })[Symbol.asyncIterator]();
  const event = failure(events.next());
  const items = new Pushed<{ readonly name: string }>();
  const prices = client.haggle(items)[Symbol.asyncIterator]();
  for (const to of ["sse", "poll", "grpc", "websocket", "sse"]) {
    items.push({ name: "" });
    expect((await prices.next()).value).toMatchObject({ cost: "" });
    await connection.switchTo(to);
  }
  items.push({ name: "cup" });
  expect(facts(await failure(prices.next()))).toEqual(mismatch("/shop.v1.ShopService/Haggle", "old"));
  await newClient(it.transport("websocket")).write({ shop: "x" });
  expect(facts(await event)).toEqual(mismatch("/shop.v1.ShopService/Board", "old"));
});

it.each([websocket, sse, poll, grpc])(
  "a subscription that goes on at a server of another version names that one, by %o",
  async (transport) => {
    await using before = await shop("old");
    await using after = await shop("new");
    await using connection = connect([before.url, after.url], { transports: [transport()] });
    const client = oldClient(connection);
    await client.write({ shop: "x" });
    const gaps: unknown[] = [];
    const options = { from: "start", onReset: (gap: unknown) => gaps.push(gap) } as const;
    const events = client.board({ shop: "x" }, options)[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ cost: "twelve" });
    const next = failure(events.next());
    await before[Symbol.asyncDispose]();
    await vi.waitFor(() => expect(gaps).toHaveLength(1), { timeout: 20_000 });
    await newClient(after.transport("websocket")).write({ shop: "x" });
    expect(facts(await next)).toEqual(mismatch("/shop.v1.ShopService/Board", "old"));
  },
);
