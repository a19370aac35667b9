// What does not fit, behind TanStack's cache: a component is told what the client was told, after what it could read, and nothing is asked for again.
import { errorInfo } from "@raceway/core";
import { callMutations, feedQueries, topicQueries } from "@raceway/query";
import { MutationObserver, QueryClient, notifyManager } from "@tanstack/query-core";
import { expect, it } from "vitest";
import { nodes } from "../app/nodes.ts";
import { watch } from "../query/stage.ts";
import { shopBoardChannel, shopBuyChannel, shopPricesChannel } from "./gen/old/shop/v1/shop.contract.ts";
import { ShopService } from "./gen/old/shop/v1/shop_pb.ts";
import { versions } from "./mismatch.ts";
import { newShop } from "./shops.ts";

const { board, buy, prices } = ShopService.method;
const mismatched = { reason: "schema_mismatch", metadata: { client: versions.old, server: versions.new } };

it("a topic, a feed and a call of another version end in an error that names both", async () => {
  notifyManager.setScheduler(queueMicrotask);
  await using there = nodes();
  const seen: string[] = [];
  let publish!: (cost: bigint) => Promise<unknown>;
  await there.start("http://a", {}, (app) => {
    const topics = newShop(app, seen);
    publish = (cost) => topics.board.publish({ store: "x" }, { cost });
  });
  const connection = there.connect("http://a");
  const cache = new QueryClient();
  using events = watch(cache, topicQueries(connection, board, shopBoardChannel).accumulated({ shop: "x" }));
  using messages = watch(cache, feedQueries(connection, prices, shopPricesChannel).live({}));
  const buying = new MutationObserver(cache, callMutations(connection, buy, shopBuyChannel).mutation());
  const bought = buying.mutate({}).catch((error: unknown) => error);
  await there.clock.advance(1_000);
  expect(errorInfo(await there.during(bought))).toMatchObject(mismatched);
  expect(seen).toEqual(["buy"]);
  expect(messages.result).toMatchObject({ status: "error", data: { cost: "" }, fetchStatus: "idle" });
  expect(errorInfo(messages.result.error as Error)).toMatchObject(mismatched);
  await publish(0n);
  await there.clock.advance(100);
  expect(events.result).toMatchObject({ status: "success", data: [{ cost: "" }] });
  await publish(1200n);
  await there.clock.advance(10_000);
  expect(events.result).toMatchObject({ status: "error", data: [{ cost: "" }], fetchStatus: "idle" });
  expect(errorInfo(events.result.error as Error)).toMatchObject(mismatched);
  expect(events.told.filter(({ status }) => status === "error")).toHaveLength(1);
  cache.clear();
});
