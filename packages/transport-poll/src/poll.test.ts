// Polling end to end: modes, lost answers, repeated requests, and hostile ones. It is long because each shape of request has its case.
import type { ConnectError } from "@connectrpc/connect";
import {
  BATCHES_TYPE,
  fail,
  type Link,
  type LinkOpened,
  type Peer,
  readBatches,
  reasonOf,
  TEXT_BATCHES_TYPE,
  type WaitingBatch,
  writeBatches,
} from "@raceway/core";
import { fetchHandler, httpRouter } from "@raceway/server/fetch";
import { testHost, virtualClock } from "@raceway/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { poll as client, type PollClientOptions } from "./client.ts";
import type { PollServerOptions } from "./options.ts";
import { CLOSE_HEADER, LINK_HEADER, OPEN_HEADER, PAUSE_HEADER, POLL_HEADER, writeHead } from "./protocol.ts";
import { poll as server } from "./server.ts";

const ORIGIN = "https://app.example";
const endpoint = { url: "http://server.example", path: "/raceway" };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (batch: Uint8Array): string => new TextDecoder().decode(batch);

/** One end of a link, noting what happens to it. */
class End {
  link!: Link;
  readonly batches: string[] = [];
  drains = 0;
  closed: { readonly reason: string | undefined; readonly message: string | undefined } | undefined;
  readonly opened: LinkOpened = (link) => {
    this.link = link;
    return {
      batch: (batch) => void this.batches.push(text(batch)),
      drain: () => void this.drains++,
      closed: (error: ConnectError | undefined) => {
        expect(this.closed).toBeUndefined();
        this.closed = { reason: reasonOf(error), message: error?.rawMessage };
      },
    };
  };
  send(batch: string): boolean {
    return this.link.send([bytes(batch)]);
  }
}

interface Ask {
  readonly link?: string;
  readonly open?: string;
  readonly number: number;
  readonly received?: number;
  readonly holdMs?: number;
  readonly takes?: boolean;
  readonly batches?: readonly string[];
  readonly body?: Uint8Array | ReadableStream;
  readonly close?: string;
  readonly method?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A server in memory on a clock that stands still. */
async function stage(
  given: PollServerOptions = {},
  over: { readonly maxBatchBytes?: number; readonly allowsOrigin?: (origin: string, peer: Peer) => boolean } = {},
) {
  const clock = virtualClock();
  const ends: End[] = [];
  const host = testHost("server");
  const routes = await server(given).start({
    ...host,
    clock,
    path: "/raceway/poll",
    opened: (link) => {
      const end = new End();
      ends.push(end);
      return end.opened(link);
    },
    maxBatchBytes: over.maxBatchBytes ?? 1_114_112,
    allowsOrigin: over.allowsOrigin ?? ((origin) => origin === ORIGIN),
    native: { register() {} },
  });
  const handle = fetchHandler(httpRouter([{ path: "/raceway/poll", routes }]), { clock });
  const ask = (request: Ask): Promise<Response> => {
    const { number, received = number - 1, holdMs = 25_000, takes = true, batches = [] } = request;
    const headers: Record<string, string> = {
      "content-type": request.type ?? BATCHES_TYPE,
      [POLL_HEADER]: writeHead({ number, received, holdMs, maxBytes: 1_114_112, nextMs: 0, takes }),
      ...request.headers,
    };
    if (request.link !== undefined) headers[LINK_HEADER] = request.link;
    if (request.open !== undefined) headers[OPEN_HEADER] = request.open;
    if (request.close !== undefined) headers[CLOSE_HEADER] = request.close;
    const method = request.method ?? "POST";
    const body = request.body ?? writeBatches(batches.map(outgoing), request.type === TEXT_BATCHES_TYPE);
    if (body instanceof Uint8Array) headers["content-length"] = String(body.byteLength);
    const init =
      method === "GET" || method === "OPTIONS"
        ? { method, headers }
        : { method, headers, body: body as BodyInit, duplex: "half" };
    return handle(new Request(`${endpoint.url}${endpoint.path}/poll`, init));
  };
  /** Opens a link by hand, and gives its name. */
  const open = async (batches: readonly string[] = ["hello"], number = 1): Promise<{ name: string; end: End }> => {
    const answer = ask({ open: String(number).padStart(32, "0"), number: 1, batches, holdMs: 0 });
    const response = await answer;
    return { name: response.headers.get(LINK_HEADER)!, end: ends.at(-1)! };
  };
  const connect = (
    options: PollClientOptions = {},
    through: (call: () => Promise<Response>, signal: AbortSignal) => Promise<Response> = (call) => call(),
  ) => {
    const end = new End();
    const fetching = ((url: string, init: RequestInit) => {
      const signal = init.signal ?? new AbortController().signal;
      const gone = new Promise<never>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      );
      return Promise.race([gone, through(() => handle(new Request(url, init)), signal)]);
    }) as typeof fetch;
    const opening = client({ fetch: fetching, ...options })
      .start({ ...testHost("client"), clock })
      .open(endpoint, end.opened, new AbortController().signal);
    return { end, opening };
  };
  return { clock, ends, ask, open, connect, routes, host };
}
const outgoing = (batch: string): WaitingBatch => ({ parts: [bytes(batch)], bytes: bytes(batch).byteLength });

