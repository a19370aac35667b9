// One port for all that is spoken, and the end of it.
import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as requestHttps } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { HttpExchange, HttpUpgrade, StreamOut } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, test } from "vitest";
import { ask, dial, hear, selfSigned, talk, untilClosed } from "../test/raw-client.ts";
import { listenOn, type ListenOptions } from "./http-listen.ts";

const encoder = new TextEncoder();
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Says what it was asked, and takes upgrades. */
const handler = {
  request(exchange: HttpExchange) {
    exchange.body(1_000).then(
      (body) =>
        exchange.reply(
          200,
          {},
          encoder.encode(
            `${exchange.method} ${exchange.path} ${new TextDecoder().decode(body)} ${exchange.peer.secure}`,
          ),
        ),
      () => exchange.reply(400, {}),
    );
  },
  upgrade({ node }: HttpUpgrade) {
    const socket = node.socket as Socket;
    socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
    socket.write(`head ${new TextDecoder().decode(node.head)}`);
    socket.on("data", (bytes) => socket.write(bytes));
    socket.on("end", () => socket.end());
  },
};
const local = { port: 0, host: "127.0.0.1" };
const listen = (options: Partial<ListenOptions> = {}) =>
  listenOn(handler, { ...local, clock: nodeClock(), ...options });

describe("without TLS, one port", () => {
  test("speaks HTTP/1.1, HTTP/2 and upgrades to WebSocket, however the first bytes are cut", async () => {
    await using listening = await listen();
    const { port } = listening;
    expect(await (await fetch(`${listening.url}/one`, { method: "POST", body: "hi" })).text()).toBe(
      "POST /one hi false",
    );

    const http2 = connectHttp2(listening.url);
    expect((await ask(http2, "/two", { body: "hi" })).text).toBe("POST /two hi false");
    http2.destroy();

    const post = "POST /p HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi";
    const slow = dial(port);
    for (const letter of post.slice(0, 8)) {
      slow.write(letter);
      await new Promise((resolve) => setImmediate(resolve));
    }
    slow.write(post.slice(8));
    expect(await untilClosed(slow)).toContain("POST /p hi false");

    const upgraded = dial(port);
    upgraded.write("GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\nearly");
    expect(await hear(upgraded, "head early")).toContain("101");
    upgraded.write("echo");
    expect(await hear(upgraded, "echo")).toBe("echo");
    upgraded.destroy();
  });

  test("takes an HTTP/2 preface in pieces", async () => {
    await using listening = await listen();
    const socket = dial(listening.port);
    for (const piece of [PREFACE.slice(0, 3), PREFACE.slice(3, 20), PREFACE.slice(20)]) {
      socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])); // empty SETTINGS
    const [first] = (await once(socket, "data")) as [Buffer];
    expect(first[3]).toBe(4); // the server's SETTINGS
    socket.destroy();
  });

  test("ignores upgrades to anything else, such as curl's to h2c", async () => {
    await using listening = await listen();
    const asked =
      "GET /x HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n\r\n";
    expect(await talk(listening.port, asked)).toContain("200 OK");
  });

  test("closes connections that say nothing, almost a preface, half of a head, or nothing after a preface", async () => {
    const clock = virtualClock();
    await using listening = await listen({ clock, limits: { headMs: 200, idleMs: 300 } });
    const said = ["", "PRI * HTTP/2.0\r\n", "GET / HT", "GET / HTTP/1.1\r\nhost: a\r\nx-one: ", PREFACE];
    const silent = said.map((text) => {
      const socket = dial(listening.port);
      if (text !== "") socket.write(text);
      return untilClosed(socket);
    });
    await expect.poll(() => clock.timers).toBe(2); // the two that may yet become anything
    await clock.advance(200);
    const [first, second, third, fourth] = await Promise.all(silent);
    expect([first, second]).toEqual(["", ""]);
    expect([third, fourth]).toEqual([expect.stringContaining("408"), expect.stringContaining("408")]);
  });

  test("a client that closes before it has said anything leaves nothing behind", async () => {
    const clock = virtualClock();
    await using listening = await listen({ clock });
    const socket = dial(listening.port);
    await expect.poll(() => clock.timers).toBe(1);
    socket.end();
    await untilClosed(socket);
    await expect.poll(() => clock.timers).toBe(0);
  });
});

