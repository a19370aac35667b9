// The nginx of docs/deploy.md, word by word, in front of a server: every transport and door gets through it, and addresses and origins are what they were.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { connect } from "@raceway/client";
import { clientAddress } from "@raceway/core";
import { ipFilter } from "@raceway/middleware/ip-filter";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc as grpcClient } from "@raceway/transport-grpc/client";
import { grpc } from "@raceway/transport-grpc/server";
import { poll as pollClient } from "@raceway/transport-poll/client";
import { poll } from "@raceway/transport-poll/server";
import { sse as sseClient } from "@raceway/transport-sse/client";
import { sse } from "@raceway/transport-sse/server";
import { websocket as websocketClient } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { describe, expect, it } from "vitest";
import { needService } from "../../tools/services.mjs";
import { from, handlers, take } from "../app/lab.ts";
import { freePort } from "../free-port.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { nginxServer } from "./nginx-server.ts";

const nginx = needService("nginx");
const page = readFileSync(join(import.meta.dirname, "../../docs/deploy.md"), "utf8");
const [, shown = ""] = /```nginx\n([^]*?)```/.exec(page) ?? [];

interface World extends AsyncDisposable {
  /** Through nginx: by HTTP/1.1, and by HTTP/2 without TLS, where the page has both on one port, with TLS. */
  readonly url: string;
  readonly http2: string;
  readonly topics: LabPublishers;
  connect(transports: Parameters<typeof connect>[1]["transports"], url?: string): ReturnType<typeof connect>;
}

async function world(): Promise<World> {
  const app = raceway({
    transports: [websocket(), sse(), poll(), grpc()],
    use: [ipFilter({ trustedProxies: ["127.0.0.1"] })],
  });
  const topics = app.serve(labService, {
    ...handlers([], virtualClock()),
    peek: (_, context) => ({ text: context.get(clientAddress) ?? "nobody's" }),
  });
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  let second = 0;
  const proxy = await nginxServer(nginx!, async (port) => {
    second = await freePort();
    const listens = `listen 127.0.0.1:${port};\n  listen 127.0.0.1:${second} http2;`;
    const config = shown
      .replace("listen 443 ssl http2;", listens)
      .replaceAll(/^ *ssl_certificate.*\n/gm, "")
      .replaceAll("127.0.0.1:8080", new URL(url).host);
    expect(config).toContain(listens);
    expect(config).not.toMatch(/ssl|8080/);
    return config;
  });
  const connections: ReturnType<typeof connect>[] = [];
  return {
    url: proxy.url,
    http2: `http://127.0.0.1:${second}`,
    topics,
    connect(transports, to = proxy.url) {
      const connection = connect(to, { transports });
      connections.push(connection);
      return connection;
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) await connection.close();
      await app.close(0);
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Asks by Connect from another address of this machine, and says so of itself what it likes. */
function askFrom(
  address: string,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/lab.v1.LabService/Peek`, {
      method: "POST",
      localAddress: address,
      headers: { "content-type": "application/json", ...headers },
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.end("{}");
  });
}

describe.skipIf(nginx === undefined)("through the nginx of docs/deploy.md", () => {
  it.each([
    ["websocket", [websocketClient()], "url"],
    ["sse", [sseClient()], "url"],
    ["sse", [sseClient({ format: "text" })], "url"],
    ["poll", [pollClient()], "url"],
    ["grpc", [grpcClient()], "http2"],
  ] as const)("%s carries calls both ways, 3 MiB up, and a topic as it is published", async (name, transports, to) => {
    await using it = await world();
    const connection = it.connect(transports, it[to]);
    const lost: string[] = [];
    connection.state.subscribe(({ status, reason }) => {
      if (status === "resuming") lost.push(String(reason));
    });
    const client = labClient(connection);
    const data = new Uint8Array(768 * 1024).fill(7);
    for (let turn = 0; turn < 4; turn += 1)
      expect((await client.echo({ text: "hello", data })).data).toHaveLength(data.length);
    expect(connection.state.current).toMatchObject({ status: "open", transport: name });
    const said = from([{ text: "one" }, { text: "two" }]);
    expect((await take(client.chat(said), 2)).map(({ text }) => text)).toEqual(["one!", "two!"]);
    const ticks = client.ticks({ board: "tea" }, { from: "start" })[Symbol.asyncIterator]();
    const first = ticks.next();
    await it.topics.ticks.publish({ board: "tea" }, { symbol: "A" });
    expect((await first).value).toMatchObject({ symbol: "A" });
    await ticks.return?.();
    expect(lost).toEqual([]);
  });

  it("gRPC and Connect clients that know nothing of Raceway get through", async () => {
    await using it = await world();
    for (const transport of [
      createGrpcTransport({ baseUrl: it.http2 }),
      createConnectTransport({ baseUrl: it.url, httpVersion: "1.1" }),
      createConnectTransport({ baseUrl: it.http2, httpVersion: "2" }),
      createGrpcWebTransport({ baseUrl: it.url, httpVersion: "1.1" }),
    ]) {
      const client = createClient(LabService, transport);
      expect((await client.add({ a: 1, b: 2 })).sum).toBe(3);
      expect((await take(client.count({ from: 1, to: 3 }), 3)).map(({ value }) => value)).toEqual([1, 2, 3]);
      const ticks = client.ticks({ board: "tea" }, { headers: { "raceway-after": "start" } })[Symbol.asyncIterator]();
      const first = ticks.next();
      await it.topics.ticks.publish({ board: "tea" }, { symbol: "A" });
      expect((await first).value).toMatchObject({ symbol: "A" });
      await ticks.return?.();
    }
  });

  it("the address is the client's, whatever he says of it himself", async () => {
    await using it = await world();
    const { body } = await askFrom("127.0.0.2", it.url, { "x-forwarded-for": "203.0.113.9" });
    expect(JSON.parse(body)).toEqual({ text: "127.0.0.2" });
  });

  it("a page of the proxy's own origin is taken for one, and no other", async () => {
    await using it = await world();
    expect((await askFrom("127.0.0.1", it.url, { origin: it.url })).status).toBe(200);
    expect((await askFrom("127.0.0.1", it.url, { origin: "https://elsewhere.example" })).status).toBe(403);
  });
});
