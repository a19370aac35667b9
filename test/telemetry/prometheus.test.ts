// The Prometheus endpoint: as a route of whatever serves, or on a port of its own; what it answers, and to whom.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { memoryTransport } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { type PrometheusOptions, prometheus } from "@raceway/telemetry/prometheus";
import { telemetry } from "@raceway/telemetry/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { describe, expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";

const PEEK = "/lab.v1.LabService/Peek";

function measured(options: PrometheusOptions = {}): Raceway {
  const metrics = prometheus(options);
  const app = raceway({
    transports: [memoryTransport().server, grpc()],
    use: [telemetry({ meterProvider: metrics.meterProvider, tracerProvider: false }), metrics],
  });
  app.serve(labService, handlers([], virtualClock()));
  return app;
}

const ask = (base: string, path: string, init: RequestInit = {}): Promise<Response> => fetch(base + path, init);
const call = (base: string): Promise<Response> =>
  ask(base, PEEK, { method: "POST", headers: { "content-type": "application/json" }, body: '{"text":"tea"}' });

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Values by series, of text in Prometheus' exposition format (0.0.4); throws on a line that is none. */
function parse(text: string): Map<string, number> {
  const series = new Map<string, number>();
  const typed = new Set<string>();
  expect(text.endsWith("\n")).toBe(true);
  for (const line of text.slice(0, -1).split("\n")) {
    if (/^# (?:HELP|UNIT) [a-zA-Z_:][\w:]* .*$/.test(line)) continue;
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (?:counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      if (typed.has(type[1]!)) throw new Error(`two types of ${type[1]}`);
      typed.add(type[1]!);
      continue;
    }
    const value =
      /^([a-zA-Z_:][\w:]*(?:\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*\})?) (-?[\d.e+]+|\+Inf)( \d+)?$/.exec(line);
    if (value === null) throw new Error(`no line of the format: ${line}`);
    if (series.has(value[1]!)) throw new Error(`twice: ${line}`);
    series.set(value[1]!, Number(value[2]));
  }
  return series;
}

describe("as a route of the server", () => {
  it("says what was measured, in the format that Prometheus reads", async () => {
    await using app = measured();
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    await call(url);
    const response = await ask(url, "/metrics");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("no-store");
    const series = parse(await response.text());
    const labels = `rpc_system_name="connectrpc",rpc_method="lab.v1.LabService/Peek",raceway_transport="native",rpc_status_code="ok"`;
    const counts = [...series].filter(([name]) => name.startsWith("rpc_server_call_duration_count"));
    expect(counts).toEqual([[expect.stringContaining(labels), 1]]);
  });

  it("in a server of the user's own, and for web-standard requests", async () => {
    const own = createServer((_, response) => response.end("own"));
    await using app = measured({ allow: () => true });
    await app.attach(own);
    await new Promise<void>((resolve) => own.listen(0, "127.0.0.1", resolve));
    const base = `http://127.0.0.1:${(own.address() as AddressInfo).port}`;
    expect(await (await ask(base, "/other")).text()).toBe("own");
    await call(base);
    expect(parse(await (await ask(base, "/metrics")).text()).size).toBeGreaterThan(10);
    const asked = await app.fetch(new Request("http://lab/metrics"));
    expect(parse(await asked.text()).size).toBeGreaterThan(10);
    own.closeAllConnections();
    await new Promise((resolve) => own.close(resolve));
  });

  it("answers to GET and HEAD only, at its path only, with and without a prefix", async () => {
    await using app = measured({ path: "/internal/stats", prefix: "shop" });
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    await call(url);
    expect((await ask(url, "/metrics")).status).toBe(404);
    const head = await ask(url, "/internal/stats", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    const post = await ask(url, "/internal/stats", { method: "POST" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect(await (await ask(url, "/internal/stats")).text()).toContain("shop_rpc_server_call_duration_count");
  });

  it("to this machine only, unless another rule is given", async () => {
    await using app = measured();
    // No address is known of who asks by `fetch`.
    expect((await app.fetch(new Request("http://lab/metrics"))).status).toBe(403);
    await using closed = measured({ allow: ({ peer }) => peer.header("authorization") === "Bearer scraper" });
    const { url } = await closed.listen({ port: 0, host: "127.0.0.1" });
    expect((await ask(url, "/metrics")).status).toBe(403);
    expect((await ask(url, "/metrics", { headers: { authorization: "Bearer scraper" } })).status).toBe(200);
  });

  it("goes on after an inspection, which starts and ends all plugins", async () => {
    await using app = measured();
    expect((await app.inspect()).problems).toEqual([]);
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    await call(url);
    expect(await (await ask(url, "/metrics")).text()).toContain("rpc_server_call_duration_count");
  });
});

describe("on a port of its own", () => {
  it("answers there, not at the server, and no longer than the server", async () => {
    const port = await freePort();
    const app = measured({ port });
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    await call(url);
    const base = `http://localhost:${port}`;
    expect(parse(await (await ask(base, "/metrics")).text()).size).toBeGreaterThan(10);
    expect((await ask(url, "/metrics")).status).toBe(404);
    await app.close(0);
    await expect(ask(base, "/metrics")).rejects.toThrow("fetch failed");
  });

  it("stops the start if that port is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "localhost", resolve));
    const app = measured({ port: (other.address() as AddressInfo).port });
    await expect(app.listen({ port: 0, host: "127.0.0.1" })).rejects.toThrow("EADDRINUSE");
    await app.close(0);
    await new Promise((resolve) => other.close(resolve));
  });
});

it("options that make no sense are refused where they are written", () => {
  expect(() => prometheus({ path: "metrics" })).toThrow("path");
  expect(() => prometheus({ port: 70_000 })).toThrow("port");
  expect(() => prometheus({ prefix: "1x y" })).toThrow("prefix");
  expect(() => prometheus({ endpoint: "/" } as never)).toThrow("endpoint");
});
