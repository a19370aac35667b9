// Sessions that move between servers of different versions of one schema, with time in the test's hands.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { OutboxEntry, OutboxKeeper, RestoredCall } from "@raceway/client";
import { keepOutbox } from "@raceway/client/outbox";
import { type Plugin, definePlugin, errorInfo, protoCodec, reasonOf } from "@raceway/core";
import { memory } from "@raceway/server";
import { describe, expect, it } from "vitest";
import { mirrorCodec } from "../app/mirror-codec.ts";
import { type Node, nodes } from "../app/nodes.ts";
import { sharedStore } from "../middleware/shared-store.ts";
import { shopClient as newClient } from "./gen/new/shop/v1/shop.client.ts";
import * as next from "./gen/new/shop/v1/shop_pb.ts";
import { shopClient as oldClient } from "./gen/old/shop/v1/shop.client.ts";
import * as old from "./gen/old/shop/v1/shop_pb.ts";
import { failure, versions } from "./mismatch.ts";
import { newShop, oldShop } from "./shops.ts";

/** The error names both versions: the client's is the new one, that of the server whose words cannot be read the old one. */
function expectMismatch(error: ConnectError, path: string): void {
  expect(reasonOf(error)).toBe("schema_mismatch");
  expect(error.code).toBe(Code.FailedPrecondition);
  expect(errorInfo(error)!.metadata).toMatchObject({ path, client: versions.new, server: versions.old });
}

describe("events that wait to be read when the session moves on", () => {
  it.each([
    ["in another codec, to a server of the client's version", [mirrorCodec()], "new"],
    ["in another codec, to a server of the same version", [mirrorCodec()], "old"],
    ["in the same codec, to a server of the client's version", [], "new"],
  ] as const)(
    "%s: the good ones are read, then the error names who wrote what cannot be read",
    async (_, codecs, then) => {
      await using it = nodes();
      const boards: { publish(cost?: string): Promise<unknown> }[] = [];
      const serveOld = (app: Parameters<typeof oldShop>[0]): void => {
        const { board } = oldShop(app, []);
        boards.push({ publish: (cost = "") => board.publish({ shop: "x" }, { cost }) });
      };
      const first = await it.start("http://a", { codecs }, serveOld);
      const connection = it.connect("http://a", { codecs: [...codecs, protoCodec()] });
      const events = newClient(connection).board({ store: "x" })[Symbol.asyncIterator]();
      const begun = events.next();
      await it.clock.settle();
      await boards[0]!.publish();
      expect((await it.during(begun)).value).toMatchObject({ cost: 0n });
      // Received, and not read before the session moves.
      await boards[0]!.publish();
      await boards[0]!.publish();
      await boards[0]!.publish("twelve");
      await boards[0]!.publish();
      await it.clock.advance(100);
      first.cut();
      await it.start("http://a", {}, then === "new" ? (app) => void newShop(app, []) : serveOld);
      await it.clock.advance(5_000);
      for (let good = 0; good < 2; good++) expect((await it.during(events.next())).value).toMatchObject({ cost: 0n });
      expectMismatch(await failure(it.during(events.next())), "/shop.v1.ShopService/Board");
      expect((await it.during(events.next())).done).toBe(true);
    },
  );
});

it("a call under way is answered by the last server that it comes to, and its version is the one that is named", async () => {
  await using it = nodes();
  const seen: string[] = [];
  /** Has a call begin, and never end. */
  const silence: Plugin = definePlugin({
    name: "silence",
    start: () => ({ call: () => () => () => new Promise(() => {}) }),
  });
  const start = (version: "old" | "new", use: readonly Plugin[] = []): Promise<Node> =>
    it.start("http://a", { use }, (app) => void (version === "old" ? oldShop : newShop)(app, seen));
  let at = await start("new", [silence]);
  const client = newClient(it.connect("http://a"));
  for (const [last, versionsOnTheWay] of [
    ["old", ["old", "new"]],
    ["new", ["old", "new", "old"]],
    ["old", ["new"]],
  ] as const) {
    const price = client.buy({});
    const outcome = price.then(
      ({ cost }) => cost,
      (error: unknown) => errorInfo(error)?.metadata,
    );
    await it.clock.settle();
    for (const version of versionsOnTheWay) {
      at.down();
      at = await start(version, [silence]);
      await it.clock.advance(5_000);
    }
    at.down();
    at = await start(last);
    expect(await it.during(outcome)).toEqual(
      last === "new" ? 1200n : expect.objectContaining({ client: versions.new, server: versions.old }),
    );
    at.down();
    at = await start("new", [silence]);
    await it.clock.advance(5_000);
  }
  expect(seen).toEqual(["buy", "buy", "buy"]);
});

