// The contract of HttpExchange over HTTP/1 and HTTP/2 alike, and what hostile requests get. All of it over real sockets.
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { type HttpExchange, reasonOf, type StreamOut } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { virtualClock, type VirtualClock } from "@raceway/testkit";
import { describe, expect, test } from "vitest";
import { ask, dial, hear, talk, untilClosed } from "../test/raw-client.ts";
import { type Listening, listenOn } from "./http-listen.ts";

interface Stage extends AsyncDisposable {
  readonly listening: Listening;
  readonly clock: VirtualClock;
  readonly http2: ClientHttp2Session;
  /** How the last bodies failed. */
  readonly failures: (string | undefined)[];
}

const encoder = new TextEncoder();

/** Listens with a handler for requests; the clock of the limits stands still. */
async function serve(request: (exchange: HttpExchange) => void): Promise<Stage> {
  const clock = virtualClock();
  const handler = { request, upgrade: () => expect.unreachable() };
  const listening = await listenOn(handler, { port: 0, host: "127.0.0.1", clock });
  const http2 = connectHttp2(listening.url).on("error", () => {});
  return {
    listening,
    clock,
    http2,
    failures: [],
    async [Symbol.asyncDispose]() {
      http2.destroy();
      await listening.close(0);
    },
  };
}

/** A server that says what it got. */
async function echo(maxBytes = 1_000): Promise<Stage> {
  const failures: (string | undefined)[] = [];
  const stage = await serve((exchange) => {
    exchange.body(maxBytes).then(
      (body) => {
        const { method, path, query, peer } = exchange;
        const facts = {
          method,
          path,
          query: query.toString(),
          address: peer.address,
          secure: peer.secure,
          one: peer.header("x-one"),
          none: peer.header("x-none"),
          proto: peer.header("__proto__"),
        };
        exchange.reply(
          200,
          { "content-type": "application/json" },
          encoder.encode(JSON.stringify({ ...facts, body: new TextDecoder().decode(body) })),
        );
      },
      (error: unknown) => {
        failures.push(reasonOf(error));
        exchange.reply(413, {}, encoder.encode("refused"));
      },
    );
  });
  return { ...stage, failures };
}

