// The client half of the WebSocket transport, against a scripted server.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, fail, type Host, type Link, reasonOf, silentLogger, systemRandom } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { testHost } from "@raceway/testkit";
import { describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import type { SocketLike } from "./client-socket.ts";
import { websocket } from "./client.ts";

const text = (string: string): Uint8Array => new TextEncoder().encode(string);
const said = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const never = new AbortController().signal;
const endpoint = { url: "http://127.0.0.1:9", path: "/raceway" };

/** A socket in the hands of the test. */
class FakeSocket implements SocketLike {
  static last: FakeSocket;
  binaryType = "blob";
  protocol = "raceway.v1";
  bufferedAmount = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  readonly did: string[] = [];

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
    FakeSocket.last = this;
  }
  send(data: string | Uint8Array): void {
    this.did.push(typeof data === "string" ? `text ${data}` : `binary ${said(data)}`);
  }
  close(code?: number, reason?: string): void {
    this.did.push(["close", code, reason].filter((part) => part !== undefined && part !== "").join(" "));
  }
  opens(): void {
    this.onopen?.({} as never);
  }
  receives(data: unknown): void {
    this.onmessage?.({ data } as never);
  }
  closes(code: number, reason = ""): void {
    this.onclose?.({ code, reason } as never);
  }
}

