// The server half of the WebSocket transport, spoken to by hand. It is long because each rule of the handshake and of closing has its case.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Clock, fail, type Link, type LinkReceiver, type Logger, reasonOf } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { type HostedTransport, hostTransport, type HostTransportOptions } from "@raceway/server/node";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { websocket, type WebsocketOptions } from "./server.ts";

/** The server's end of one link, and all that happened to it. */
interface Served {
  readonly link: Link;
  readonly got: Uint8Array[];
  readonly log: string[];
}
interface Setup extends HostTransportOptions {
  readonly options?: WebsocketOptions;
  /** Called inside `opened`. */
  readonly opened?: (link: Link) => void;
  readonly batch?: (served: Served, bytes: Uint8Array) => void;
}

async function serve(
  setup: Setup = {},
): Promise<HostedTransport & { readonly links: Served[]; readonly port: number }> {
  const links: Served[] = [];
  const hosted = await hostTransport(
    websocket(setup.options),
    (link): LinkReceiver => {
      const served: Served = { link, got: [], log: [] };
      links.push(served);
      setup.opened?.(link);
      return {
        batch(bytes) {
          served.got.push(bytes);
          setup.batch?.(served, bytes);
        },
        drain: () => void served.log.push("drain"),
        closed: (error) =>
          void served.log.push(error === undefined ? "closed well" : `closed ${reasonOf(error)}: ${error.rawMessage}`),
      };
    },
    setup,
  );
  return Object.assign(hosted, { links, port: Number(new URL(hosted.endpoint.url).port) });
}

const text = (string: string): Uint8Array => new TextEncoder().encode(string);
const said = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const HANDSHAKE: Readonly<Record<string, string>> = {
  host: "localhost",
  upgrade: "websocket",
  connection: "Upgrade",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-protocol": "raceway.v1",
};

