// `raceway doctor`: what it finds of an installation, and on the way to servers behind proxies that are wrong in known ways.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ChannelContract, definePlugin, fail } from "@raceway/core";
import { raceway, type Raceway } from "@raceway/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { expect, test, vi } from "vitest";
import { shopService as newShop } from "../evolution/gen/new/shop/v1/shop.server.ts";
import { shopService as oldShop } from "../evolution/gen/old/shop/v1/shop.server.ts";
import { type Ended, racewayCommand } from "./raceway.ts";

// Each starts processes, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

interface Finding {
  readonly check: string;
  readonly outcome: string;
  readonly detail: string;
  readonly mend?: string;
}

async function doctor(
  cwd: string,
  ...args: readonly string[]
): Promise<Ended & { readonly found: Readonly<Record<string, Finding>> }> {
  const ended = await racewayCommand(["doctor", ...args, "--json"], "", { cwd });
  const lines = ended.out.split("\n").filter((line) => line !== "");
  return {
    ...ended,
    found: Object.fromEntries(lines.map((line) => JSON.parse(line) as Finding).map((one) => [one.check, one])),
  };
}

class Folder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "raceway-doctor-"));

  constructor(files: Readonly<Record<string, string>> = {}) {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, name)), { recursive: true });
      writeFileSync(join(this.path, name), text);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

async function listening(server: Server): Promise<{ readonly url: string } & Disposable> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, [Symbol.dispose]: close };
}

async function serving(
  use: Parameters<typeof raceway>[0]["use"] = [],
): Promise<{ readonly app: Raceway; readonly url: string } & AsyncDisposable> {
  const app = raceway({ transports: [websocket(), sse(), poll()], use });
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  return { app, url, [Symbol.asyncDispose]: () => app.close(0) };
}

test("schemas of which the server has the same version, another one, or none", async () => {
  const served = async (
    version: "old" | "new",
    channels: Readonly<Record<string, ChannelContract>> = {},
  ): Promise<{ readonly url: string } & AsyncDisposable> => {
    const app = raceway({ transports: [websocket()] });
    const refuse = (): never => {
      throw new Error("not asked here");
    };
    const names = [
      "order",
      "echo",
      "show",
      "find",
      "arrivals",
      "price",
      "buy",
      "reserve",
      "prices",
      "haggle",
      "add",
      "write",
    ] as const;
    const handlers = Object.fromEntries(names.map((name) => [name, refuse])) as Record<
      (typeof names)[number],
      () => never
    >;
    const { contract } = oldShop;
    const as = { ...oldShop, contract: { ...contract, channels: { ...contract.channels, ...channels } } };
    if (version === "old") app.serve(as, { ...handlers, cancel: refuse });
    else app.serve(newShop, { ...handlers, refund: refuse });
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    return { url, [Symbol.asyncDispose]: () => app.close(0) };
  };
  const inputs = join(import.meta.dirname, "../evolution/schemas/old");
  const config = `export default { generate: [{ inputs: [${JSON.stringify(inputs)}], protoPath: [${JSON.stringify(inputs)}], out: "gen" }] };`;
  using folder = new Folder({ "raceway.config.mjs": config });
  await using same = await served("old");
  expect((await doctor(folder.path, same.url)).found["schemas"]).toMatchObject({
    outcome: "fine",
    detail: "1 service is of the same version here and on the server",
  });
  await using other = await served("new");
  const { found } = await doctor(folder.path, other.url);
  expect(found["schemas"]).toMatchObject({
    outcome: "warning",
    detail: expect.stringMatching(
      /^shop\.v1\.ShopService is of version [0-9a-f]{8} here, and [0-9a-f]{8} there; shop\.v1\.ShopService\/Arrivals is a feed here, and a topic there; the server has no shop\.v1\.ShopService\/Cancel$/,
    ) as string,
    mend: expect.stringContaining(`raceway breaking --against ${other.url}`) as string,
  });
  // Options are not part of a version.
  await using odd = await served("old", {
    arrivals: { kind: "topic", address: "arrivals/{shop}", addressFields: ["shop"] },
  });
  expect((await doctor(folder.path, odd.url)).found["schemas"]).toMatchObject({
    outcome: "warning",
    detail: "shop.v1.ShopService/Arrivals is a feed here, and a topic there",
  });
  await using nothing = await serving();
  expect((await doctor(folder.path, nothing.url)).found["schemas"]).toMatchObject({ outcome: "left out" });
});

test("a server that all can reach", async () => {
  using folder = new Folder();
  await using server = await serving();
  const { code, err, found } = await doctor(folder.path, server.url);
  expect({ code, said: JSON.parse(err) as unknown }).toEqual({
    code: 0,
    said: { note: "nothing is wrong", errors: 0, warnings: 0 },
  });
  for (const check of ["node", "server", "health", "clock", "websocket", "sse", "poll"])
    expect(found[check], check).toMatchObject({ outcome: "fine" });
  expect(found["websocket"]!.detail).toMatch(/^opens in \d+ ms, a round trip takes [\d.]+ ms$/);
  expect(found["generated code"]!.outcome).toBe("left out");
  const text = (await racewayCommand(["doctor", server.url, "-t", "poll"], "", { cwd: folder.path })).out;
  expect(text).toContain("✓ poll: opens in ");
  expect(text).not.toContain("websocket: opens");
});

