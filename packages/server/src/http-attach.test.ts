// In somebody else's server: what is ours comes to us, all else finds what it would find without us.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect as connectHttp2, createSecureServer, createServer as createHttp2, type Http2Server } from "node:http2";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, connect, type Server as NetServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { nodeClock } from "@raceway/core/node";
import { describe, expect, test } from "vitest";
import { ask, hear, selfSigned, talk } from "../test/raw-client.ts";
import { attachTo } from "./http-attach.ts";
import type { HttpHandler } from "./http-router.ts";

const handler = {
  request: () => {},
  upgrade: ({ node }: { readonly node: { readonly socket: unknown } }) =>
    void (node.socket as { end(text: string): void }).end("HTTP/1.1 101 ours\r\n\r\n"),
};

/** First line of the answer to an upgrade, or "" if the connection just ends. */
async function upgrade(server: Server, path: string): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let answer = "";
  socket.on("data", (bytes) => (answer += bytes.toString("latin1")));
  socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n`);
  await once(socket, "close");
  return answer.split("\r\n")[0]!;
}

async function serverOf(): Promise<Server & AsyncDisposable> {
  const server = createServer((_, response) => void response.writeHead(200, "theirs", { connection: "close" }).end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

describe("attached to a server", () => {
  test("that does not listen for upgrades, it gets its own, and others stay requests", async () => {
    await using server = await serverOf();
    const attached = attachTo(server, handler, { path: "/raceway", clock: nodeClock() });
    expect(await upgrade(server, "/raceway/websocket")).toBe("HTTP/1.1 101 ours");
    expect(await upgrade(server, "/else")).toBe("HTTP/1.1 200 theirs");
    attached[Symbol.dispose]();
    expect(await upgrade(server, "/raceway/websocket")).toBe("HTTP/1.1 200 theirs");
  });

  test("that listens for upgrades, it leaves others to the listener", async () => {
    await using server = await serverOf();
    attachTo(server, handler, { path: "/raceway", clock: nodeClock() });
    server.on("upgrade", ({ url }, socket) => {
      if (url === "/else") socket.end("HTTP/1.1 101 theirs\r\n\r\n");
    });
    expect(await upgrade(server, "/raceway/websocket")).toBe("HTTP/1.1 101 ours");
    expect(await upgrade(server, "/else")).toBe("HTTP/1.1 101 theirs");
  });

  test("whose own rule takes an upgrade that nobody listens for, it ends the connection as Node does", async () => {
    await using server = await serverOf();
    (server as { shouldUpgradeCallback?: () => boolean }).shouldUpgradeCallback = () => true;
    attachTo(server, handler, { path: "/raceway", clock: nodeClock() });
    expect(await upgrade(server, "/else")).toBe("");
  });
});

/** Says whose it is, and what it was asked. */
const named = (name: string): HttpHandler => ({
  request: (exchange) =>
    void exchange
      .body(1_000)
      .then((body) =>
        exchange.reply(200, {}, new TextEncoder().encode(`${name} ${exchange.path} ${new TextDecoder().decode(body)}`)),
      ),
  upgrade: (upgrade) => upgrade.refuse(400, name),
});
const clock = nodeClock();
async function listening<S extends NetServer>(
  server: S,
): Promise<{ readonly port: number; readonly server: S } & AsyncDisposable> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    server,
    async [Symbol.asyncDispose]() {
      (server as unknown as Server).closeAllConnections?.();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
const textOf = (port: number, path: string): Promise<string> =>
  fetch(`http://127.0.0.1:${port}${path}`).then((response) => response.text());

