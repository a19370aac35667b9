// Servers found by a URL and by DNS SRV records: bounded, checked, refreshed, and kept when the source fails.
import { Resolver } from "node:dns/promises";
import { type Endpoints, type StartedEndpoints, discoverUrl } from "@raceway/client";
import { type SrvRecord, discoverSrv } from "@raceway/client/node";
import { reasonOf, systemClock } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { dnsServer } from "./dns-server.ts";
import { clientHost, seeded } from "./host.ts";

const LIST = "https://list.example/servers.json";

function answering(body: () => unknown, status = 200): { readonly endpoints: Endpoints; readonly asked: string[] } {
  const asked: string[] = [];
  const endpoints = discoverUrl(LIST, {
    everyMs: 1_000,
    fetch: async (url) => {
      asked.push(url);
      const value = body();
      if (value instanceof Error) throw value;
      return new Response(typeof value === "string" ? value : JSON.stringify(value), { status });
    },
  });
  return { endpoints, asked };
}
async function failure(started: StartedEndpoints): Promise<{ reason: unknown; message: string }> {
  try {
    await started.list();
  } catch (error) {
    return { reason: reasonOf(error), message: (error as Error).message };
  }
  return { reason: undefined, message: "" };
}

describe("by URL", () => {
  it.each([
    ["a list", ["https://a.example/", "https://b.example"]],
    ["an object with a list", { endpoints: ["https://a.example/", "https://b.example"] }],
  ])("takes %s", async (_, body) => {
    const { endpoints, asked } = answering(() => body);
    await using stack = new AsyncDisposableStack();
    const started = stack.use({ ...endpoints.start(clientHost()), [Symbol.dispose]: () => {} });
    expect(await started.list()).toEqual(["https://a.example", "https://b.example"]);
    expect(asked).toEqual([LIST]);
  });

  it("takes nothing that is no URL of a server, no http from https, nothing twice, and at most 64", async () => {
    const good = Array.from({ length: 100 }, (_, at) => `https://${at}.example`);
    const bad = [
      1,
      null,
      {},
      "nonsense",
      "http://a.example",
      "javascript:alert(1)",
      "https://me:word@a.example",
      `https://${"a".repeat(3_000)}.example`,
    ];
    const { endpoints } = answering(() => [...bad, good[0], ...good]);
    expect(await endpoints.start(clientHost()).list()).toEqual(good.slice(0, 64));
  });

  it.each([
    ["no JSON", "<html>", 200],
    ["no list", { servers: [] }, 200],
    ["an empty list", [], 200],
    ["null", null, 200],
    ["an error", ["https://a.example"], 503],
    ["too much", JSON.stringify(Array.from({ length: 5_000 }, (_, at) => `https://server-${at}.example`)), 200],
  ])("says what is wrong with %s", async (_, body, status) => {
    const { endpoints } = answering(() => body, status);
    const { reason, message } = await failure(endpoints.start(clientHost()));
    expect(reason).toBe("discovery_failed");
    expect(message).toContain(LIST);
  });

  it("asks again from time to time, and keeps the last list while the answer fails", async () => {
    const host = clientHost();
    let body: unknown = ["https://a.example"];
    const { endpoints, asked } = answering(() => body);
    const started = endpoints.start(host);
    await host.clock.settle();
    expect(started.list()).toEqual(["https://a.example"]);
    body = ["https://b.example"];
    await host.clock.advance(1_200);
    expect(started.list()).toEqual(["https://b.example"]);
    body = new Error("gone");
    await host.clock.advance(5_000);
    expect(started.list()).toEqual(["https://b.example"]);
    body = ["https://c.example"];
    await host.clock.advance(1_200);
    expect(started.list()).toEqual(["https://c.example"]);
    started[Symbol.dispose]?.();
    const before = asked.length;
    await host.clock.advance(10_000);
    expect(asked).toHaveLength(before);
  });

  it("an answer that never comes is given up after ten seconds, and asked for again", async () => {
    const host = clientHost();
    let asked = 0;
    const started = discoverUrl(LIST, {
      everyMs: 1_000,
      fetch: () => (++asked === 1 ? new Promise(() => {}) : Promise.resolve(Response.json(["https://a.example"]))),
    }).start(host);
    const first = failure(started);
    await host.clock.advance(10_100);
    expect((await first).message).toContain("no answer within 10000 ms");
    await host.clock.advance(1_200);
    expect(started.list()).toEqual(["https://a.example"]);
    started[Symbol.dispose]?.();
  });
});