describe.each(["HTTP/1", "HTTP/2"])("over %s", (version) => {
  const request = async (
    stage: Stage,
    path: string,
    options: { method?: string; body?: string; headers?: Record<string, string> } = {},
  ) => {
    if (version === "HTTP/2") return ask(stage.http2, path, options);
    const response = await fetch(`${stage.listening.url}${path}`, {
      method: options.body === undefined ? "GET" : "POST",
      ...options,
    });
    return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
  };

  test("an exchange has the facts of its request, and answers in one piece", async () => {
    await using stage = await echo();
    const answer = await request(stage, "/a/b?x=1&y=%20", { body: "héllo", headers: { "x-one": "1" } });
    expect(JSON.parse(answer.text)).toEqual({
      method: "POST",
      path: "/a/b",
      query: "x=1&y=+",
      address: "127.0.0.1",
      secure: false,
      one: "1",
      body: "héllo",
    });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-length"]).toBe(String(encoder.encode(answer.text).byteLength));
    expect(answer.headers["content-type"]).toBe("application/json");
  });

  test("answers of every size and every byte arrive whole", async () => {
    await using stage = await serve((exchange) => {
      const size = Number(exchange.query.get("size"));
      exchange.reply(
        200,
        {},
        Uint8Array.from({ length: size }, (_, at) => at % 256),
      );
    });
    for (const size of [0, 1, 255, 4_095, 4_096, 4_097, 300_000]) {
      const answer = await request(stage, `/?size=${size}`);
      expect(answer.headers["content-length"]).toBe(String(size));
      expect(answer.text.length).toBeGreaterThanOrEqual(Math.floor(size / 2)); // not UTF-8; the length below is exact
    }
    const bytes = await (await fetch(`${stage.listening.url}/?size=4096`)).bytes();
    expect(bytes).toEqual(Uint8Array.from({ length: 4_096 }, (_, at) => at % 256));
  });

  test("a request without a body has an empty one", async () => {
    await using stage = await echo();
    for (const method of ["GET", "DELETE"])
      expect(JSON.parse((await request(stage, "/", { method })).text)).toMatchObject({ method, body: "" });
  });

  test("a body over the limit is refused, by its declared length before it comes", async () => {
    await using stage = await echo(1_000);
    expect((await request(stage, "/", { body: "x".repeat(1_000) })).status).toBe(200);
    expect((await request(stage, "/", { body: "x".repeat(1_001) })).status).toBe(413);
    expect((await request(stage, "/", { body: "x".repeat(3_000_000) })).status).toBe(413);
    expect(stage.failures).toEqual(["body_too_large", "body_too_large"]);
    expect((await request(stage, "/", { body: "fine" })).status).toBe(200);
  });

  test("target and headers have limits", async () => {
    await using stage = await echo();
    const long = (bytes: number): string => `/${"a".repeat(bytes - 1)}`;
    expect((await request(stage, long(8_192))).status).toBe(200);
    expect(JSON.parse((await request(stage, long(8_193))).text)).toEqual({
      code: "resource_exhausted",
      message: "Request target of 8193 bytes exceeds the limit of 8192.",
    });
    expect((await request(stage, "/", { headers: { "x-one": "a".repeat(15_000) } })).status).toBe(200);
    expect((await request(stage, "/", { headers: { "x-one": "a".repeat(16_400) } })).status).toBe(431);
  });

  test("an answer piece by piece: raw bytes in order, parts shared, drain and end told", async () => {
    const told: string[] = [];
    const large = new Uint8Array(100_000).fill(97);
    const shared = [encoder.encode("one "), encoder.encode("two ")];
    await using stage = await serve((exchange) => {
      let out: StreamOut;
      const sink = {
        drain() {
          told.push("drain");
          out.write([encoder.encode("last")]);
          out.end();
          out.end();
          expect(out.write(shared)).toBe(false);
        },
        closed: () => told.push("closed"),
      };
      out = exchange.stream(200, { "content-type": "text/plain" }, sink);
      expect(out.write(shared)).toBe(true);
      expect(out.write(shared)).toBe(true);
      expect(out.write([])).toBe(true); // an empty chunk would be the end
      expect(out.write([large, large])).toBe(false);
      expect(out.buffered).toBeGreaterThan(0);
    });
    const answer = await request(stage, "/");
    expect(answer.text).toBe(`one two one two ${"a".repeat(200_000)}last`);
    expect(answer.headers["content-type"]).toBe("text/plain");
    await expect.poll(() => told).toEqual(["drain", "closed"]);
    expect(shared.map((part) => new TextDecoder().decode(part))).toEqual(["one ", "two "]);
  });

  test("a stream that is destroyed breaks off, and is told once that it is over", async () => {
    let closed = 0;
    await using stage = await serve((exchange) => {
      const out = exchange.stream(200, {}, { drain() {}, closed: () => closed++ });
      out.write([encoder.encode("begin")]);
      setImmediate(() => {
        out.destroy();
        out.destroy();
        expect(out.write([encoder.encode("more")])).toBe(false);
      });
    });
    if (version === "HTTP/1") await expect(request(stage, "/")).rejects.toThrow("terminated");
    else expect((await request(stage, "/").catch(() => ({ text: "begin" }))).text).toBe("begin");
    await expect.poll(() => closed).toBe(1);
  });
});