it("an event that cannot be read is not passed over: whoever goes on from the position, with a schema that fits, gets it", async () => {
  await using it = nodes();
  let publish!: (cost: string) => Promise<unknown>;
  await it.start("http://a", {}, (app) => {
    const { board } = oldShop(app, []);
    publish = (cost) => board.publish({ shop: "x" }, { cost });
  });
  for (const cost of ["", "twelve", "two"]) await publish(cost);
  const connection = it.connect("http://a");
  const subscription = newClient(connection).board({ store: "x" }, { from: "start" });
  const events = subscription[Symbol.asyncIterator]();
  expect((await it.during(events.next())).value).toMatchObject({ cost: 0n });
  const { position } = subscription;
  expectMismatch(await failure(it.during(events.next())), "/shop.v1.ShopService/Board");
  expect(subscription.position).toEqual(position);
  const again = oldClient(connection).board({ shop: "x" }, { from: position! })[Symbol.asyncIterator]();
  for (const cost of ["twelve", "two"]) expect((await it.during(again.next())).value).toMatchObject({ cost });
});

describe("a call that runs once, and is sent again to a server of another version", () => {
  const item = create(next.ItemSchema, {
    name: "cup",
    kind: next.Kind.GIFT,
    tags: ["a"],
    wrapping: { paper: "blue" },
    noteOfSender: "for you",
  });
  const headers = { "idempotency-key": "one" };
  const serve = { old: oldShop, new: newShop };

  it.each([
    ["old", "new"],
    ["new", "old"],
  ] as const)("%s, then %s: is known again, though the two know different fields of it", async (first, then) => {
    await using it = nodes();
    using store = await sharedStore(it.clock);
    const seen: string[] = [];
    const start = (version: "old" | "new"): Promise<Node> =>
      it.start("http://a", { backplane: memory({ store: store.part }) }, (app) => void serve[version](app, seen));
    const before = await start(first);
    const client = newClient(it.connect("http://a"));
    const { item: answer } = await it.during(client.order({ item }, { headers }));
    before.down();
    await start(then);
    expect((await it.during(client.order({ item }, { headers }))).item).toEqual(answer);
    expect(seen).toHaveLength(1);
    const other = failure(it.during(client.order({ item: { ...item, name: "saucer" } }, { headers })));
    expect(reasonOf(await other)).toBe("idempotency_key_reused");
  });

  it("is neither begun again nor told to be wrong if its reply cannot be read there", async () => {
    await using it = nodes();
    using store = await sharedStore(it.clock);
    const seen: string[] = [];
    const start = (version: "old" | "new"): Promise<Node> =>
      it.start("http://a", { backplane: memory({ store: store.part }) }, (app) => void serve[version](app, seen));
    const before = await start("old");
    const client = oldClient(it.connect("http://a"));
    expect(await it.during(client.buy({}, { headers }))).toMatchObject({ cost: "twelve" });
    before.down();
    await start("new");
    expect(reasonOf(await failure(it.during(client.buy({}, { headers }))))).toBe("outcome_unknown");
    expect(seen).toEqual(["buy"]);
  });
});

it("a call that an older program left in the outbox fails with the version of that one; the calls of the present one go on", async () => {
  await using it = nodes();
  const entries = new Map<string, OutboxEntry>();
  const store = (): OutboxKeeper =>
    keepOutbox({
      load: async () => structuredClone([...entries.values()]),
      put: async (entry) => void entries.set(entry.id, structuredClone(entry)),
      delete: async (id) => void entries.delete(id),
    });
  const before = it.connect("http://a", { outbox: { store: store() } });
  const left = failure(oldClient(before).reserve({ words: "green tea" }));
  await it.clock.advance(100);
  await before.close();
  expect(reasonOf(await left)).toBe("call_kept");
  expect(entries.size).toBe(1);

  await it.start("http://a", {}, (app) => void newShop(app, []));
  const restored: RestoredCall[] = [];
  const after = it.connect("http://a", { outbox: { store: store(), onRestored: (call) => restored.push(call) } });
  const client = newClient(after);
  const own = client.reserve({ words: { hash: 7n } });
  expect((await it.during(own)).item).toMatchObject({ name: "7" });
  await it.clock.advance(1_000);
  expect(restored).toHaveLength(1);
  expect(errorInfo(restored[0]!.error!)).toMatchObject({
    reason: "schema_mismatch",
    metadata: { client: versions.old, server: versions.new },
  });
  expect(restored[0]!.request(old.FindRequestSchema).words).toBe("green tea");
  expect(entries.size).toBe(0);
  expect((await it.during(client.reserve({ words: { hash: 8n } }))).item).toMatchObject({ name: "8" });
});