async function batchesOf(response: Response): Promise<string[]> {
  expect(response.status).toBe(200);
  return readBatches(
    await response.bytes(),
    response.headers.get("content-type") === TEXT_BATCHES_TYPE,
    1_114_112,
    "poll",
  ).map(text);
}
async function refusalOf(response: Response): Promise<string> {
  const { code, message } = (await response.json()) as { code: string; message: string };
  return `${response.status} ${code}: ${message}`;
}

// ---- numbered requests

test("an opening gets a name that nobody can guess, in a header", async () => {
  const { open } = await stage();
  const names = new Set<string>();
  for (let number = 1; number <= 50; number++) names.add((await open(["hello"], number)).name);
  expect(names.size).toBe(50);
  for (const name of names) expect(name).toMatch(/^[0-9a-f]{32}$/);
});

test("a repeated opening is the same link, and delivers once", async () => {
  const { ask, ends } = await stage();
  const opening = { open: "f".repeat(32), number: 1, batches: ["hello"], holdMs: 0 };
  const first = await ask(opening);
  const second = await ask(opening);
  expect(second.headers.get(LINK_HEADER)).toBe(first.headers.get(LINK_HEADER));
  expect(ends.map(({ batches }) => batches)).toEqual([["hello"]]);
});

test("a request whose answer was lost gets the same answer again, and its batches are taken once", async () => {
  const { ask, open } = await stage();
  const { name, end } = await open();
  end.send("one");
  end.send("two");
  const request = { link: name, number: 2, batches: ["up"] };
  expect(await batchesOf(await ask(request))).toEqual(["one", "two"]);
  expect(await batchesOf(await ask(request))).toEqual(["one", "two"]);
  end.send("three");
  expect(await batchesOf(await ask({ link: name, number: 3 }))).toEqual(["three"]);
  expect(end.batches).toEqual(["hello", "up"]);
});

test("a repeated request takes over from the one that is held", async () => {
  const { ask, open, clock } = await stage();
  const { name, end } = await open();
  const held = ask({ link: name, number: 2, batches: ["up"] });
  await clock.settle();
  const again = ask({ link: name, number: 2, batches: ["up"] });
  expect((await held).status).toBe(409);
  end.send("down");
  expect(await batchesOf(await again)).toEqual(["down"]);
  expect(end.batches).toEqual(["hello", "up"]);
});