describe("requests", () => {
  test("of our paths come to us, although another listener answers everything, before or after", async () => {
    const server = createServer((_, response) => void response.end("theirs"));
    await using place = await listening(server);
    const attached = attachTo(server, named("ours"), { path: "/raceway", clock });
    const seen: (string | undefined)[] = [];
    server.on("request", (request) => seen.push(request.url));
    server.prependListener("request", (request) => seen.push(request.url));
    const paths = ["/raceway", "/raceway/poll?x=1", "/racewayx", "/", "/raceway/../x", "/raceway%2fpoll"];
    const answers = await Promise.all(
      paths.map((path) => talk(place.port, `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)),
    );
    expect(answers.map((answer) => /ours|theirs/.exec(answer)?.[0])).toEqual([
      "ours",
      "ours",
      "theirs",
      "theirs",
      "theirs",
      "theirs",
    ]);
    expect(new Set(seen)).toEqual(new Set(paths.slice(2)));
    attached[Symbol.dispose]();
    expect(await textOf(place.port, "/raceway")).toBe("theirs");
  });

  test("find the right one of several, which come and go in any order", async () => {
    const server = createServer((_, response) => void response.end("theirs"));
    await using place = await listening(server);
    const a = attachTo(server, named("a"), { path: ["/a", "/.well-known/raceway"], clock });
    const b = attachTo(server, named("b"), { path: "/b", clock });
    const all = (): Promise<string[]> =>
      Promise.all(["/a/x", "/b/x", "/.well-known/raceway", "/c"].map((path) => textOf(place.port, path)));
    expect(await all()).toEqual(["a /a/x ", "b /b/x ", "a /.well-known/raceway ", "theirs"]);
    a[Symbol.dispose]();
    a[Symbol.dispose]();
    expect(await all()).toEqual(["theirs", "b /b/x ", "theirs", "theirs"]);
    b[Symbol.dispose]();
    expect(await all()).toEqual(["theirs", "theirs", "theirs", "theirs"]);
  });

  test("that ask whether to go on are told so, also where the server has its own answer to that", async () => {
    const server = createServer();
    server.on("checkContinue", (_, response) => void response.writeHead(417, "theirs").end());
    await using place = await listening(server);
    attachTo(server, named("ours"), { path: "/raceway", clock });
    const socket = connect(place.port, "127.0.0.1");
    socket.write("POST /raceway HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    await hear(socket, "100 Continue");
    socket.write("hi");
    expect(await hear(socket, "ours")).toContain("ours /raceway hi");
    socket.destroy();
    expect(
      await talk(
        place.port,
        "POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\n",
      ),
    ).toContain("417 theirs");
  });

  test("have our limits", async () => {
    const server = createServer((_, response) => void response.end("theirs"));
    await using place = await listening(server);
    attachTo(server, named("ours"), { path: "/raceway", clock, limits: { targetBytes: 100 } });
    const long = "x".repeat(100);
    expect((await fetch(`http://127.0.0.1:${place.port}/raceway/${long}`)).status).toBe(414);
    expect(await textOf(place.port, `/${long}`)).toBe("theirs");
  });

  test.each<[string, () => Http2Server]>([
    ["has request listeners", () => createHttp2((_, response) => void response.end("theirs"))],
    [
      "has stream listeners",
      () =>
        createHttp2().on("stream", (stream) => {
          stream.respond({ ":status": 200 });
          stream.end("theirs");
        }),
    ],
  ])("over HTTP/2 come to us from a server that %s", async (_, make) => {
    const server = make();
    await using place = await listening(server);
    const attached = attachTo(server, named("ours"), { path: "/raceway", clock });
    const session = connectHttp2(`http://127.0.0.1:${place.port}`);
    expect((await ask(session, "/raceway/x", { body: "hi" })).text).toBe("ours /raceway/x hi");
    expect((await ask(session, "/x")).text).toBe("theirs");
    attached[Symbol.dispose]();
    expect((await ask(session, "/raceway/x")).text).toBe("theirs");
    session.destroy();
  });

  test("over TLS come to us, by HTTP/1 and HTTP/2", async () => {
    const { key, cert } = selfSigned();
    const answer = (_: unknown, response: { end(text: string): void }): void => response.end("theirs");
    for (const server of [
      createHttps({ key, cert }, answer),
      createSecureServer({ key, cert, allowHTTP1: true }, answer),
    ]) {
      await using place = await listening(server);
      attachTo(server, named("ours"), { path: "/raceway", clock });
      for (const [path, expected] of [
        ["/raceway/x", "ours"],
        ["/x", "theirs"],
      ] as const) {
        const socket = connectTls({ port: place.port, host: "127.0.0.1", ca: cert, ALPNProtocols: ["http/1.1"] });
        socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
        expect(await hear(socket, expected)).toContain("200 OK");
        socket.destroy();
      }
      if (!("setTimeout" in server && "updateSettings" in server)) continue;
      const session = connectHttp2(`https://127.0.0.1:${place.port}`, { ca: cert });
      expect((await ask(session, "/raceway/x")).text).toBe("ours /raceway/x ");
      expect((await ask(session, "/x")).text).toBe("theirs");
      session.destroy();
    }
  });
});