test("a proxy that swallows upgrades and holds event streams back", async () => {
  using folder = new Folder();
  await using server = await serving();
  const { port } = new URL(server.url);
  const proxy = createServer((incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    const forwarded = request({ port, host: "127.0.0.1", method, path, headers }, (answer) => {
      if (answer.headers["content-length"] === undefined) return; // held back until it ends, and it does not
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  proxy.on("upgrade", (_, socket) => socket.destroy());
  using through = await listening(proxy);
  const { code, err, found } = await doctor(folder.path, through.url, "--timeout", "4");
  expect({ code, said: JSON.parse(err) as unknown }).toEqual({
    code: 1,
    said: { note: "2 wrong", errors: 2, warnings: 0 },
  });
  expect(found["websocket"]).toMatchObject({ outcome: "error", mend: expect.stringContaining("upgrades") as string });
  expect(found["sse"]).toMatchObject({
    outcome: "error",
    mend: expect.stringContaining("proxy_buffering off") as string,
  });
  expect(found["poll"]).toMatchObject({ outcome: "fine" });
});

test("a server that drains, refuses, or does not offer what is wanted", async () => {
  using folder = new Folder();
  const closed = definePlugin({
    name: "closed",
    start: () => ({
      session() {
        throw fail("credential_missing", { scheme: "a bearer token" });
      },
    }),
  });
  await using server = await serving([closed]);
  const { code, found } = await doctor(folder.path, server.url, "-t", "websocket", "-t", "grpc");
  expect(code).toBe(1);
  expect(found["websocket"]).toMatchObject({ outcome: "error", mend: expect.stringContaining("--token") as string });
  expect(found["grpc"]).toMatchObject({ detail: "the server does not offer it" });
});

test("clocks that are apart, and servers that are not ours", async () => {
  using folder = new Folder();
  const document = { transports: [], channels: {} };
  const late = createServer((_, response) => {
    response.sendDate = false;
    response.setHeader("date", new Date(Date.now() - 3_600_000).toUTCString());
    response.end(JSON.stringify(document));
  });
  using skewed = await listening(late);
  const skew = await doctor(folder.path, skewed.url);
  expect(skew.code).toBe(0);
  expect(skew.found["clock"]).toMatchObject({ outcome: "warning", mend: expect.stringContaining("NTP") as string });
  expect(skew.found["clock"]!.detail).toMatch(/^the server's clock is 3(599|600|601) s behind this one$/);

  using foreign = await listening(createServer((_, response) => void response.writeHead(404).end("not here")));
  const other = await doctor(folder.path, foreign.url, "-t", "poll");
  expect(other.code).toBe(1);
  expect(other.found["server"]!.detail).toContain("has status 404 and no document of Raceway");

  using moved = await listening(
    createServer(({ url: path = "" }, response) => void response.writeHead(301, { location: skewed.url + path }).end()),
  );
  const sent = await doctor(folder.path, moved.url);
  expect(sent.code).toBe(1);
  expect(sent.found["server"]).toMatchObject({
    detail: `${moved.url} sends whoever asks on to ${skewed.url}, which clients do not follow`,
    mend: `use ${skewed.url}, if that is your server.`,
  });
  const plain = await doctor(folder.path, foreign.url.replace("http", "https"));
  expect(plain.found["server"]!.mend).toBe(`there is no TLS at this port: try ${foreign.url}, or check the port.`);

  const nobody = await doctor(folder.path, "http://127.0.0.1:1");
  expect(nobody.code).toBe(1);
  expect(Object.keys(nobody.found)).not.toContain("websocket");
  expect((await racewayCommand(["doctor", "ftp://x"])).code).toBe(2);
});

test("packages of several versions, libraries in two copies, stale code", async () => {
  const json = (name: string, version: string): string => JSON.stringify({ name, version });
  using folder = new Folder({
    "node_modules/@raceway/core/package.json": json("@raceway/core", "1.0.0"),
    "node_modules/@raceway/client/package.json": json("@raceway/client", "1.1.0"),
    "node_modules/@bufbuild/protobuf/package.json": json("@bufbuild/protobuf", "2.17.0"),
    "node_modules/@raceway/client/node_modules/@bufbuild/protobuf/package.json": json("@bufbuild/protobuf", "2.16.0"),
    "proto/a.proto": 'syntax = "proto3"; message M {}',
    "raceway.config.mjs": 'export default { generate: [{ inputs: ["proto"], out: "gen" }] };',
  });
  const { code, found } = await doctor(folder.path);
  expect(code).toBe(1);
  expect(found["packages"]!.detail).toContain("1.1.0: @raceway/client; 1.0.0: @raceway/core");
  expect(found["@bufbuild/protobuf"]!.detail).toContain("there are 2 copies of @bufbuild/protobuf: 2.17.0 in ");
  expect(found["generated code in gen"]).toMatchObject({ outcome: "error", mend: "run raceway generate." });
  await racewayCommand(["generate"], "", { cwd: folder.path });
  expect((await doctor(folder.path)).found["generated code in gen"]).toMatchObject({ outcome: "fine" });
});