test("a second request has the held one answered at once, and is held in its place", async () => {
  const { ask, open, clock } = await stage();
  const { name, end } = await open();
  const held = ask({ link: name, number: 2 });
  await clock.settle();
  const second = ask({ link: name, number: 3, received: 1, batches: ["up"] });
  expect(await batchesOf(await held)).toEqual([]);
  expect(end.batches).toEqual(["hello", "up"]);
  end.send("down");
  expect(await batchesOf(await second)).toEqual(["down"]);
});

test("requests that overtake each other are taken in order", async () => {
  const { ask, open, clock } = await stage();
  const { name, end } = await open();
  const third = ask({ link: name, number: 3, received: 1, batches: ["second"] });
  await clock.settle();
  expect(end.batches).toEqual(["hello"]);
  const second = ask({ link: name, number: 2, batches: ["first"] });
  await second;
  expect(end.batches).toEqual(["hello", "first", "second"]);
  end.send("down");
  expect(await batchesOf(await third)).toEqual(["down"]);
});

test("a request far ahead of the others breaks the link, and no other", async () => {
  const { ask, open } = await stage();
  const { name, end } = await open();
  const other = await open(["hello"], 2);
  expect(await refusalOf(await ask({ link: name, number: 9, received: 7 }))).toMatchInlineSnapshot(
    `"400 invalid_argument: Request does not fit transport poll: requests are not in order. Check that both ends use the same version of the transport."`,
  );
  expect(end.closed?.reason).toBe("request_malformed");
  expect(other.end.closed).toBeUndefined();
});

test("all that waits goes into one answer", async () => {
  const { ask, open, clock } = await stage();
  const { name, end } = await open();
  const held = ask({ link: name, number: 2 });
  await clock.settle();
  for (let number = 0; number < 100; number++) end.send(`batch ${number}`);
  expect(await batchesOf(await held)).toHaveLength(100);
  expect(end.link.buffered).toBe(0);
});

// ---- time

test("a held request gets an empty answer when the hold is over", async () => {
  const { ask, open, clock } = await stage({ holdMs: 10_000 });
  const { name } = await open();
  let answer: Response | undefined;
  void ask({ link: name, number: 2, holdMs: 25_000 }).then((response) => (answer = response));
  await clock.advance(9_990);
  expect(answer).toBeUndefined();
  await clock.advance(20);
  expect(await batchesOf(answer!)).toEqual([]);
});

test("a link without requests is forgotten, and late requests are told so", async () => {
  const { ask, open, clock } = await stage({ graceMs: 20_000 });
  const { name, end } = await open();
  await clock.advance(19_000);
  expect(end.closed).toBeUndefined();
  await clock.advance(1_100);
  expect(end.closed?.reason).toBe("link_silent");
  expect(await refusalOf(await ask({ link: name, number: 2 }))).toMatchInlineSnapshot(
    `"404 not_found: There is no such poll link here, or no more. Open another; the session resumes on it."`,
  );
  expect(end.send("late")).toBe(false);
});

test("a link that is held all the time is not forgotten", async () => {
  const { ask, open, clock } = await stage({ graceMs: 5_000 });
  const { name, end } = await open();
  for (let number = 2; number < 10; number++) {
    const answer = ask({ link: name, number });
    await clock.advance(25_000);
    await answer;
    await clock.advance(4_000);
  }
  expect(end.closed).toBeUndefined();
  expect(clock.timers).toBeLessThan(5);
});

test("a client that polls at intervals is given the interval and the grace", async () => {
  const { connect, ends, clock } = await stage({ graceMs: 5_000 });
  const { end } = connect({ mode: "short", intervalMs: 60_000 });
  end.send("hello");
  await clock.advance(300_000);
  expect(ends[0]?.batches).toEqual(["hello"]);
  expect(ends[0]?.closed).toBeUndefined();
  ends[0]?.send("news");
  await clock.advance(75_000);
  expect(end.batches).toEqual(["news"]);
  expect(ends[0]?.link.traits.push).toBe(false);
});