describe("HTTP/1", () => {
  test("both lengths, two lengths, folded headers and nonsense are not requests", async () => {
    await using stage = await echo();
    const post = "POST / HTTP/1.1\r\nhost: a\r\n";
    const smuggles = [
      `${post}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n`,
      `${post}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
      `${post}content-length: +5\r\n\r\nhello`,
      `${post}transfer-encoding: chunked, identity\r\n\r\nhello`,
      `${post}x-one: a\r\n b: c\r\n\r\n`.replace("x-one: a\r\n b", "x-one : a\r\n b"),
      "NONSENSE\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n", // no host
    ];
    for (const smuggle of smuggles) {
      const answer = await talk(stage.listening.port, smuggle);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).not.toContain("smuggled");
    }
  });

  test("headers beyond all measure are refused before they are complete", async () => {
    await using stage = await echo();
    expect(await talk(stage.listening.port, `GET /${"a".repeat(70_000)}`)).toMatch(/^HTTP\/1\.1 (414|431) /);
    expect(await talk(stage.listening.port, `GET / HTTP/1.1\r\nhost: a\r\n${"x-one: 1\r\n".repeat(7_000)}`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
  });

  test("a chunked body over the limit is refused while it comes, and what else comes is borne for two seconds", async () => {
    await using stage = await echo(10);
    const socket = dial(stage.listening.port);
    socket.write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n14\r\n01234567890123456789\r\n");
    expect(await hear(socket, "refused")).toContain("413");
    expect(stage.failures).toEqual(["body_too_large"]);
    socket.write("5\r\nmore!\r\n");
    await stage.clock.advance(1_900);
    expect(socket.closed).toBe(false);
    await stage.clock.advance(200);
    await untilClosed(socket);
  });

  test("a body that trickles is given up after 5 s, one that stops after 30 s, one that keeps the pace is read", async () => {
    await using stage = await echo(100_000);
    const send = (body: string, length: number) => {
      const socket = dial(stage.listening.port);
      socket.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n${body}`);
      return socket;
    };
    const trickling = send("x", 100_000);
    const stopped = send("x".repeat(50_000), 100_000);
    const steady = send("x".repeat(10_000), 50_000);
    await stage.clock.settle();
    await expect.poll(() => stage.clock.timers).toBeGreaterThan(0);
    await stage.clock.advance(5_000);
    expect(stage.failures).toEqual([]);
    await stage.clock.advance(1_100);
    expect(await hear(trickling, "refused")).toContain("413");
    expect(stage.failures).toEqual(["body_too_slow"]);
    steady.write("x".repeat(40_000));
    expect(await hear(steady, "xxxx")).toContain("200 OK");
    await stage.clock.advance(25_000);
    expect(await hear(stopped, "refused")).toContain("413");
    expect(stage.failures).toEqual(["body_too_slow", "body_too_slow"]);
    for (const socket of [trickling, stopped, steady]) socket.destroy();
  });

  test("a body that ends before its declared length is told as such", async () => {
    await using stage = await echo();
    const socket = dial(stage.listening.port);
    socket.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello");
    await expect.poll(() => stage.clock.timers).toBeGreaterThan(0);
    socket.destroy();
    await expect.poll(() => stage.failures).toEqual(["body_incomplete"]);
  });

  test("requests in one packet are answered in order, streams among them", async () => {
    const outs: StreamOut[] = [];
    await using stage = await serve((exchange) => {
      if (exchange.path === "/plain") return exchange.reply(200, {}, encoder.encode("plain"));
      outs.push(exchange.stream(200, {}, { drain() {}, closed() {} }));
    });
    const socket = dial(stage.listening.port);
    socket.write(["/first", "/second", "/plain"].map((path) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`).join(""));
    await expect.poll(() => outs.length).toBe(2);
    const [first, second] = outs as [StreamOut, StreamOut];
    second.write([encoder.encode("2a")]); // waits for its turn
    first.write([encoder.encode("1a")]);
    first.end();
    second.write([encoder.encode("2b")]);
    second.end();
    const heard = await hear(socket, "plain");
    expect(heard.replaceAll(/HTTP[^]*?\r\n\r\n/g, "|")).toBe(
      "|2\r\n1a\r\n0\r\n\r\n|2\r\n2a\r\n2\r\n2b\r\n0\r\n\r\n|plain",
    );
    socket.destroy();
  });

  test("streams of clients that go away are told so, also of those whose turn had not come", async () => {
    let closed = 0;
    let aborted = 0;
    await using stage = await serve((exchange) => {
      exchange.stream(200, {}, { drain() {}, closed: () => closed++ }).write([encoder.encode("hello")]);
      exchange.closed.addEventListener("abort", () => aborted++);
    });
    const socket = dial(stage.listening.port);
    socket.write("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    await hear(socket, "hello");
    socket.destroy();
    await expect.poll(() => [closed, aborted]).toEqual([2, 2]);
  });

  test("an HTTP/1.0 client gets a stream without chunks, and HEAD gets no body", async () => {
    await using stage = await serve((exchange) => {
      if (exchange.method === "HEAD") return exchange.reply(200, { etag: "1" }, encoder.encode("body"));
      const out = exchange.stream(200, {}, { drain() {}, closed() {} });
      out.write([encoder.encode("a"), encoder.encode("b")]);
      out.end();
    });
    expect(await talk(stage.listening.port, "GET / HTTP/1.0\r\n\r\n")).toMatch(/\r\n\r\nab$/);
    expect(await talk(stage.listening.port, "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).toMatch(
      /content-length: 4\r\n[^]*\r\n\r\n$/,
    );
  });

  test("a connection goes on after each kind of answer", async () => {
    await using stage = await echo(5);
    const socket = dial(stage.listening.port);
    for (const [body, expected] of [
      ["hello", '"body":"hello"'],
      ["too much", "refused"],
      ["again", '"body":"again"'],
    ]) {
      socket.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body!.length}\r\n\r\n${body}`);
      expect(await hear(socket, expected!)).toMatch(/^HTTP\/1\.1 \d/);
    }
    socket.destroy();
  });

  test("an answer that nobody reads is given up", async () => {
    let aborted = false;
    await using stage = await serve((exchange) => {
      exchange.closed.addEventListener("abort", () => (aborted = true));
      exchange.reply(200, {}, new Uint8Array(50_000_000));
    });
    const socket = dial(stage.listening.port);
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await once(socket, "readable"); // and never reads on
    await stage.clock.advance(31_000);
    await expect.poll(() => aborted).toBe(true);
    socket.destroy();
  });
});

