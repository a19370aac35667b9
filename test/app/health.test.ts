// Health over HTTP: that the process lives, whether new sessions may come, and why not.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { token } from "@raceway/auth-token/server";
import { type Plugin, definePlugin, memoryTransport } from "@raceway/core";
import { type Raceway, memory, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { issuer } from "../middleware/issuer.ts";
import { sharedStore } from "../middleware/shared-store.ts";
import { handlers } from "./lab.ts";

const READY = "/readyz";

function started(clock: VirtualClock, options: Partial<Parameters<typeof raceway>[0]> = {}): Raceway {
  const app = raceway({ transports: [memoryTransport().server], clock, ...options });
  app.serve(labService, handlers([], clock));
  return app;
}

async function get(app: Raceway, path: string, method = "GET"): Promise<readonly [number, unknown]> {
  const response = await app.fetch(new Request(`http://lab${path}`, { method }));
  const text = await response.text();
  return [response.status, text === "" ? "" : JSON.parse(text)];
}

async function closed(app: Raceway, clock: VirtualClock): Promise<void> {
  const closing = app.close(0);
  await clock.advance(200);
  await closing;
}

it("a server that serves is alive and ready; one that drains is alive", async () => {
  const clock = virtualClock();
  const app = started(clock);
  expect(await get(app, "/healthz")).toEqual([200, { status: "alive" }]);
  for (const path of [READY, "/raceway/health"]) expect(await get(app, path)).toEqual([200, { status: "serving" }]);
  expect(await get(app, READY, "HEAD")).toEqual([200, ""]);
  expect((await get(app, READY, "POST"))[0]).toBe(405);
  void app.drain({ drainMs: 10_000 });
  expect(await get(app, "/healthz")).toEqual([200, { status: "alive" }]);
  for (const path of [READY, "/raceway/health"]) expect(await get(app, path)).toEqual([503, { status: "draining" }]);
  await clock.advance(20_000);
  await closed(app, clock);
});

it("a server whose store is away, or does not answer, is not ready, until it is back; nobody can wear it out by asking", async () => {
  const clock = virtualClock();
  using store = await sharedStore(clock);
  const app = started(clock, { backplane: memory({ store: store.part }) });
  for (let times = 0; times < 50; times++) expect((await get(app, READY))[0]).toBe(200);
  expect(store.read.filter((key) => key === "raceway readiness")).toHaveLength(1);
  store.fails = true;
  await clock.advance(1_000);
  expect(await get(app, READY)).toEqual([503, { status: "unready", failing: ["store"] }]);
  expect((await get(app, "/healthz"))[0]).toBe(200);
  store.fails = false;
  await clock.advance(1_000);
  expect(await get(app, READY)).toEqual([200, { status: "serving" }]);
  await closed(app, clock);
});

it("names the plugins that fail, and tells nobody why; the log has one line for each change", async () => {
  const clock = virtualClock();
  const lines: unknown[] = [];
  const log = {
    debug() {},
    info: (...said: unknown[]) => void lines.push(said),
    warn: (...said: unknown[]) => void lines.push(said),
    error: (...said: unknown[]) => void lines.push(said),
  };
  let how: () => boolean | Promise<boolean> = () => true;
  const plugin = (name: string, healthy: () => boolean | Promise<boolean>): Plugin =>
    definePlugin({ name, start: () => ({ healthy }) });
  const app = started(clock, { log, use: [plugin("fit", () => true), plugin("ill", () => how())] });
  expect((await get(app, READY))[0]).toBe(200);
  const ill = [503, { status: "unready", failing: ["ill"] }];
  for (const next of [
    () => false,
    () => Promise.reject(new Error("the password is secret")),
    () => {
      throw new Error("the password is secret");
    },
    () => new Promise<boolean>(() => {}),
  ]) {
    how = next;
    await clock.advance(1_000);
    const asked = get(app, READY);
    await clock.advance(1_000);
    expect(await asked).toEqual(ill);
  }
  how = () => true;
  await clock.advance(1_000);
  expect((await get(app, READY))[0]).toBe(200);
  expect(lines).toEqual([["not ready", { failing: "ill" }], ["ready again"]]);
  await closed(app, clock);
});

it("a server that checks tokens is ready once it has the issuer's keys, and asks for them by itself", async () => {
  await using who = await issuer();
  who.keys = [];
  const clock = virtualClock();
  const good = started(clock, { use: [token({ issuer: "issuer", audience: "lab", jwksUri: `${who.url}/jwks` })] });
  expect(await get(good, READY)).toEqual([200, { status: "serving" }]);
  const lost = started(clock, {
    use: [token({ issuer: "issuer", audience: "lab", jwksUri: "http://127.0.0.1:9/jwks" })],
  });
  expect(await get(lost, READY)).toEqual([503, { status: "unready", failing: ["token"] }]);
  await closed(good, clock);
  await closed(lost, clock);
});

it("a plugin that answers at these paths keeps them, and so does a server to which the app is attached", async () => {
  const clock = virtualClock();
  const own: Plugin = definePlugin({
    name: "own",
    start: () => ({ routes: { "/healthz": (exchange) => exchange.reply(200, {}, new TextEncoder().encode(`"own"`)) } }),
  });
  const app = started(clock, { use: [own] });
  expect(await get(app, "/healthz")).toEqual([200, "own"]);
  const server = createServer((_, response) => response.end("theirs"));
  await using listening = await new Promise<AsyncDisposable & { readonly url: string }>((resolve) => {
    server.listen(0, "127.0.0.1", () =>
      resolve({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        [Symbol.asyncDispose]: () => new Promise((over) => void server.close(() => over())),
      }),
    );
  });
  const other = started(clock);
  await other.attach(server);
  const texts = async (path: string): Promise<string> =>
    (await fetch(`${listening.url}${path}`, { headers: { connection: "close" } })).text();
  expect(await texts("/healthz")).toBe("theirs");
  expect(await texts(READY)).toBe("theirs");
  expect(JSON.parse(await texts("/raceway/health"))).toEqual({ status: "serving" });
  await closed(app, clock);
  await closed(other, clock);
});