test("in short mode a reply rides on the answer to its request", async () => {
  const { connect, ends, clock } = await stage();
  const { end } = connect({ mode: "short" });
  end.send("call");
  await clock.settle();
  await clock.advance(100); // the handler takes a while
  ends[0]?.send("reply");
  await clock.settle();
  expect(end.batches).toEqual(["reply"]);
});

// ---- what clients and pages may do

test("what is not a polling request is refused, each with its status", async () => {
  const { ask, open, ends } = await stage();
  const { name } = await open();
  const refusals = [
    await refusalOf(await ask({ link: name, number: 2, method: "GET" })),
    await refusalOf(await ask({ link: name, number: 2, type: "text/plain" })),
    await refusalOf(await ask({ link: name, number: 2, headers: { [POLL_HEADER]: "2 1 0" } })),
    await refusalOf(await ask({ link: name, number: 2, headers: { [POLL_HEADER]: "2 2 0 0 0 1" } })),
    await refusalOf(await ask({ link: "0".repeat(32), number: 2 })),
    await refusalOf(await ask({ link: `${name}'`, number: 2 })),
    await refusalOf(await ask({ open: "short", number: 1 })),
    await refusalOf(await ask({ open: "a".repeat(32), number: 2 })),
    await refusalOf(await ask({ link: name, number: 2, type: TEXT_BATCHES_TYPE })),
  ];
  expect(refusals.map((refusal) => refusal.split(":")[0])).toEqual([
    "405 unimplemented", "415 invalid_argument", "400 invalid_argument", "400 invalid_argument", "404 not_found", "404 not_found", "400 invalid_argument", "400 invalid_argument", "415 invalid_argument",
  ]); // prettier-ignore
  expect(ends.map(({ closed }) => closed)).toEqual([undefined]);
});

test("malformed and oversized bodies break the link that they are for, and no other", async () => {
  const { ask, open, ends } = await stage({}, { maxBatchBytes: 2_000 });
  const bodies: readonly [Uint8Array, string, string][] = [
    [Uint8Array.of(5, 1, 2), "400 invalid_argument", "request_malformed"],
    [Uint8Array.of(0x80), "400 invalid_argument", "request_malformed"],
    [
      Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
      "400 invalid_argument",
      "request_malformed",
    ],
    [Uint8Array.of(0xd1, 0x0f), "413 resource_exhausted", "batch_too_large"],
  ];
  for (const [at, [body, answer, reason]] of bodies.entries()) {
    const { name, end } = await open(["hello"], at + 1);
    expect((await refusalOf(await ask({ link: name, number: 2, body }))).split(":")[0]).toBe(answer);
    expect(end.closed?.reason).toBe(reason);
    expect(end.batches).toEqual(["hello"]);
  }
  const { name, end } = await open(["hello"], 99);
  expect((await refusalOf(await ask({ link: name, number: 2, body: new Uint8Array(300_000) }))).split(":")[0]).toBe(
    "413 resource_exhausted",
  );
  expect(end.closed).toBeUndefined(); // refused before anything was read; the client gives up
  expect(ends.filter(({ closed }) => closed === undefined)).toHaveLength(1);
});

test("a body that does not come in time is answered with 408, and may be sent again", async () => {
  const { ask, open, clock } = await stage();
  const { name, end } = await open();
  const slow = ask({
    link: name,
    number: 2,
    body: new ReadableStream({ start: (controller) => controller.enqueue(Uint8Array.of(2, 104)) }),
  });
  await clock.advance(7_000);
  expect((await refusalOf(await slow)).split(":")[0]).toBe("408 deadline_exceeded");
  end.send("down");
  expect(await batchesOf(await ask({ link: name, number: 2, batches: ["hi"] }))).toEqual(["down"]);
  expect(end.batches).toEqual(["hello", "hi"]);
});