/** Node's turns, but `after` and `loopEnd` only when the test says so. */
function handClock(): Clock & { pass(ms: number): void; loop(): void } {
  let now = 0;
  let ends: (() => void)[] = [];
  const timers = new Set<{ readonly due: number; readonly run: () => void }>();
  return {
    ...nodeClock(),
    now: () => now,
    loopEnd: (run) => void ends.push(run),
    after(ms, run) {
      const timer = { due: now + ms, run };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    loop() {
      const due = ends;
      ends = [];
      for (const run of due) run();
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

async function openFake(
  options: { readonly maxBatchBytes?: number; readonly clock?: Clock } = {},
): Promise<{ socket: FakeSocket; link: Link; log: string[] }> {
  const host: Host = {
    ...testHost("client"),
    log: silentLogger,
    random: systemRandom,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  };
  const log: string[] = [];
  let link: Link | undefined;
  const opening = websocket({ WebSocket: FakeSocket, maxBatchBytes: options.maxBatchBytes })
    .start(host)
    .open(
      endpoint,
      (opened) => {
        link = opened;
        return {
          batch: (bytes) => void log.push(`batch ${said(bytes)}`),
          drain: () => void log.push("drain"),
          closed: (error) =>
            void log.push(error === undefined ? "closed well" : `closed ${reasonOf(error)}: ${error.rawMessage}`),
        };
      },
      never,
    );
  FakeSocket.last.opens();
  await opening;
  return { socket: FakeSocket.last, link: link!, log };
}

describe("opening", () => {
  test("asks for the subprotocol at the transport's path, with ws for http and wss for https", async () => {
    const { socket } = await openFake();
    expect([socket.url, socket.protocols, socket.binaryType]).toEqual([
      "ws://127.0.0.1:9/raceway/websocket",
      ["raceway.v1"],
      "arraybuffer",
    ]);
    const transport = websocket({ WebSocket: FakeSocket });
    void transport
      .start(testHost("client"))
      .open({ url: "https://example.com/app", path: "/live" }, () => expect.unreachable(), never);
    expect(FakeSocket.last.url).toBe("wss://example.com/app/live/websocket");
    expect(["http://a", "https://a", "ftp://a"].map((url) => transport.supports({ url, path: "/raceway" }))).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("rejects when nobody listens, when the server refuses, and when it does not confirm the subprotocol", async () => {
    const { open } = websocket().start(testHost("client"));
    const unreachable = (): never => expect.unreachable("opened was called");
    const server = await listening((_request, response) => response.writeHead(404).end());
    const deaf = new WebSocketServer({ server: await listening(), handleProtocols: () => false });
    const urls = [urlOf(server), urlOf(deaf.options.server as Server)];
    server.close();
    await expect(open({ url: urls[0]!, path: "/raceway" }, unreachable, never)).rejects.toThrow(
      "Transport websocket could not connect: the handshake did not succeed",
    );
    await expect(open({ url: urls[1]!, path: "/raceway" }, unreachable, never)).rejects.toThrow(/could not connect/);
    await expect(open({ url: "http://not a url", path: "" }, unreachable, never)).rejects.toThrow(
      "the endpoint's URL is not one of a WebSocket",
    );
    deaf.close();
    (deaf.options.server as Server).close();
    const opening = websocket({ WebSocket: FakeSocket }).start(testHost("client")).open(endpoint, unreachable, never);
    FakeSocket.last.protocol = "";
    FakeSocket.last.opens();
    await expect(opening).rejects.toThrow("the server did not confirm the subprotocol raceway.v1");
    expect(FakeSocket.last.did).toEqual(["close"]);
  });

  test("called off: nothing stays open, before the attempt and during it", async () => {
    const { open } = websocket({ WebSocket: FakeSocket }).start(testHost("client"));
    const unreachable = (): never => expect.unreachable("opened was called");
    const calledOff = new AbortController();
    const opening = open(endpoint, unreachable, calledOff.signal);
    const socket = FakeSocket.last;
    calledOff.abort();
    await expect(opening).rejects.toThrow("called off");
    expect(socket.did).toEqual(["close"]);
    socket.opens(); // it was too late to stop it
    socket.closes(1006);
    await expect(open(endpoint, unreachable, calledOff.signal)).rejects.toThrow("called off");
    expect(FakeSocket.last).toBe(socket);
  });

  test("refuses options that are wrong on the line that gives them", () => {
    expect(() => websocket({ maxBatchBytes: 1 })).toThrow(
      "websocket: option maxBatchBytes is 1, expected a number from 1024",
    );
    expect(() => websocket({ maxBatchSize: 1 } as object)).toThrow("there is no option maxBatchSize");
  });
});

describe("a link", () => {
  test("sends one message a batch: JSON as text, the rest as it is", async () => {
    const { socket, link } = await openFake();
    link.send([text('{"ping":'), text("{}}\n")]);
    link.send([text("bytes")]);
    link.send([Uint8Array.of(0x7b, 0xff)]);
    link.send([]);
    expect(socket.did).toEqual(['text {"ping":{}}\n', "binary bytes", "binary {\ufffd"]);
  });

  test("takes text, array buffers, and what a socket that does not obey gives", async () => {
    const { socket, log } = await openFake();
    socket.receives('{"pong":{}}');
    socket.receives(text("buffer").buffer);
    socket.receives(Buffer.from("node"));
    socket.receives(new Blob(["lost"]));
    socket.receives("");
    expect(log).toEqual(['batch {"pong":{}}', "batch buffer", "batch node"]);
  });

  test("looks at what is buffered only while it is above the mark, ever less often, and then says drain", async () => {
    const clock = handClock();
    const { socket, link, log } = await openFake({ clock });
    socket.bufferedAmount = 65_536;
    expect(link.send([text("a")])).toBe(true);
    socket.bufferedAmount = 65_537;
    expect(link.send([text("b")])).toBe(false);
    expect(link.send([text("c")])).toBe(false);
    expect(link.buffered).toBe(65_537);
    clock.loop();
    for (const ms of [2, 4, 8, 16, 16]) {
      clock.pass(ms - 1);
      clock.pass(1);
      expect(log).toEqual([]);
    }
    socket.bufferedAmount = 10;
    clock.pass(15);
    expect(log).toEqual([]);
    clock.pass(1);
    expect(log).toEqual(["drain"]);
    clock.pass(1_000);
    expect(log).toEqual(["drain"]);
  });

  test("keeps what comes while it is paused, in order, and ends rather than keep too much", async () => {
    const { socket, link, log } = await openFake();
    link.pause();
    for (const word of ["a", "b", "c"]) socket.receives(word);
    link.resume();
    link.pause();
    link.resume();
    socket.receives("d");
    expect(log).toEqual([]); // not from inside `resume`
    await expect.poll(() => log).toEqual(["batch a", "batch b", "batch c", "batch d"]);
    link.pause();
    for (let at = 0; at < 17; at++) socket.receives(new ArrayBuffer(1_048_576));
    await expect
      .poll(() => log.at(-1))
      .toContain("closed link_closed: The websocket link ended: more than 16777216 bytes came while it was paused");
    expect(socket.did).toEqual(["close 4000 link_closed"]);
  });

  test("closes itself when a batch is too large, in either direction", async () => {
    const out = await openFake({ maxBatchBytes: 1_024 });
    expect(out.link.send([new Uint8Array(1_025)])).toBe(false);
    await expect
      .poll(() => out.log)
      .toEqual([expect.stringContaining("closed batch_too_large: Batch of 1025 bytes exceeds maxBatchBytes 1024")]);
    expect(out.socket.did).toEqual(["close 4000 batch_too_large"]);
    const into = await openFake({ maxBatchBytes: 1_024 });
    into.socket.receives(new ArrayBuffer(1_025));
    await expect.poll(() => into.log).toEqual([expect.stringContaining("closed batch_too_large")]);
  });

  test("knows a good end from a bad one", async () => {
    const ends: readonly (readonly [number, string, string])[] = [
      [1000, "", "closed well"],
      [1001, "", "closed well"],
      [1005, "", "closed well"],
      [1006, "", "the connection was lost"],
      [1009, "batch_too_large", "closed it with code 1009 batch_too_large."],
      [1011, "<b>anything</b>", "closed it with code 1011."],
    ];
    for (const [code, reason, expected] of ends) {
      const { socket, link, log } = await openFake();
      socket.bufferedAmount = 100;
      socket.closes(code, reason);
      expect(log).toEqual([expect.stringContaining(expected)]);
      expect([link.send([text("late")]), link.buffered]).toEqual([false, 0]);
    }
  });

  test("that was closed is over at once with an error, else when the server answers or five seconds have passed", async () => {
    const clock = handClock();
    const cut = await openFake({ clock });
    const error = fail("link_silent", { ms: 5 });
    cut.link.close(error);
    cut.link.close();
    expect(cut.log).toEqual([]); // not from inside `close`
    await expect.poll(() => cut.log).toEqual([`closed link_silent: ${error.rawMessage}`]);
    cut.socket.closes(1006);
    const answered = await openFake({ clock });
    answered.link.close();
    answered.socket.receives("late");
    answered.socket.closes(1000);
    answered.socket.closes(1000);
    expect(answered.log).toEqual(["closed well"]);
    const ignored = await openFake({ clock });
    ignored.link.close();
    clock.pass(4_999);
    expect(ignored.log).toEqual([]);
    clock.pass(1);
    expect(ignored.log).toEqual(["closed well"]);
    expect([cut.socket.did, answered.socket.did, ignored.socket.did]).toEqual([
      ["close 4000 link_silent"],
      ["close 1000"],
      ["close 1000"],
    ]);
  });
});

async function listening(handler?: Parameters<typeof createServer>[1]): Promise<Server> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
