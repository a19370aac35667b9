// A page of an older version than its server: it reckons the same versions of a schema as the server does, and is told both where they do not fit.
import { ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { type ClientTransport, errorInfo } from "@raceway/core";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";
import { describe, expect, inject, it } from "vitest";
import { shopClient as newClient } from "./gen/new/shop/v1/shop.client.ts";
import { shopClient as oldClient } from "./gen/old/shop/v1/shop.client.ts";
import { versions } from "./mismatch.ts";

const transports: readonly (readonly [string, () => ClientTransport])[] = [
  ["websocket", () => websocket()],
  ["sse", () => sse()],
  ["sse as text", () => sse({ format: "text" })],
  ["poll", () => poll()],
  ["grpc", () => grpc()],
];
const caught = (error: unknown): object => ({ ...errorInfo(ConnectError.from(error)) });
const mismatched = { reason: "schema_mismatch", metadata: { client: versions.old, server: versions.new } };

it("the versions of a page are those of the negotiation document", async () => {
  const response = await fetch(`${inject("labUrl")}/.well-known/raceway`);
  const { channels } = (await response.json()) as {
    readonly channels: Readonly<Record<string, { readonly hash: string }>>;
  };
  expect(channels["/shop.v1.ShopService/Price"]!.hash).toBe(versions.new);
});

describe.each(transports)("in a page, over %s", (_, transport) => {
  it("what fits goes on, and what cannot be read, or served, names both versions", async () => {
    await using connection = connect(inject("labUrl"), { transports: [transport()] });
    const shop = oldClient(connection);
    expect((await shop.order({ item: { name: "cup" } })).item).toMatchObject({ name: "cup" });
    expect(await shop.price({}).catch(caught)).toMatchObject(mismatched);
    expect(await shop.find({ words: "tea" }).catch(caught)).toMatchObject(mismatched);
    const prices = shop.prices({})[Symbol.asyncIterator]();
    expect(await prices.next()).toMatchObject({ value: { cost: "" } });
    expect(await prices.next().catch(caught)).toMatchObject(mismatched);
    const stock = shop.stock({ shop: "x" })[Symbol.asyncIterator]();
    expect(await stock.next().catch(caught)).toMatchObject(mismatched);
    expect(await newClient(connection).price({})).toMatchObject({ cost: 1200n });
  });
});