/** A client without any WebSocket library: what it says and gets are bytes. */
class RawClient {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  #wake = Promise.withResolvers<void>();

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("close", () => this.#wake.resolve());
    this.socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers<void>();
    });
  }

  request(
    headers: Readonly<Record<string, string>> = {},
    method = "GET",
    behind: Uint8Array = new Uint8Array(0),
  ): void {
    const lines = Object.entries({ ...HANDSHAKE, ...headers }).filter(([, value]) => value !== "");
    this.socket.write(
      Buffer.concat([
        Buffer.from(
          `${method} /raceway/websocket HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`,
        ),
        behind,
      ]),
    );
  }

  /** Waits until what came satisfies the check, or the connection is over. */
  async until(check: (received: Buffer) => boolean): Promise<Buffer> {
    while (!check(this.received) && !this.socket.destroyed) await this.#wake.promise;
    return this.received;
  }

  async status(): Promise<number> {
    const head = await this.until((received) => received.includes("\r\n\r\n"));
    return Number(/^HTTP\/1\.1 (\d+)/.exec(head.toString("latin1"))?.[1] ?? 0);
  }

  /** Shakes hands, and forgets the server's answer. */
  async open(): Promise<this> {
    this.request();
    if ((await this.status()) !== 101) throw new Error(`refused: ${this.received.toString()}`);
    this.received = this.received.subarray(this.received.indexOf("\r\n\r\n") + 4);
    return this;
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The code and reason of the close frame, which is all that comes. */
  async closeFrame(): Promise<string> {
    const received = await this.until((bytes) => bytes.length >= 2 && bytes.length >= 2 + (bytes[1] ?? 0));
    return `${received[0] === 0x88 ? "" : "no close frame: "}${received.readUInt16BE(2)} ${received.subarray(4).toString()}`.trimEnd();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** A masked frame with a payload of up to 65,535 bytes. */
function frame(first: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const { length } = payload;
  const head = length < 126 ? [first, 0x80 | length] : [first, 0xfe, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(...head, 1, 2, 3, 4), payload.map((byte, at) => byte ^ [1, 2, 3, 4][at & 3]!)]);
}
const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;
const FIN_PING = 0x89;

async function wsClient(port: number): Promise<WebSocket> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/raceway/websocket`, "raceway.v1");
  await once(client, "open");
  return client;
}

describe("the handshake", () => {
  test("confirms subprotocol and key, and no extension", async () => {
    await using server = await serve();
    using client = new RawClient(server.port);
    client.request({ "sec-websocket-protocol": "other, raceway.v1", "sec-websocket-extensions": "permessage-deflate" });
    expect(await client.status()).toBe(101);
    const head = client.received.toString().toLowerCase();
    expect(head).toContain("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"); // the example of RFC 6455, section 1.3
    expect(head).toContain("sec-websocket-protocol: raceway.v1\r\n");
    expect(head).not.toContain("sec-websocket-extensions");
  });

  test("refuses what is no WebSocket of ours", async () => {
    await using server = await serve();
    const cases: readonly (readonly [Readonly<Record<string, string>>, number])[] = [
      [{ "sec-websocket-protocol": "" }, 400],
      [{ "sec-websocket-protocol": "raceway.v2" }, 400],
      [{ "sec-websocket-protocol": `${" ".repeat(8_000)}x` }, 400],
      [{ "sec-websocket-key": "" }, 400],
      [{ "sec-websocket-key": "c2hvcnQ=" }, 400],
      [{ "sec-websocket-version": "8" }, 426],
    ];
    for (const [headers, status] of cases) {
      using client = new RawClient(server.port);
      client.request(headers);
      expect([headers, await client.status()]).toEqual([headers, status]);
    }
    using post = new RawClient(server.port);
    post.request({}, "POST");
    expect(await post.status()).toBe(405);
    expect(server.links).toHaveLength(0);
  });

  test("takes pages of allowed origins only, and clients that are no pages", async () => {
    const asked: string[] = [];
    await using server = await serve({
      allowsOrigin(origin, peer) {
        asked.push(`${origin} from ${peer.address}`);
        return origin === "https://good.example";
      },
    });
    for (const [origin, status] of [
      ["https://good.example", 101],
      ["https://evil.example", 403],
      ["https://good.example.evil.example", 403],
      ["null", 403],
    ] as const) {
      using client = new RawClient(server.port);
      client.request({ origin });
      expect([origin, await client.status()]).toEqual([origin, status]);
    }
    expect(asked[0]).toBe("https://good.example from 127.0.0.1");
    expect(asked).toHaveLength(4);
    using client = new RawClient(server.port);
    client.request();
    expect(await client.status()).toBe(101);
    expect(asked).toHaveLength(4);
  });

  test("leaves too many headers to the server under it, which answers 431", async () => {
    await using server = await serve();
    using client = new RawClient(server.port);
    client.request(Object.fromEntries(Array.from({ length: 2_500 }, (_, at) => [`x-header-${at}`, "a".repeat(20)])));
    expect(await client.status()).toBe(431);
    expect(server.links).toHaveLength(0);
  });

  test("keeps what the peer's headers said, but not those of the handshake", async () => {
    await using server = await serve();
    using client = new RawClient(server.port);
    client.request({ "User-Agent": "tea/1", Cookie: "a=1" });
    expect(await client.status()).toBe(101);
    const { peer } = server.links[0]!.link;
    expect([peer.address, peer.secure]).toEqual(["127.0.0.1", false]);
    expect(
      ["user-agent", "cookie", "host", "sec-websocket-key", "upgrade", "x-never"].map((name) => peer.header(name)),
    ).toEqual(["tea/1", "a=1", "localhost", undefined, undefined, undefined]);
  });

  test("reads what was sent behind the request, before the answer", async () => {
    await using server = await serve();
    using client = new RawClient(server.port);
    client.request({}, "GET", Buffer.concat([frame(FIN_BINARY, text("hello")), frame(FIN_BINARY, text("again"))]));
    await expect.poll(() => server.links[0]?.got.map(said)).toEqual(["hello", "again"]);
  });
});

describe("batches", () => {
  test("go as text if they are JSON, else as binary, and come as bytes either way", async () => {
    await using server = await serve();
    const client = await wsClient(server.port);
    const got: string[] = [];
    client.on("message", (data: Buffer, isBinary) =>
      got.push(`${isBinary ? "binary" : "text"} ${data.toString("latin1")}`),
    );
    const { link, got: served } = server.links[0]!;
    link.send([text('{"ping":'), text('{"id":1}}\n')]);
    link.send([text("\n binary")]);
    link.send([Uint8Array.of(0x7b, 0xff)]); // begins like JSON, and is none
    link.send([text(`{"x":"${"a".repeat(5_000)}"}`), text("\n")]);
    client.send('{"pong":{"id":1}}\n');
    client.send(text("bytes"));
    await expect.poll(() => [got.length, served.length]).toEqual([4, 2]);
    expect(got.slice(0, 3)).toEqual(['text {"ping":{"id":1}}\n', "binary \n binary", `binary {\xff`]);
    expect(got[3]).toHaveLength("text ".length + 5_009);
    expect(got[3]).toMatch(/^text /);
    expect(served.map(said)).toEqual(['{"pong":{"id":1}}\n', "bytes"]);
    client.terminate();
  });

  test("of one read are handed over in one turn", async () => {
    let turn = 0;
    const turns: number[] = [];
    await using server = await serve({ batch: () => void turns.push(turn) });
    using client = await new RawClient(server.port).open();
    server.links[0]!.link.resume();
    client.send(...Array.from({ length: 50 }, (_, at) => frame(FIN_BINARY, text(`message ${at}`))));
    const count = (): void => {
      turn++;
      if (turns.length < 50 && !client.socket.destroyed) setImmediate(count);
    };
    count();
    await expect.poll(() => turns.length).toBe(50);
    expect(new Set(turns).size).toBe(1);
  });

  test("may come in fragments, with a ping between them", async () => {
    await using server = await serve();
    using client = await new RawClient(server.port).open();
    client.send(
      frame(0x02, text("in ")),
      frame(FIN_PING, text("there?")),
      frame(0x00, text("three ")),
      frame(0x80, text("parts")),
    );
    await expect.poll(() => server.links[0]!.got.map(said)).toEqual(["in three parts"]);
    const pong = await client.until((bytes) => bytes.length >= 8);
    expect(pong).toEqual(Buffer.concat([Uint8Array.of(0x8a, 6), text("there?")]));
  });

  test("of a client that does not read stop the sender, and a drain follows", async () => {
    await using server = await serve();
    using client = await new RawClient(server.port).open();
    client.socket.pause();
    const { link, log } = server.links[0]!;
    const batch = [new Uint8Array(50_000).fill(10)];
    let sent = 0;
    while (link.send(batch)) {
      sent += 50_000;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(link.buffered).toBeGreaterThan(0);
    expect(log).toEqual([]);
    client.socket.resume();
    await expect.poll(() => log).toEqual(["drain"]);
    await expect.poll(() => link.buffered).toBe(0);
    await client.until((received) => received.length > sent);
    expect(link.send(batch)).toBe(true);
  });

  test("that are too large for this end close it, and nothing of them is sent", async () => {
    await using server = await serve({ options: { maxBatchBytes: 2_000 } });
    using client = await new RawClient(server.port).open();
    const { link, log } = server.links[0]!;
    expect(link.send([new Uint8Array(1_000), new Uint8Array(1_001)])).toBe(false);
    expect(log).toEqual([]); // not from inside `send`
    expect(await client.closeFrame()).toBe("1009 batch_too_large");
    expect(log).toEqual([
      "closed batch_too_large: Batch of 2001 bytes exceeds maxBatchBytes 2000. Send smaller messages, or raise limits.batchBytes on both ends.",
    ]);
  });
});

describe("hostile clients", () => {
  const cases: readonly (readonly [string, readonly Uint8Array[], string, string])[] = [
    [
      "a message above the limit",
      [frame(FIN_BINARY, new Uint8Array(2_001))],
      "1009 batch_too_large",
      "closed batch_too_large: Batch of 2001 bytes exceeds maxBatchBytes 2000",
    ],
    [
      "a length above the limit, without the bytes",
      [Uint8Array.of(FIN_BINARY, 0xff, 0, 0, 0, 1, 0, 0, 0, 0)],
      "1009 batch_too_large",
      "closed batch_too_large: Batch of 4294967296 bytes",
    ],
    [
      "fragments above the limit",
      Array.from({ length: 5 }, (_, at) => frame(at === 0 ? 0x02 : 0x00, new Uint8Array(500))),
      "1009 batch_too_large",
      "closed batch_too_large: Batch of 2500 bytes",
    ],
    [
      "empty fragments for ever",
      [frame(0x02), ...Array.from({ length: 16_384 }, () => frame(0x00))],
      "1008 frame_malformed",
      "closed frame_malformed: Malformed frame: a message has more than 16384 fragments",
    ],
    [
      "a frame without a mask",
      [Uint8Array.of(FIN_BINARY, 1, 65)],
      "1002 frame_malformed",
      "closed frame_malformed: Malformed frame: a frame is not masked",
    ],
    [
      "text that is not UTF-8",
      [frame(FIN_TEXT, Uint8Array.of(0xc0, 0xaf))],
      "1007 frame_malformed",
      "closed frame_malformed: Malformed frame: a text message is not UTF-8",
    ],
    [
      "a compressed message, which nobody agreed on",
      [frame(0xc2, text("x"))],
      "1002 frame_malformed",
      "closed frame_malformed: Malformed frame: a reserved bit is set",
    ],
  ];
  test.for(cases)(
    "%s: closed with the code that says so, and no other link feels it",
    async ([, frames, close, closed]) => {
      await using server = await serve({ maxBatchBytes: 2_000 });
      using other = await new RawClient(server.port).open();
      using client = await new RawClient(server.port).open();
      client.send(...frames);
      expect(await client.closeFrame()).toBe(close);
      expect(server.links[1]!.log).toEqual([expect.stringContaining(closed)]);
      expect(server.links[1]!.got).toEqual([]);
      client.send(frame(FIN_BINARY, text("still here"))); // discarded
      await once(client.socket, "close");
      other.send(frame(FIN_BINARY, text("unharmed")));
      await expect.poll(() => server.links[0]!.got.map(said)).toEqual(["unharmed"]);
      expect(server.links[0]!.log).toEqual([]);
    },
  );

  test("ten thousand pings in one write get a few pongs", async () => {
    await using server = await serve();
    using client = await new RawClient(server.port).open();
    client.send(
      ...Array.from({ length: 10_000 }, (_, at) => frame(FIN_PING, text(String(at)))),
      frame(FIN_BINARY, text("done")),
    );
    await expect.poll(() => server.links[0]!.got.map(said)).toEqual(["done"]);
    const pongs = await client.until((received) => received.includes("9999"));
    expect(pongs.length).toBeLessThan(1_000);
  });

  test("a client that pings and does not read cannot fill the server's memory", async () => {
    await using server = await serve();
    using client = await new RawClient(server.port).open();
    client.socket.pause();
    const { link, got } = server.links[0]!;
    while (link.send([new Uint8Array(50_000)])) await new Promise((resolve) => setImmediate(resolve));
    const before = link.buffered;
    for (let at = 0; at < 200; at++) client.send(frame(FIN_PING, new Uint8Array(125)), frame(FIN_BINARY, text("x")));
    await expect.poll(() => got.length).toBe(200);
    expect(link.buffered).toBeLessThanOrEqual(before);
  });
});

describe("the end", () => {
  test("asked for by the client: the code comes back, and both know it was meant", async () => {
    await using server = await serve();
    const client = await wsClient(server.port);
    client.close(1000, "bye");
    const [code] = (await once(client, "close")) as [number];
    expect(code).toBe(1000);
    expect(server.links[0]!.log).toEqual(["closed well"]);
    expect(server.links[0]!.link.send([text("late")])).toBe(false);
    expect(server.links[0]!.link.buffered).toBe(0);
  });

  test("with a code for an error: the server hears of it, without what the client wrote", async () => {
    await using server = await serve();
    const client = await wsClient(server.port);
    client.close(4000, "<script>");
    await expect
      .poll(() => server.links[0]!.log)
      .toEqual([
        expect.stringContaining(
          "closed link_closed: The websocket link ended: the other end closed it with code 4000.",
        ),
      ]);
  });

  test("asked for by the server: what was sent before arrives, then code 1000", async () => {
    await using server = await serve();
    const client = await wsClient(server.port);
    const got: string[] = [];
    client.on("message", (data: Buffer) => got.push(data.toString()));
    const { link, log } = server.links[0]!;
    for (const word of ["last", "words"]) link.send([text(word)]);
    link.close();
    link.close(fail("link_silent", { ms: 1 }));
    expect(link.send([text("late")])).toBe(false);
    const [code] = (await once(client, "close")) as [number];
    expect([code, got]).toEqual([1000, ["last", "words"]]);
    await expect.poll(() => log).toEqual(["closed well"]);
  });

  test("with an error from the server: its reason is told, its message is not", async () => {
    await using server = await serve();
    const client = await wsClient(server.port);
    const { link, log } = server.links[0]!;
    link.close(new ConnectError("the password is 1234", Code.Internal));
    const [code, reason] = (await once(client, "close")) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([1011, ""]);
    expect(log).toEqual(["closed undefined: the password is 1234"]);
    const second = await wsClient(server.port);
    server.links[1]!.link.close(fail("hello_timeout", { ms: 1 }));
    const [, why] = (await once(second, "close")) as [number, Buffer];
    expect(why.toString()).toBe("hello_timeout");
  });

  test.for([
    ["destroys its socket", (client: RawClient) => client.socket.resetAndDestroy(), "ECONNRESET"],
    [
      "goes without a close frame",
      (client: RawClient) => client.socket.end(),
      "the connection ended without a close frame",
    ],
  ] as const)("comes with an error when the client %s", async ([, leave, detail]) => {
    await using server = await serve();
    using client = await new RawClient(server.port).open();
    leave(client);
    await expect
      .poll(() => server.links[0]!.log)
      .toEqual([`closed link_closed: The websocket link ended: ${detail}. The session resumes on the next link.`]);
  });

  test("does not wait for ever for a client that does not answer the close frame", async () => {
    const clock = handClock();
    await using server = await serve({ clock });
    using client = await new RawClient(server.port).open();
    const { link, log } = server.links[0]!;
    link.close();
    await client.closeFrame();
    expect(log).toEqual([]);
    clock.pass(4_999);
    expect(client.socket.destroyed).toBe(false);
    clock.pass(1);
    await once(client.socket, "close");
    await expect.poll(() => log).toEqual(["closed well"]);
  });

  test("of the server: all links are told 1001", async () => {
    const server = await serve();
    const client = await wsClient(server.port);
    const closed = once(client, "close");
    await server[Symbol.asyncDispose]();
    expect((await closed)[0]).toBe(1001);
    expect(server.links[0]!.log).toEqual(["closed well"]);
  });

  test("of one link, whose receiver throws: the others go on, and the mistake is logged", async () => {
    const logged: string[] = [];
    const note = (message: string): void => void logged.push(message);
    const log: Logger = { debug: note, info: note, warn: note, error: note };
    let count = 0;
    await using server = await serve({
      log,
      opened: () => {
        if (++count === 1) throw new Error("not taken");
      },
      batch: (_served, bytes) => {
        if (said(bytes) === "bad") throw new Error("a mistake");
      },
    });
    const refused = await wsClient(server.port).then((client) => once(client, "close"));
    expect(refused[0]).toBe(1011);
    const bad = await wsClient(server.port);
    const good = await wsClient(server.port);
    bad.send(text("bad"));
    expect((await once(bad, "close"))[0]).toBe(1011);
    good.send(text("good"));
    await expect.poll(() => server.links[2]!.got.map(said)).toEqual(["good"]);
    expect(logged).toEqual(["a websocket link was not taken", "a batch was not taken"]);
    good.terminate();
  });
});

/** Node's turns, but timers only when the test says so. */
function handClock(): Clock & { pass(ms: number): void } {
  let now = 0;
  const timers = new Set<{ readonly due: number; readonly run: () => void }>();
  return {
    ...nodeClock(),
    now: () => now,
    after(ms, run) {
      const timer = { due: now + ms, run };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    pass(ms) {
      now += ms;
      for (const timer of timers) {
        if (timer.due > now) continue;
        timers.delete(timer);
        timer.run();
      }
    },
  };
}