test("with TLS, one port speaks HTTP/2, HTTP/1.1 and upgrades, as the client chooses", async () => {
  const { key, cert } = selfSigned();
  await using listening = await listen({ tls: { key, cert } });
  expect(listening.url).toBe(`https://127.0.0.1:${listening.port}`);

  const http2 = connectHttp2(listening.url, { ca: cert });
  expect((await ask(http2, "/two", { body: "hi" })).text).toBe("POST /two hi true");
  expect(http2.alpnProtocol).toBe("h2");
  http2.destroy();

  const request = requestHttps(`${listening.url}/one`, { ca: cert, agent: false }).end();
  const [response] = (await once(request, "response")) as [AsyncIterable<Buffer>];
  let text = "";
  for await (const chunk of response) text += chunk.toString();
  expect(text).toBe("GET /one  true");

  const upgraded = connectTls({ port: listening.port, host: "127.0.0.1", ca: cert, ALPNProtocols: ["http/1.1"] });
  upgraded.write("GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  expect(await hear(upgraded, "head")).toContain("101");
  upgraded.destroy();

  // Who does not speak TLS is not served, and hurts nobody.
  expect(await talk(listening.port, "GET / HTTP/1.1\r\nhost: a\r\n\r\n")).not.toContain("200");
});

describe("closing", () => {
  /** Holds every request until the test answers it. */
  const holding = async () => {
    const held: HttpExchange[] = [];
    const clock = virtualClock();
    const listening = await listenOn(
      { request: (exchange) => held.push(exchange), upgrade: handler.upgrade },
      { ...local, clock },
    );
    return { held, clock, listening };
  };

  test("waits for exchanges under way, over HTTP/1 and HTTP/2, and takes no more connections", async () => {
    const { held, clock, listening } = await holding();
    const one = fetch(`${listening.url}/one`);
    const http2 = connectHttp2(listening.url);
    const two = ask(http2, "/two");
    const idle = dial(listening.port);
    await expect.poll(() => held.length).toBe(2);
    let over = false;
    const closed = listening.close(10_000).then(() => (over = true));
    await untilClosed(idle); // an idle connection ends at once
    await expect(fetch(`${listening.url}/three`)).rejects.toThrow("fetch failed");
    await clock.advance(5_000);
    expect(over).toBe(false);
    for (const exchange of held) exchange.reply(200, {}, encoder.encode("at last"));
    expect(await (await one).text()).toBe("at last");
    expect((await two).text).toBe("at last");
    await expect.poll(() => clock.advance(100).then(() => over)).toBe(true);
    await closed;
    expect(clock.timers).toBe(0);
  });

  test("cuts what is left when the grace is over: exchanges, streams and upgraded connections", async () => {
    const { held, clock, listening } = await holding();
    const one = fetch(`${listening.url}/one`).catch(() => "cut");
    const http2 = connectHttp2(listening.url).on("error", () => {});
    const two = http2.request({ ":path": "/two" }).on("error", () => {});
    const upgraded = dial(listening.port);
    upgraded.write("GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    await hear(upgraded, "head");
    await expect.poll(() => held.length).toBe(2);
    const closed = listening.close(1_000);
    await clock.advance(1_100);
    await closed;
    expect(await one).toBe("cut");
    await untilClosed(upgraded);
    if (!two.closed) await once(two, "close");
  });

  test("at once cuts at once, and is the same as disposing", async () => {
    const { held, listening } = await holding();
    const one = fetch(`${listening.url}/one`).catch(() => "cut");
    await expect.poll(() => held.length).toBe(1);
    await listening[Symbol.asyncDispose]();
    expect(await one).toBe("cut");
    await listening.close(); // again: nothing more happens
  });

  test("a stream that its owner ends in time is delivered whole", async () => {
    let out: StreamOut | undefined;
    const clock = virtualClock();
    const listening = await listenOn(
      { request: (exchange) => void (out = exchange.stream(200, {}, { drain() {}, closed() {} })), upgrade() {} },
      { ...local, clock },
    );
    const answer = fetch(listening.url).then((response) => response.text());
    await expect.poll(() => out).toBeDefined();
    const closed = listening.close(10_000);
    out?.write([encoder.encode("goodbye")]);
    out?.end();
    expect(await answer).toBe("goodbye");
    await clock.advance(100);
    await closed;
  });
});

test("a port that is taken is an error, and an address without a name gets one", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  await expect(listen({ port })).rejects.toThrow("EADDRINUSE");
  other.close();
  await using all = await listenOn(handler, { port: 0, clock: nodeClock() });
  expect(all.url).toBe(`http://localhost:${all.port}`);
});

test("limits are checked when it begins to listen", async () => {
  await expect(listen({ limits: { headMs: 0 } })).rejects.toThrow(
    "http limits: option headMs is 0, expected a number from 1 to 600000 (ms).",
  );
});