describe("by DNS SRV", () => {
  const NAME = "_raceway._tcp.test.example";
  const found = (records: readonly SrvRecord[], seed = 1): string[] | Promise<string[]> =>
    discoverSrv(NAME, { resolver: { resolveSrv: async () => records } })
      .start({ ...clientHost(), random: seeded(seed) })
      .list() as Promise<string[]>;
  const record = (name: string, priority: number, weight: number): SrvRecord => ({ name, port: 443, priority, weight });

  it("lower priorities come first", async () => {
    expect(await found([record("c", 30, 1), record("a", 10, 1), record("b", 20, 1)])).toEqual([
      "https://a:443",
      "https://b:443",
      "https://c:443",
    ]);
  });

  it("within a priority, weights decide by lot, and what has none is drawn seldom", async () => {
    const first = new Map<string, number>();
    for (let lot = 1; lot <= 2_000; lot++) {
      const [url] = await found([record("light", 1, 10), record("heavy", 1, 30), record("none", 1, 0)], lot * 104_729);
      first.set(url!, (first.get(url!) ?? 0) + 1);
    }
    expect(Math.abs(first.get("https://heavy:443")! - 1_460)).toBeLessThan(120);
    expect(Math.abs(first.get("https://light:443")! - 490)).toBeLessThan(120);
    expect(first.get("https://none:443") ?? 0).toBeLessThan(150);
  });

  it("a service that is said not to be there is none", async () => {
    await expect(found([record(".", 0, 0)])).rejects.toThrow("there is no such service");
  });

  it("asks a name server, keeps what it said while it is silent, and takes what it says next", async () => {
    await using server = await dnsServer(NAME);
    const resolver = new Resolver({ timeout: 200, tries: 1 });
    resolver.setServers([server.address]);
    server.records = [
      { priority: 2, weight: 1, port: 8_443, target: "b.test.example" },
      { priority: 1, weight: 1, port: 443, target: "a.test.example" },
    ];
    const host = { ...clientHost(), clock: systemClock() };
    const started = discoverSrv(NAME, { resolver, everyMs: 50 }).start(host);
    expect(await started.list()).toEqual(["https://a.test.example:443", "https://b.test.example:8443"]);
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise<void>((resolve) => host.clock.after(10, resolve));
    };
    server.silent = true;
    const { asked } = server;
    await until(() => server.asked >= asked + 2); // one has failed by then
    expect(started.list()).toEqual(["https://a.test.example:443", "https://b.test.example:8443"]);
    server.records = [{ priority: 1, weight: 1, port: 443, target: "c.test.example" }];
    server.silent = false;
    await until(() => (started.list() as string[]).includes("https://c.test.example:443"));
    server.records = [];
    const before = server.asked;
    await until(() => server.asked >= before + 2);
    expect(started.list()).toEqual(["https://c.test.example:443"]);
    started[Symbol.dispose]?.();
  });

  it("says so if the name is not known", async () => {
    await using server = await dnsServer(NAME);
    const resolver = new Resolver({ timeout: 200, tries: 1 });
    resolver.setServers([server.address]);
    const started = discoverSrv("_other._tcp.test.example", { resolver }).start({
      ...clientHost(),
      clock: systemClock(),
    });
    const { reason, message } = await failure(started);
    expect(reason).toBe("discovery_failed");
    expect(message).toContain("ENOTFOUND");
    started[Symbol.dispose]?.();
  });
});