test("pages of other origins are neither answered nor given leave to ask", async () => {
  const { ask, ends } = await stage();
  for (const headers of [
    { origin: "https://evil.example" },
    { origin: `${ORIGIN}.evil.example` },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
  ]) {
    for (const method of ["POST", "OPTIONS"]) {
      const response = await ask({ open: "a".repeat(32), number: 1, headers, method });
      expect(response.status).toBe(403);
      expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
      expect(response.headers.get("vary")).toBe("origin");
    }
  }
  expect(ends).toEqual([]);
});

test("pages of allowed origins may read answers, and are named exactly", async () => {
  const { ask } = await stage();
  const preflight = await ask({ number: 1, method: "OPTIONS", headers: { origin: ORIGIN } });
  expect(preflight.status).toBe(204);
  const answer = await ask({ open: "a".repeat(32), number: 1, holdMs: 0, headers: { origin: ORIGIN } });
  expect(Object.fromEntries([...answer.headers].filter(([name]) => name !== LINK_HEADER))).toMatchInlineSnapshot(`
    {
      "access-control-allow-origin": "https://app.example",
      "access-control-expose-headers": "raceway-link, raceway-close, raceway-pause",
      "cache-control": "no-store",
      "content-type": "application/vnd.raceway",
      "vary": "origin",
    }
  `);
  expect(Object.fromEntries(preflight.headers)).toMatchInlineSnapshot(`
    {
      "access-control-allow-headers": "content-type, raceway-open, raceway-link, raceway-poll, raceway-close",
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-origin": "https://app.example",
      "access-control-max-age": "7200",
      "vary": "origin",
    }
  `);
});

test("cookies are never allowed to any origin", async () => {
  await expect(stage({ credentials: true }, { allowsOrigin: () => true })).rejects.toThrow(
    "credentials is true, expected false, or a list of allowed origins",
  );
  const { ask } = await stage({ credentials: true });
  const answer = await ask({ open: "a".repeat(32), number: 1, holdMs: 0, headers: { origin: ORIGIN } });
  expect(answer.headers.get("access-control-allow-credentials")).toBe("true");
});

test("links are limited in number", async () => {
  const { ask, open } = await stage({ maxLinks: 1 });
  await open();
  expect(await refusalOf(await ask({ open: "b".repeat(32), number: 1 }))).toMatchInlineSnapshot(
    `"503 resource_exhausted: 1 polling links are open, the limit is maxLinks 1."`,
  );
});

test("a server that goes down opens no link, and ends those that are open", async () => {
  const { ask, open, connect, ends, host, routes, clock } = await stage();
  const { name } = await open();
  const { end } = connect();
  await clock.advance(300);
  const held = ask({ link: name, number: 2 });
  await clock.settle();
  host.drain();
  expect((await ask({ open: "c".repeat(32), number: 1 })).status).toBe(503);
  await routes[Symbol.asyncDispose]?.();
  expect((await held).headers.get(CLOSE_HEADER)).not.toBeNull();
  await clock.settle();
  expect(ends.map(({ closed }) => closed?.reason)).toEqual(["draining", "draining"]);
  expect(end.closed?.reason).toBe("link_closed");
});

// ---- the client

