// A server of either version of the shop, and clients of either that come by every way.
import type { Transport } from "@connectrpc/connect";
import type { ChannelContract, ServiceDefinition } from "@raceway/core";
import type { Raceway } from "@raceway/server";
import { type Stage, type WayName, stage } from "../middleware/stage.ts";
import {
  type ShopHandlers as NewHandlers,
  type ShopPublishers as NewPublishers,
  shopService as newService,
} from "./gen/new/shop/v1/shop.server.ts";
import {
  type ShopHandlers as OldHandlers,
  type ShopPublishers as OldPublishers,
  shopService as oldService,
} from "./gen/old/shop/v1/shop.server.ts";

export interface Shop extends AsyncDisposable {
  /** What handlers saw: their name, and headers that are not the protocol's. */
  readonly seen: string[];
  readonly url: string;
  transport(way: WayName): Transport;
}

/** Of channels, in place of those of the schema. */
type Contracts = Readonly<Record<string, ChannelContract>>;

function withContracts<H extends object, P extends object>(
  service: ServiceDefinition<H, P>,
  channels: Contracts,
): ServiceDefinition<H, P> {
  const { contract } = service;
  return { ...service, contract: { ...contract, channels: { ...contract.channels, ...channels } } };
}
/** Of those that are no topics here. */
function inPlaceOfTopics(channels: Contracts): object {
  const feeds = Object.entries(channels).filter(([, { kind }]) => kind === "feed");
  return Object.fromEntries(feeds.map(([name]) => [name, async function* () {}]));
}

/** Handlers know nothing of the other version: what they are given, they give on. */
export function oldShop(app: Raceway, seen: string[], channels: Contracts = {}): OldPublishers {
  const refuse = (): never => {
    throw new Error("not asked here");
  };
  const handlers: OldHandlers = {
    order({ item }, context) {
      seen.push(`order ${[...context.requestHeader.keys()].filter((name) => name.startsWith("raceway-")).join()}`);
      return item === undefined ? {} : { item };
    },
    echo: (items) => items,
    async show({ shop, item }) {
      await topics.window.publish({ shop }, item!);
      return {};
    },
    find: ({ words }) => ({ item: { name: words } }),
    reserve: ({ words }) => ({ item: { name: words } }),
    async *arrivals() {
      yield { name: "arrived" };
    },
    price: () => ({ cost: "twelve" }),
    buy() {
      seen.push("buy");
      return { cost: "twelve" };
    },
    async *prices() {
      yield {};
      yield { cost: "twelve" };
    },
    async *haggle(items) {
      for await (const item of items) yield item.name === "" ? {} : { cost: "twelve" };
    },
    add: () => ({ cost: "twelve" }),
    async write({ shop }) {
      await topics.board.publish({ shop }, { cost: "twelve" });
      return {};
    },
    cancel: refuse,
  };
  const topics = app.serve(withContracts(oldService, channels), handlers);
  return topics;
}

export function newShop(app: Raceway, seen: string[], channels: Contracts = {}): NewPublishers {
  const handlers: NewHandlers = {
    order({ item }, context) {
      seen.push(`order ${[...context.requestHeader.keys()].filter((name) => name.startsWith("raceway-")).join()}`);
      return { item: { ...item!, tags: [...item!.tags, "seen"] } };
    },
    echo: (items) => items,
    async show({ shop, item }) {
      await topics.window.publish({ store: shop }, item!);
      return {};
    },
    find: ({ words }) => ({ item: { name: String(words?.hash) } }),
    reserve: ({ words }) => ({ item: { name: String(words?.hash) } }),
    price: () => ({ cost: 1200n }),
    buy() {
      seen.push("buy");
      return { cost: 1200n };
    },
    async *prices() {
      yield {};
      yield { cost: 1200n };
    },
    async *haggle(items) {
      for await (const item of items) yield item.name === "" ? {} : { cost: 1200n };
    },
    add: () => ({ cost: 1200n }),
    async write({ shop }) {
      await topics.board.publish({ store: shop }, { cost: 1200n });
      return {};
    },
    refund: ({ item }) => (item === undefined ? {} : { item }),
  };
  const topics = app.serve(withContracts(newService, channels), { ...handlers, ...inPlaceOfTopics(channels) });
  return topics;
}

export async function shop(version: "old" | "new"): Promise<Shop> {
  const seen: string[] = [];
  const also = (app: Raceway): unknown => (version === "old" ? oldShop : newShop)(app, seen);
  const it: Stage = await stage({ use: [], also });
  return {
    seen,
    url: it.url,
    transport: (way) => it.transport(way),
    [Symbol.asyncDispose]: () => it[Symbol.asyncDispose](),
  };
}
