// What does not fit, through the middleware of both ends: the same error, once, whatever stands in the way.
import { type ConnectOptions, type Connection, connect } from "@raceway/client";
import { type Plugin, type PluginList, errorInfo, memoryTransport } from "@raceway/core";
import { batching } from "@raceway/middleware/batching";
import { cache, clientCache } from "@raceway/middleware/cache";
import { circuitBreaker } from "@raceway/middleware/circuit-breaker";
import { compression } from "@raceway/middleware/compression";
import { hedging } from "@raceway/middleware/hedging";
import { limits } from "@raceway/middleware/limits";
import { logging } from "@raceway/middleware/logging";
import { rateLimit } from "@raceway/middleware/rate-limit";
import { rbac } from "@raceway/middleware/rbac";
import { retry } from "@raceway/middleware/retry";
import { replySigner, replyVerifier, signer, verifier } from "@raceway/middleware/signing";
import { attemptTimeout, timeout } from "@raceway/middleware/timeout";
import { raceway } from "@raceway/server";
import { telemetry as clientTelemetry } from "@raceway/telemetry/client";
import { telemetry } from "@raceway/telemetry/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { validate as clientValidate } from "@raceway/validate/client";
import { validate } from "@raceway/validate/server";
import { describe, expect, it } from "vitest";
import { names } from "../middleware/stage.ts";
import { shopClient as newClient } from "./gen/new/shop/v1/shop.client.ts";
import { shopClient as oldClient } from "./gen/old/shop/v1/shop.client.ts";
import { failure, versions } from "./mismatch.ts";
import { newShop } from "./shops.ts";

const mismatched = { client: versions.old, server: versions.new };
const secret = "0123456789abcdef0123456789abcdef";
const keys = { shared: { secret } };
/** Their messages have no place for a signature. */
const unsigned = ["Add", "Prices", "Haggle", "Echo", "Arrivals", "Window", "Stock", "Board"].map(
  (name) => `shop.v1.ShopService/${name}`,
);
const key = { id: "shared", secret };

interface Shop extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly seen: string[];
  connect(options?: Partial<ConnectOptions>): Connection;
}

async function shop(use: PluginList): Promise<Shop> {
  const memory = memoryTransport();
  const clock = virtualClock();
  const seen: string[] = [];
  const app = raceway({ transports: [memory.server], clock, use });
  newShop(app, seen);
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connections: Connection[] = [];
  return {
    clock,
    seen,
    connect(options = {}) {
      const connection = connect("http://shop", { transports: [memory.client], clock, ...options });
      connections.push(connection);
      return connection;
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) await connection.close();
      await app.close(0);
    },
  };
}

async function during<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  let done = false;
  const end = (): void => void (done = true);
  work.then(end, end);
  for (let step = 0; !done; step++) {
    if (step === 1_000) throw new Error("It does not come to an end.");
    await clock.advance(25);
  }
  return work;
}
async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const message of messages) got.push(message);
  return got;
}

describe.each([
  ["retry", () => [], () => [retry({ attempts: 5 })]],
  ["retry of all that the shop can say", () => [], () => [retry({ unsafe: ["shop.v1.ShopService/*"] })]],
  ["hedging", () => [], () => [hedging({ afterMs: 1 })]],
  ["a circuit breaker", () => [], () => [circuitBreaker({ leastCalls: 1, failureShare: 0.01 })]],
  ["deadlines", () => [], () => [timeout(), attemptTimeout()]],
  ["caches", () => [cache()], () => [clientCache()]],
  ["logs", () => [logging({ messages: true })], () => [logging({ messages: true })]],
  ["traces", () => [telemetry()], () => [clientTelemetry()]],
  ["validation", () => [validate()], () => [clientValidate({ responses: true })]],
  ["limits", () => [limits(), rateLimit()], () => []],
  ["roles", () => [names, rbac({ default: "public" })], () => []],
  ["compression and batches", () => [compression(), batching()], () => [compression(), batching()]],
  [
    "signatures",
    () => [verifier({ keys, unsigned }), replySigner({ key, unsigned })],
    () => [signer({ key, unsigned }), replyVerifier({ keys, unsigned })],
  ],
] satisfies [string, () => Plugin[], () => Plugin[]][])("through %s", (_, onServer, onClient) => {
  it("a reply that cannot be read is told with both versions, and not asked for again", async () => {
    await using it = await shop(onServer());
    const client = oldClient(it.connect({ use: onClient() }));
    for (let time = 1; time <= 3; time++) {
      const error = await during(it.clock, failure(client.buy({ item: { name: "cup" } })));
      expect(errorInfo(error)).toMatchObject({ reason: "schema_mismatch", metadata: mismatched });
      expect(it.seen.filter((one) => one === "buy")).toHaveLength(time);
    }
    // What fits goes on.
    const { item } = await during(it.clock, client.order({ item: { name: "cup" } }));
    expect(item).toMatchObject({ name: "cup" });
    expect(it.seen.at(-1)).toMatch(/^order /);
  });

  it("so is a message of a stream, after those that can be read", async () => {
    await using it = await shop(onServer());
    const got: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const price of oldClient(it.connect({ use: onClient() })).prices({})) got.push(price.cost);
    };
    const error = await during(it.clock, failure(read()));
    expect(errorInfo(error)).toMatchObject({ reason: "schema_mismatch", metadata: mismatched });
    expect(got).toEqual([""]);
    expect(await during(it.clock, all(newClient(it.connect({ use: onClient() })).prices({})))).toHaveLength(2);
  });

  it("so is a request that the server cannot read", async () => {
    await using it = await shop(onServer());
    const error = await during(it.clock, failure(oldClient(it.connect({ use: onClient() })).find({ words: "tea" })));
    expect(errorInfo(error)).toMatchObject({ reason: "schema_mismatch", metadata: mismatched });
  });
});