describe("HTTP/2", () => {
  test("a client that goes away, or resets, is noticed by streams and bodies", async () => {
    let closed = 0;
    let aborted = 0;
    await using stage = await serve((exchange) => {
      exchange.closed.addEventListener("abort", () => aborted++);
      exchange.stream(200, {}, { drain() {}, closed: () => closed++ }).write([encoder.encode("hello")]);
    });
    const one = stage.http2.request({ ":path": "/" }, { endStream: true });
    await once(one, "data");
    one.close(8);
    await expect.poll(() => [closed, aborted]).toEqual([1, 1]);
    const two = stage.http2.request({ ":path": "/" }, { endStream: true }).on("error", () => {});
    await once(two, "data");
    stage.http2.destroy();
    await expect.poll(() => [closed, aborted]).toEqual([2, 2]);
  });

  test("headers about the hop do not get into an answer", async () => {
    await using stage = await serve((exchange) => exchange.reply(426, { upgrade: "websocket", connection: "upgrade" }));
    expect((await ask(stage.http2, "/")).status).toBe(426);
  });

  test("thousands of requests that are reset at once do not hurt the others", async () => {
    await using stage = await serve((exchange) => exchange.reply(200, {}, encoder.encode("ok")));
    const hostile = connectHttp2(stage.listening.url).on("error", () => {});
    for (let round = 0; round < 2_000 && !hostile.destroyed; round++)
      hostile
        .request({ ":path": "/" })
        .on("error", () => {})
        .close(8);
    expect((await ask(stage.http2, "/")).text).toBe("ok");
    hostile.destroy();
  });
});

test("the real clock serves as well", async () => {
  await using listening = await listenOn(
    { request: (exchange) => exchange.reply(204, {}), upgrade() {} },
    { port: 0, host: "127.0.0.1", clock: nodeClock() },
  );
  const response = await fetch(listening.url);
  expect([response.status, response.headers.get("content-length")]).toEqual([204, null]);
});
