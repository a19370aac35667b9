// Memory links and the transport that makes them, turn by turn.
import { describe, expect, test } from "vitest";
import { fail, reasonOf } from "./errors.ts";
import type { Host, TransportHost } from "./index.ts";
import type { Link, LinkOpened } from "./link.ts";
import { memoryLink, type MemoryLinkOptions } from "./memory-link.ts";
import { memoryTransport } from "./memory-transport.ts";
import { nodeClock } from "./node.ts";
import { silentLogger } from "./part.ts";

/** Turns that end when the test says so. */
function handClock(): Pick<MemoryLinkOptions["clock"], "turnEnd"> & { turn(): void } {
  let waiting: (() => void)[] = [];
  return {
    turnEnd: (run) => void waiting.push(run),
    turn() {
      const now = waiting;
      waiting = [];
      for (const run of now) run();
    },
  };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (string: string): Uint8Array => new TextEncoder().encode(string);

/** An end that notes all that happens to it. */
function end(log: string[], name: string, first?: (link: Link) => void): LinkOpened {
  return (link) => {
    first?.(link);
    return {
      batch: (batch) => log.push(`${name} ${text(batch)}`),
      drain: () => log.push(`${name} drain`),
      closed: (error) => log.push(`${name} closed ${error === undefined ? "well" : reasonOf(error)}`),
    };
  };
}

describe("memoryLink", () => {
  test("two ends that never fall silent do not hold the process", async () => {
    let answers = 0;
    let over = false;
    const answering: LinkOpened = (link) => ({
      batch(batch) {
        answers++;
        if (!over && answers < 1_000_000) link.send([batch]);
      },
      drain() {},
      closed() {},
    });
    const { client } = memoryLink(answering, answering, { clock: nodeClock() });
    client.send([bytes("ball")]);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    over = true;
    expect(answers).toBeGreaterThan(1_000);
    expect(answers).toBeLessThan(1_000_000);
  });

  test("delivers what was sent inside opened, at the end of the turn, to both ends", () => {
    const clock = handClock();
    const log: string[] = [];
    memoryLink(
      end(log, "client", (link) => link.send([bytes("he"), bytes("llo")])),
      end(log, "server", (link) => link.send([bytes("welcome")])),
      { clock },
    );
    expect(log).toEqual([]);
    clock.turn();
    expect(log).toEqual(["server hello", "client welcome"]);
  });

  test("says stop above the high-water mark, and drain when the peer has read", () => {
    const clock = handClock();
    const log: string[] = [];
    const { client, server } = memoryLink(end(log, "client"), end(log, "server"), { clock, highWater: 4 });
    server.pause();
    expect(client.send([bytes("1234")])).toBe(true);
    expect(client.send([bytes("5")])).toBe(false);
    expect(client.send([bytes("6")])).toBe(false);
    clock.turn();
    expect(client.buffered).toBe(6);
    server.resume();
    clock.turn();
    expect(log).toEqual(["server 1234", "server 5", "server 6", "client drain"]);
    expect(client.buffered).toBe(0);
  });

  test("delivers before it closes in good order, and loses what is on its way when it is cut", () => {
    const clock = handClock();
    const log: string[] = [];
    const { client } = memoryLink(end(log, "client"), end(log, "server"), { clock });
    client.send([bytes("last")]);
    client.close();
    client.close();
    expect(client.send([bytes("late")])).toBe(false);
    clock.turn();
    expect(log.sort()).toEqual(["client closed well", "server closed well", "server last"]);
    expect(client.buffered).toBe(0);

    log.length = 0;
    const other = memoryLink(end(log, "client"), end(log, "server"), { clock });
    other.client.send([bytes("lost")]);
    other.cut();
    other.cut();
    clock.turn();
    expect(log).toEqual(["client closed link_closed", "server closed link_closed"]);
    expect(other.client.buffered).toBe(0);
  });

  test("closes with batch_too_large above the limit, and does not deliver bytes that are no text on a text link", () => {
    const clock = handClock();
    const log: string[] = [];
    const { client } = memoryLink(end(log, "client"), end(log, "server"), { clock, maxBatchBytes: 3 });
    expect(client.send([bytes("12"), bytes("34")])).toBe(false);
    clock.turn();
    const textLink = memoryLink(end(log, "client"), end(log, "server"), { clock, text: true });
    textLink.client.send([Uint8Array.of(0xff)]);
    clock.turn();
    expect(log).toEqual([
      "client closed batch_too_large",
      "server closed link_closed",
      "client closed frame_malformed",
      "server closed link_closed",
    ]);
  });

  test("can be closed by either end before the other one has opened", () => {
    const clock = handClock();
    const log: string[] = [];
    memoryLink(
      end(log, "client", (link) => link.close(fail("link_silent", { ms: 1 }))),
      end(log, "server"),
      { clock },
    );
    clock.turn();
    expect(log).toEqual(["client closed link_silent", "server closed link_closed"]);
  });

  test("stops in the middle of its inbox when the receiver pauses or closes in a batch", () => {
    const clock = handClock();
    const got: string[] = [];
    const { client, server } = memoryLink(
      end([], "client"),
      (link) => ({
        batch: (batch) => {
          got.push(text(batch));
          if (text(batch) === "pause") link.pause();
          if (text(batch) === "close") link.close();
        },
        drain: () => {},
        closed: () => got.push("closed"),
      }),
      { clock },
    );
    for (const word of ["pause", "close", "never"]) client.send([bytes(word)]);
    clock.turn();
    expect(got).toEqual(["pause"]);
    server.resume();
    clock.turn();
    clock.turn();
    expect(got).toEqual(["pause", "close", "closed"]);
    expect(client.buffered).toBe(0);
  });
});

describe("memoryTransport", () => {
  const host = (side: "client" | "server"): Host => ({
    side,
    clock: nodeClock(),
    random: { next: () => 0.5, bytes: (length) => new Uint8Array(length) },
    log: silentLogger,
    store: {
      get: async () => undefined,
      put: async () => true,
      delete: async () => {},
      take: async () => ({ ok: true, retryAfterMs: 0 }),
    },
    draining: new AbortController().signal,
  });
  const listen = (opened: LinkOpened): TransportHost => ({
    ...host("server"),
    path: "/raceway/memory",
    opened,
    maxBatchBytes: 100,
    allowsOrigin: () => true,
    native: { register() {} },
  });
  const endpoint = { url: "http://memory", path: "/raceway" };
  const never = new AbortController().signal;

  test("brings both halves together, until the server goes down", async () => {
    const { client, server, cut } = memoryTransport();
    const started = client.start(host("client"));
    const log: string[] = [];
    await expect(started.open(endpoint, end(log, "client"), never)).rejects.toThrow("no server listens");
    const routes = await server.start(listen(end(log, "server")));
    let link: Link | undefined;
    await started.open(
      endpoint,
      end(log, "client", (opened) => (link = opened)),
      never,
    );
    expect(link?.traits.maxBatchBytes).toBe(100);
    link?.send([bytes("hello")]);
    await expect.poll(() => log).toEqual(["server hello"]);
    cut(fail("link_silent", { ms: 1 }));
    await expect.poll(() => log).toEqual(["server hello", "client closed link_silent", "server closed link_silent"]);
    await routes[Symbol.asyncDispose]?.();
    await expect(started.open(endpoint, end(log, "client"), never)).rejects.toThrow("no server listens");
  });

  test("leaves nothing open when it is called off", async () => {
    const { client, server } = memoryTransport();
    const log: string[] = [];
    await server.start(listen(end(log, "server", () => log.push("server opened"))));
    const calledOff = new AbortController();
    const opening = client.start(host("client")).open(
      endpoint,
      end(log, "client", () => log.push("client opened")),
      calledOff.signal,
    );
    calledOff.abort();
    await expect(opening).rejects.toThrow("called off");
    expect(log).toEqual([]);
  });
});
