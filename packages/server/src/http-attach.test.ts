// WebSocket upgrades in somebody else's server: ours come to us, all others find what they would find without us.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { nodeClock } from "@raceway/core/node";
import { describe, expect, test } from "vitest";
import { attachTo } from "./http-attach.ts";

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