test("keeps the link when answers are lost, requests are lost, and both are late: nothing lost, repeated or out of order", async () => {
  const faults = fc.array(fc.constantFrom("pass", "pass", "pass", "lose request", "lose answer", "late", "busy"), {
    minLength: 30,
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(faults, fc.integer({ min: 1, max: 20 }), async (plan, every) => {
      const { connect, ends, clock } = await stage();
      let calls = 0;
      let failures = 0; // in a row: more than the client bears would rightly end the link, which it does after one while it opens
      const { end } = connect({ retries: 10 }, async (call) => {
        const most = calls < 2 ? 1 : 8;
        const fault = failures < most ? (plan[calls++ % plan.length] ?? "pass") : "pass";
        failures = fault === "pass" || fault === "late" ? 0 : failures + 1;
        if (fault === "lose request") throw new TypeError("connection refused");
        const response = await call();
        if (fault === "late") await new Promise<void>((resolve) => void clock.after(50, resolve));
        if (fault === "busy") return new Response("<html>busy</html>", { status: 503 });
        if (fault === "lose answer") throw new TypeError("connection reset");
        return response;
      });
      const up: string[] = [];
      const down: string[] = [];
      for (let step = 0; step < 60; step++) {
        up.push(`up ${step}`);
        end.send(`up ${step}`);
        if (step % every === 0) await clock.advance(30);
        if (ends[0] !== undefined) {
          down.push(`down ${step}`);
          ends[0].send(`down ${step}`);
        }
      }
      await clock.advance(120_000);
      expect(ends).toHaveLength(1);
      expect(ends[0]?.batches).toEqual(up);
      expect(end.batches).toEqual(down);
      end.link.close();
      await clock.advance(120_000);
      expect([end.closed, ends[0]?.closed]).toEqual([{}, {}]);
    }),
    { numRuns: 40 },
  );
});

test("an impatient proxy costs neither the link nor a try: the client asks for a shorter hold", async () => {
  const { connect, clock, ends } = await stage();
  const holds: number[] = [];
  const { end } = connect({}, async (call) => {
    const answer = call();
    const gateway = new Promise<Response>(
      (resolve) => void clock.after(4_000, () => resolve(new Response("", { status: 504 }))),
    );
    const began = clock.now();
    const response = await Promise.race([answer, gateway]);
    holds.push(Math.round(clock.now() - began));
    return response;
  });
  await clock.advance(60_000);
  expect(end.closed).toBeUndefined();
  expect(holds.slice(0, 5)).toEqual([250, 4_000, expect.any(Number), 3_000, 3_000]);
  ends[0]?.send("still here");
  await clock.settle();
  expect(end.batches).toEqual(["still here"]);
});

test("tells at once, and once, when the server is not there, refuses, or speaks something else", async () => {
  const answers: readonly [() => Response, string][] = [
    [() => new Response("<html>login</html>", { status: 200, headers: { "content-type": "text/html" } }), "request_malformed"],
    [() => new Response("", { status: 404 }), "transport_failed"],
    [() => new Response("", { status: 200, headers: { "content-type": BATCHES_TYPE } }), "request_malformed"],
    [() => new Response(Uint8Array.of(9), { status: 200, headers: { "content-type": BATCHES_TYPE, [LINK_HEADER]: "x" } }), "request_malformed"],
    [() => new Response(new Uint8Array(2_000_000), { status: 200, headers: { "content-type": BATCHES_TYPE } }), "body_too_large"],
    [() => { throw new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") }); }, "transport_failed"],
  ]; // prettier-ignore
  for (const [answer, reason] of answers) {
    const { connect, clock } = await stage();
    const { end, opening } = connect({}, async () => answer());
    await opening;
    await clock.advance(2_000);
    expect(end.closed?.reason).toBe(reason);
    expect(clock.timers).toBe(0);
  }
});

test("a server that forgot the link ends it on the client", async () => {
  const { connect, clock, ends } = await stage({ graceMs: 1_000 });
  let away = false;
  const { end } = connect({ retryMs: 6_000, retries: 10 }, (call) =>
    away ? Promise.reject(new TypeError("offline")) : call(),
  );
  await clock.advance(300);
  away = true;
  end.send("lost");
  await clock.advance(28_000);
  away = false;
  await clock.advance(60_000);
  expect(ends[0]?.closed?.reason).toBe("link_silent");
  expect(end.closed).toEqual({
    reason: "link_closed",
    message: expect.stringContaining("There is no such poll link here"),
  });
});

test("a request without an answer is repeated after its time, and given up in the end", async () => {
  const { connect, clock } = await stage();
  let tries = 0;
  const { end } = connect({ holdMs: 1_000, timeoutMs: 1_000 }, (call) =>
    tries++ === 0 ? call() : new Promise<Response>(() => {}),
  );
  await clock.advance(250 + 4 * 2_000 + 2_000);
  expect(tries).toBe(1 + 4);
  expect(end.closed).toEqual({
    reason: "link_closed",
    message: expect.stringContaining("no answer came within 2000 ms"),
  });
});

test("no name of a link is ever in a URL, and redirects are not followed with it", async () => {
  const seen: [string, RequestInit][] = [];
  const recording = ((url: string, init: RequestInit) => {
    seen.push([url, init]);
    return Promise.reject(new TypeError("no"));
  }) as typeof fetch;
  const end = new End();
  const clock = virtualClock();
  await client({ fetch: recording })
    .start({ ...testHost("client"), clock })
    .open(endpoint, end.opened, new AbortController().signal);
  await clock.settle();
  expect(seen.map(([url, { redirect, credentials, cache }]) => ({ url, redirect, credentials, cache }))).toEqual([
    { url: "http://server.example/raceway/poll", redirect: "error", credentials: "same-origin", cache: "no-store" },
  ]);
});

test("a paused client keeps polling without taking batches, and takes them when it resumes", async () => {
  const { connect, clock, ends } = await stage();
  const { end } = connect();
  await clock.advance(300);
  end.link.pause();
  await clock.advance(60_000); // the request that was held before the pause is over
  ends[0]?.send("waits");
  await clock.advance(60_000);
  expect(end.batches).toEqual([]);
  expect(ends[0]?.link.buffered).toBe(5);
  end.link.resume();
  await clock.settle();
  expect(end.batches).toEqual(["waits"]);
  expect(ends[0]?.link.buffered).toBe(0);
});

test("a paused server says so, and the client sends nothing until it goes on", async () => {
  const { ask, open, clock } = await stage();
  const { name, end } = await open();
  end.link.pause();
  const held = ask({ link: name, number: 2, batches: ["first"] });
  await clock.settle();
  const next = ask({ link: name, number: 3, received: 1 });
  const answer = await held;
  expect(answer.headers.get(PAUSE_HEADER)).toBe("1");
  end.link.resume();
  expect((await next).headers.get(PAUSE_HEADER)).toBeNull();
  expect(end.batches).toEqual(["hello", "first"]);
});

test("a close with an error carries its sentence to the other end, both ways", async () => {
  const { connect, clock, ends } = await stage();
  const { end } = connect();
  await clock.advance(300);
  ends[0]?.link.close(fail("draining", {}));
  await clock.settle();
  expect(end.closed?.message).toMatchInlineSnapshot(
    `"The poll link ended: the server closed it: The server is going down and takes nothing new. Connect again, or to another endpoint. The session resumes on the next link."`,
  );
  const second = connect();
  await clock.advance(300);
  second.end.link.close(fail("link_silent", { ms: 5 }));
  await clock.settle();
  expect(ends[1]?.closed?.message).toMatchInlineSnapshot(
    `"The poll link ended: the client closed it: Nothing came for 5 ms, so the link is taken for dead. The session resumes on the next link. The session resumes on the next link."`,
  );
});

test("a link that was called off or closed before anything was said leaves nothing behind", async () => {
  const { connect, clock, ends } = await stage();
  const { end } = connect();
  end.link.close();
  await clock.settle();
  expect(end.closed).toEqual({});
  expect(ends).toEqual([]);
  expect(clock.timers).toBe(0);
  const aborted = client()
    .start({ ...testHost("client"), clock })
    .open(endpoint, end.opened, AbortSignal.abort());
  await expect(aborted).rejects.toThrow("the attempt was called off");
});

test("options are checked on the user's own line", () => {
  expect(() => client({ mode: "medium" as "long" })).toThrowErrorMatchingInlineSnapshot(
    `[ConnectError: [invalid_argument] poll: option mode is "medium", expected one of long, short.]`,
  );
  expect(() => server({ holdMs: 1 })).toThrowErrorMatchingInlineSnapshot(
    `[ConnectError: [invalid_argument] poll: option holdMs is 1, expected a number from 100 to 300000 (ms).]`,
  );
});
