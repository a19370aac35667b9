// SSE end to end: formats, order of requests up, ends, and hostile requests. It is long because both formats and every broken request have their case.
import type { ConnectError } from "@connectrpc/connect";
import {
  BATCHES_TYPE,
  fail,
  type Link,
  type LinkOpened,
  type Peer,
  reasonOf,
  TEXT_BATCHES_TYPE,
  writeBatches,
} from "@raceway/core";
import { fetchHandler, httpRouter } from "@raceway/server/fetch";
import { testHost, virtualClock, type VirtualClock } from "@raceway/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sse as client, type SseClientOptions } from "./client.ts";
import type { EventSourceConstructor } from "./down-source.ts";
import { EventParser } from "./event-parser.ts";
import type { SseServerOptions } from "./options.ts";
import { BINARY_STREAM, CLOSE_HEADER, LINK_HEADER, OPEN_HEADER, TEXT_STREAM, UP_HEADER } from "./protocol.ts";
import { sse as server } from "./server.ts";

const ORIGIN = "https://app.example";
const endpoint = { url: "http://server.example", path: "/raceway" };
const url = `${endpoint.url}${endpoint.path}/sse`;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (batch: Uint8Array): string => new TextDecoder().decode(batch);
const bodyOf = (batches: readonly string[], asText: boolean): Uint8Array =>
  writeBatches(
    batches.map((batch) => ({ parts: [bytes(batch)], bytes: bytes(batch).byteLength })),
    asText,
  );

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
  readonly method?: string;
  readonly type?: string;
  readonly accept?: string;
  readonly batches?: readonly string[];
  readonly body?: Uint8Array | ReadableStream;
  readonly headers?: Readonly<Record<string, string>>;
}
type Through = (call: () => Promise<Response>, init: RequestInit) => Promise<Response>;

/** A server in memory on a clock that stands still. */
async function stage(
  given: SseServerOptions = {},
  over: { readonly maxBatchBytes?: number; readonly allowsOrigin?: (origin: string, peer: Peer) => boolean } = {},
) {
  const clock = virtualClock();
  const ends: End[] = [];
  const host = testHost("server");
  const routes = await server(given).start({
    ...host,
    clock,
    path: "/raceway/sse",
    opened: (link) => {
      const end = new End();
      ends.push(end);
      return end.opened(link);
    },
    maxBatchBytes: over.maxBatchBytes ?? 1_114_112,
    allowsOrigin: over.allowsOrigin ?? ((origin) => origin === ORIGIN),
    native: { register() {} },
  });
  const handle = fetchHandler(httpRouter([{ path: "/raceway/sse", routes }]), { clock });
  /** A request by hand; text unless said. */
  const ask = (request: Ask = {}): Promise<Response> => {
    const { method = "POST", type = TEXT_BATCHES_TYPE, accept = TEXT_STREAM } = request;
    const body = request.body ?? bodyOf(request.batches ?? [], type === TEXT_BATCHES_TYPE);
    const headers: Record<string, string> = { "content-type": type, accept, ...request.headers };
    if (body instanceof Uint8Array) headers["content-length"] = String(body.byteLength);
    const bodiless = ["GET", "HEAD", "OPTIONS"].includes(method);
    return handle(
      new Request(
        url,
        bodiless ? { method, headers } : ({ method, headers, body: body as BodyInit, duplex: "half" } as RequestInit),
      ),
    );
  };
  const up = (name: string, number: number, batches: readonly string[], more: Ask = {}): Promise<Response> =>
    ask({ batches, ...more, headers: { [LINK_HEADER]: name, [UP_HEADER]: String(number), ...more.headers } });
  const connect = (options: SseClientOptions = {}, through: Through = (call) => call()) => {
    const end = new End();
    const fetching = ((to: string, init: RequestInit) => {
      // As a network does it: who gives up does not wait for an answer.
      const gone = new Promise<never>((_, reject) =>
        init.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error)),
      );
      return Promise.race([gone, through(() => handle(new Request(to, init)), init)]);
    }) as typeof fetch;
    void client({ fetch: fetching, ...options })
      .start({ ...testHost("client"), clock })
      .open(endpoint, end.opened, new AbortController().signal);
    return end;
  };
  return { clock, ends, ask, up, connect, routes, host, handle };
}

/** Reads a text stream by hand. */
function follow(response: Response, clock: VirtualClock) {
  const events: string[] = [];
  let raw = "";
  let over = false;
  const parser = new EventParser(
    { event: (type, data) => events.push(`${type} ${text(data).slice(0, -1)}`) },
    1_000_000,
  );
  const read = async (): Promise<void> => {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      raw += text(chunk);
      parser.push(chunk);
    }
  };
  const done = read().then(
    () => (over = true),
    () => (over = true),
  );
  return {
    events,
    done,
    raw: () => raw,
    over: () => over,
    /** The link's name, which comes first. */
    async name(): Promise<string> {
      await clock.settle();
      expect(events[0]).toMatch(/^link [0-9a-f]{32}$/);
      return events[0]!.slice(5);
    },
  };
}
async function refusalOf(response: Response): Promise<string> {
  const { code, message } = (await response.json()) as { code: string; message: string };
  return `${response.status} ${code}: ${message}`;
}

/** An EventSource over the stage's server, as browsers do it, reconnecting included. */
function eventSourceOver(handle: (request: Request) => Promise<Response>, opened: string[]): EventSourceConstructor {
  return class {
    readonly #listeners = new Map<string, ((event: { readonly data?: string }) => void)[]>();
    readonly #controller = new AbortController();
    constructor(to: string, { withCredentials }: { readonly withCredentials: boolean }) {
      opened.push(`${to} ${withCredentials}`);
      void this.#run(to);
    }
    addEventListener(type: string, listener: (event: { readonly data?: string }) => void): void {
      this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
    }
    close(): void {
      this.#controller.abort();
    }
    #tell(type: string, data?: string): void {
      for (const listener of this.#listeners.get(type) ?? []) listener(data === undefined ? {} : { data });
    }
    async #run(to: string): Promise<void> {
      const parser = new EventParser({ event: (type, data) => this.#tell(type, text(data).slice(0, -1)) }, 10_000_000);
      try {
        const response = await handle(
          new Request(to, { headers: { accept: TEXT_STREAM }, signal: this.#controller.signal }),
        );
        if (response.ok)
          for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) parser.push(chunk);
      } catch {
        if (this.#controller.signal.aborted) return;
      }
      this.#tell("error");
    }
  };
}

// ---- the stream

test("a stream begins with the link's name, under headers that keep proxies from holding it back", async () => {
  const { ask, clock, ends } = await stage();
  const response = await ask({ batches: ["hello\n"] });
  expect(Object.fromEntries(response.headers)).toMatchInlineSnapshot(`
    {
      "cache-control": "no-store, no-transform",
      "content-type": "text/event-stream",
      "vary": "origin",
      "x-accel-buffering": "no",
    }
  `);
  const stream = follow(response, clock);
  await stream.name();
  expect(stream.raw().length).toBeGreaterThan(2_048);
  expect(ends[0]?.batches).toEqual(["hello\n"]);
  ends[0]?.send('{"ping":{}}\n');
  await clock.settle();
  expect(stream.raw().endsWith('data:{"ping":{}}\n\n')).toBe(true);
});

test("a stream can be opened by GET, as EventSource does it", async () => {
  const { ask, up, clock, ends } = await stage();
  const stream = follow(await ask({ method: "GET" }), clock);
  const name = await stream.name();
  expect((await up(name, 1, ["hello\n"])).status).toBe(204);
  expect(ends[0]?.batches).toEqual(["hello\n"]);
  expect(ends[0]?.link.traits.binary).toBe(false);
});

test("a stream that says nothing says so within its time, and not all at once", async () => {
  const { ask, clock } = await stage({ keepAliveMs: 1_600 });
  const streams = await Promise.all(Array.from({ length: 32 }, async () => follow(await ask(), clock)));
  await clock.advance(1_700);
  const lengths = streams.map((stream) => stream.raw().length);
  const spoke: number[] = [];
  for (let step = 0; step < 16; step++) {
    await clock.advance(100);
    spoke.push(streams.filter((stream, at) => stream.raw().length > lengths[at]!).length);
  }
  expect(spoke.at(-1)).toBe(32); // all, within the time
  expect(Math.max(...spoke.map((count, at) => count - (spoke[at - 1] ?? 0)))).toBeLessThan(8); // few at any moment
  for (const stream of streams) expect(stream.events).toHaveLength(1);
});

test("an opening that was seen before is refused, while the link lives and for a while after", async () => {
  const { ask, ends, clock } = await stage();
  const opening = { headers: { [OPEN_HEADER]: "a".repeat(32) } };
  const stream = follow(await ask(opening), clock);
  expect(await refusalOf(await ask(opening))).toContain("409");
  await stream.name();
  ends[0]?.link.close();
  await stream.done;
  expect(await refusalOf(await ask(opening))).toContain("409");
  await clock.advance(6_000);
  expect((await ask(opening)).status).toBe(200);
});

test("an end that is cut is told to the other", async () => {
  const { connect, ends, clock, ask } = await stage();
  const end = connect();
  await clock.settle();
  end.link.close(fail("link_silent", { ms: 5 }));
  await clock.settle();
  expect(ends[0]?.closed?.reason).toBe("link_closed");
  const response = await ask();
  await clock.settle();
  await response.body?.cancel();
  await clock.settle();
  expect(ends[1]?.closed).toEqual({
    reason: "link_closed",
    message: "The sse link ended: the stream was cut. The session resumes on the next link.",
  });
});

// ---- requests up

test("a request up whose answer was lost is taken once", async () => {
  const { ask, up, clock, ends } = await stage();
  const name = await follow(await ask(), clock).name();
  for (let time = 0; time < 3; time++) expect((await up(name, 1, ["once\n"])).status).toBe(204);
  expect((await up(name, 2, ["twice\n"])).status).toBe(204);
  expect(ends[0]?.batches).toEqual(["once\n", "twice\n"]);
});

test("a request up out of order breaks the link, and no other", async () => {
  const { ask, up, clock, ends } = await stage();
  const first = follow(await ask(), clock);
  const name = await first.name();
  await follow(await ask(), clock).name();
  expect(await refusalOf(await up(name, 3, ["early\n"]))).toMatchInlineSnapshot(
    `"400 invalid_argument: Request does not fit transport sse: requests are not in order. Check that both ends use the same version of the transport."`,
  );
  await first.done;
  expect(first.events.at(-1)).toMatch(/^close Request%20does%20not/);
  expect(ends.map(({ closed }) => closed?.reason)).toEqual(["request_malformed", undefined]);
});

test("a paused server leaves the request up unanswered, and answers when it goes on", async () => {
  const { ask, up, clock, ends } = await stage();
  const name = await follow(await ask(), clock).name();
  ends[0]?.link.pause();
  let answered = 0;
  const first = up(name, 1, ["waits\n"]);
  void first.then(() => answered++);
  await clock.settle();
  expect([answered, ends[0]?.batches]).toEqual([0, []]);
  const again = up(name, 1, ["waits\n"]); // the client had enough of waiting
  expect((await first).status).toBe(409);
  ends[0]?.link.resume();
  expect((await again).status).toBe(204);
  expect(ends[0]?.batches).toEqual(["waits\n"]);
});

test("what does not belong here is refused, each with its status", async () => {
  const { ask, up, clock, ends } = await stage();
  const name = await follow(await ask(), clock).name();
  const refusals = [
    await ask({ method: "PUT" }),
    await ask({ method: "GET", accept: "text/html" }),
    await ask({ type: "text/plain" }),
    await ask({ accept: "*/*" }),
    await ask({ type: BATCHES_TYPE }),
    await ask({ headers: { [OPEN_HEADER]: "mine" } }),
    await up("0".repeat(32), 1, []),
    await up(name, 0, []),
    await up(name, 1.5, []),
    await up(name, 1, [], { type: BATCHES_TYPE }),
  ];
  expect(refusals.map(({ status }) => status)).toEqual([405, 406, 415, 406, 406, 400, 404, 400, 400, 415]);
  expect(await refusalOf(refusals[6]!)).toMatchInlineSnapshot(
    `"404 not_found: There is no such sse link here, or no more. Open another; the session resumes on it."`,
  );
  expect(ends.map(({ closed }) => closed)).toEqual([undefined]);
});

test("malformed, oversized and slow bodies open no link, and break the one that they are for", async () => {
  const { ask, up, clock, ends } = await stage({}, { maxBatchBytes: 2_000 });
  const bad: readonly [string, number, string][] = [
    ["5\nabc", 400, "request_malformed"],
    ["x\n", 400, "request_malformed"],
    ["2001\n", 413, "batch_too_large"],
  ];
  for (const [body, status, reason] of bad) {
    expect((await ask({ body: bytes(body) })).status).toBe(status);
    expect(ends.at(-1)?.batches ?? []).toEqual([]);
    const opened = ends.length;
    const name = await follow(await ask(), clock).name();
    expect(ends).toHaveLength(opened + 1); // the bad opening before opened none
    expect((await up(name, 1, [], { body: bytes(body) })).status).toBe(status);
    await clock.settle();
    expect(ends.at(-1)?.closed?.reason).toBe(reason);
  }
  expect((await ask({ body: new Uint8Array(300_000) })).status).toBe(413);
  const slow = ask({ body: new ReadableStream({ start: (controller) => controller.enqueue(bytes("5\n")) }) });
  await clock.advance(7_000);
  expect((await slow).status).toBe(408);
});

test("pages of other origins get neither a stream nor leave to ask", async () => {
  const { ask, ends } = await stage();
  for (const headers of [{ origin: "https://evil.example" }, { origin: "null" }, { "sec-fetch-site": "cross-site" }]) {
    for (const method of ["POST", "GET", "OPTIONS"]) {
      const response = await ask({ headers, method });
      expect([
        response.status,
        response.headers.get("access-control-allow-origin"),
        response.headers.get("vary"),
      ]).toEqual([403, null, "origin"]);
    }
  }
  expect(ends).toEqual([]);
  const preflight = await ask({ method: "OPTIONS", headers: { origin: ORIGIN } });
  expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([204, ORIGIN]);
  expect(preflight.headers.get("access-control-allow-headers")).toBe(
    "content-type, raceway-open, raceway-link, raceway-up, raceway-close, raceway-max",
  );
  const stream = await ask({ headers: { origin: ORIGIN } });
  expect([
    stream.headers.get("access-control-allow-origin"),
    stream.headers.get("access-control-allow-credentials"),
  ]).toEqual([ORIGIN, null]);
});

test("cookies are never allowed to any origin", async () => {
  await expect(stage({ credentials: true }, { allowsOrigin: () => true })).rejects.toThrow(
    "sse: option credentials is true",
  );
});

test("a server that goes down opens no stream, tells those that are open, and leaves no timer", async () => {
  const { ask, connect, ends, host, routes, clock } = await stage();
  const end = connect();
  await clock.settle();
  host.drain();
  expect((await ask()).status).toBe(503);
  await routes[Symbol.asyncDispose]?.();
  await clock.advance(20_000);
  expect(ends[0]?.closed?.reason).toBe("draining");
  expect(end.closed?.message).toMatchInlineSnapshot(
    `"The sse link ended: the server closed it: The server is going down and takes nothing new. Connect again, or to another endpoint. The session resumes on the next link."`,
  );
  expect(clock.timers).toBe(0);
});

test("streams are limited in number", async () => {
  const { ask } = await stage({ maxLinks: 1 });
  await ask();
  expect(await refusalOf(await ask())).toMatchInlineSnapshot(
    `"503 resource_exhausted: 1 streams are open, the limit is maxLinks 1."`,
  );
});

// ---- the client

test("keeps the link when requests up and their answers are lost: nothing lost, repeated or out of order", async () => {
  const faults = fc.array(fc.constantFrom("pass", "pass", "lose request", "lose answer", "late", "busy"), {
    minLength: 20,
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(faults, fc.boolean(), async (plan, asText) => {
      const { connect, ends, clock } = await stage();
      let calls = 0;
      let failures = 0; // in a row: more than the client bears would rightly end the link
      const end = connect({ format: asText ? "text" : "binary", retries: 10 }, async (call, init) => {
        if ((init.headers as Record<string, string>)[UP_HEADER] === undefined) return call();
        const fault = failures < 8 ? (plan[calls++ % plan.length] ?? "pass") : "pass";
        failures = fault === "pass" || fault === "late" ? 0 : failures + 1;
        if (fault === "lose request") throw new TypeError("connection refused");
        const response = await call();
        if (fault === "late") await new Promise<void>((resolve) => void clock.after(50, resolve));
        if (fault === "busy") return new Response("<html>busy</html>", { status: 503 });
        if (fault === "lose answer") throw new TypeError("connection reset");
        return response;
      });
      const said = { up: [] as string[], down: [] as string[] };
      for (let step = 0; step < 40; step++) {
        said.up.push(`up ${step}\n`);
        end.send(`up ${step}\n`);
        if (step % 3 === 0) await clock.advance(30);
        if (ends[0] === undefined) continue;
        said.down.push(`down ${step}\n`);
        ends[0].send(`down ${step}\n`);
      }
      await clock.advance(120_000);
      expect(ends).toHaveLength(1);
      expect({ up: ends[0]?.batches, down: end.batches }).toEqual(said);
      end.link.close();
      await clock.advance(10_000);
      expect([end.closed, ends[0]?.closed]).toEqual([{}, {}]);
    }),
    { numRuns: 30 },
  );
});

test("what is said at once rides on the opening, what comes later is joined", async () => {
  const requests: string[] = [];
  const { connect, clock, ends } = await stage();
  const end = connect({}, (call, init) => {
    requests.push((init.headers as Record<string, string>)[UP_HEADER] ?? "open");
    return call();
  });
  end.send("hello");
  end.send("and more");
  await clock.settle();
  for (let number = 0; number < 50; number++) end.send(`batch ${number}`);
  await clock.settle();
  expect(requests).toEqual(["open", "1"]);
  expect(ends[0]?.batches).toHaveLength(52);
});

test("a connection that died unnoticed is found out by the opening, which is then repeated", async () => {
  let tries = 0;
  const { connect, clock, ends } = await stage();
  const end = connect({}, (call) => (tries++ === 0 ? Promise.reject(new TypeError("fetch failed")) : call()));
  end.send("hello");
  await clock.settle();
  expect([tries, end.closed, ends[0]?.batches]).toEqual([2, undefined, ["hello"]]);
});

test("tells when the server is not there, refuses, keeps the stream back, or speaks something else", async () => {
  const answers: readonly [() => Promise<Response>, string, string][] = [
    [
      () => Promise.reject(new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") })),
      "transport_failed",
      "fetch failed (connect ECONNREFUSED)",
    ],
    [
      async () => new Response("<html>login</html>", { headers: { "content-type": "text/html" } }),
      "request_malformed",
      "content type text/html",
    ],
    [
      async () => Response.json({ code: "not_found", message: "Nothing here." }, { status: 404 }),
      "transport_failed",
      "the server answered 404: Nothing here",
    ],
    [() => new Promise(() => {}), "transport_failed", "no stream began within 10000 ms"],
    [
      async () => new Response(new ReadableStream(), { headers: { "content-type": BINARY_STREAM } }),
      "transport_failed",
      "no stream began within 10000 ms",
    ],
    [
      async () => new Response(Uint8Array.of(3, 1, 2), { headers: { "content-type": BINARY_STREAM } }),
      "transport_failed",
      "the stream ended",
    ],
    [
      async () => new Response(Uint8Array.of(0, 1, 2, 65, 66), { headers: { "content-type": BINARY_STREAM } }),
      "request_malformed",
      "gives the link no name",
    ],
    [
      async () =>
        new Response(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x01), { headers: { "content-type": BINARY_STREAM } }),
      "batch_too_large",
      "exceeds maxBatchBytes",
    ],
  ];
  for (const [answer, reason, message] of answers) {
    const { connect, clock } = await stage();
    const end = connect({}, answer);
    end.send("hello");
    await clock.advance(11_000);
    expect(end.closed).toEqual({ reason, message: expect.stringContaining(message) });
    expect(end.send("late")).toBe(false);
    expect(end.link.buffered).toBe(0);
    expect(clock.timers).toBe(0);
  }
});

test("a stream that falls silent is dead, unless this side is paused; keepalives are life", async () => {
  const { connect, clock } = await stage();
  const end = connect();
  await clock.advance(300_000);
  expect(end.closed).toBeUndefined();
  const half = await stage({ keepAliveMs: 600_000 }); // a connection that is half open brings nothing either
  const silent = half.connect();
  await half.clock.advance(30_000);
  silent.link.pause();
  await half.clock.advance(100_000);
  expect(silent.closed).toBeUndefined();
  silent.link.resume();
  await half.clock.advance(100_000);
  expect(silent.closed?.reason).toBe("link_silent");
  await half.clock.advance(10_000);
  expect(half.ends[0]?.closed?.reason).toBe("link_closed");
});

test("a close in good order that crosses with something sent is in good order for both", async () => {
  const { connect, clock, ends } = await stage();
  const end = connect();
  await clock.settle();
  ends[0]?.send("goodbye");
  ends[0]?.link.close();
  end.send("too late");
  await clock.advance(3_000);
  expect([end.closed, ends[0]?.closed]).toEqual([{}, {}]);
  expect(end.batches).toEqual(["goodbye"]);
});

test("a server that has forgotten the link is believed after two seconds", async () => {
  const { connect, clock } = await stage();
  const end = connect({}, (call, init) =>
    (init.headers as Record<string, string>)[UP_HEADER] === undefined
      ? call()
      : Promise.resolve(Response.json({ message: "There is no such link." }, { status: 404 })),
  );
  await clock.settle();
  end.send("lost");
  await clock.advance(1_500);
  expect(end.closed).toBeUndefined();
  await clock.advance(1_000);
  expect(end.closed).toEqual({ reason: "link_closed", message: expect.stringContaining("There is no such link") });
});

test("a close that nobody answers is over after five seconds", async () => {
  const { connect, clock, ends } = await stage();
  const end = connect({}, (call, init) =>
    (init.headers as Record<string, string>)[UP_HEADER] === undefined ? call() : new Promise<Response>(() => {}),
  );
  await clock.settle();
  end.link.close();
  await clock.advance(5_100);
  expect(end.closed).toEqual({});
  await clock.settle();
  expect(ends[0]?.closed?.reason).toBe("link_closed"); // it was never told
});

test("no name of a link is ever in a URL, and redirects are not followed with it", async () => {
  const seen: string[] = [];
  const { connect, clock } = await stage();
  const end = connect({}, (call, { redirect, credentials, cache }) => {
    seen.push(`${redirect} ${credentials} ${cache}`);
    return call();
  });
  await clock.settle();
  end.send("up");
  await clock.settle();
  expect(new Set(seen)).toEqual(new Set(["error same-origin no-store"]));
});

test("EventSource does where answers cannot be read as they come", async () => {
  const { connect, clock, ends, handle } = await stage();
  const opened: string[] = [];
  const EventSource = eventSourceOver((request) => handle(request), opened);
  const end = connect({ reader: "eventsource", EventSource });
  end.send("{}\n");
  await clock.settle();
  expect(ends[0]?.batches).toEqual(["{}\n"]);
  for (const batch of ["one\n", "two\nlines\n", "no end", "\r\0\n", " space\n"]) ends[0]?.send(batch);
  await clock.settle();
  expect(end.batches).toEqual(["one\n", "two\nlines\n", "no end", "\r\0\n", " space\n"]);
  end.link.pause();
  ends[0]?.send("waits\n");
  await clock.settle();
  expect(end.batches).toHaveLength(5);
  end.link.resume();
  await clock.settle();
  expect(end.batches).toHaveLength(6);
  ends[0]?.link.close(fail("draining", {}));
  await clock.settle();
  expect(end.closed?.reason).toBe("link_closed");
  expect(opened).toEqual([`${url} false`]); // it did not reconnect by itself
});

test("an EventSource whose stream is refused, breaks or floods a paused session ends the link", async () => {
  const { connect, clock, ends, handle, ask } = await stage({ maxLinks: 1 });
  const EventSource = eventSourceOver((request) => handle(request), []);
  const end = connect({ reader: "eventsource", EventSource });
  await clock.settle();
  const refused = connect({ reader: "eventsource", EventSource });
  await clock.settle();
  expect(refused.closed?.reason).toBe("transport_failed");
  end.link.pause();
  for (let number = 0; number < 10; number++) {
    ends[0]?.send(`${"x".repeat(1_000_000)}\n`);
    await clock.settle();
  }
  expect(end.closed?.message).toContain("more came than can be kept for a paused session");
  expect((await ask()).status).toBe(200); // the server has noticed
});

test("options are checked on the user's own line", () => {
  expect(() => client({ format: "binary", reader: "eventsource" })).toThrowErrorMatchingInlineSnapshot(
    `[ConnectError: [invalid_argument] sse: option format is "binary", expected text, since EventSource reads nothing else.]`,
  );
  expect(() => server({ keepAliveMs: 1 })).toThrow("sse: option keepAliveMs is 1");
});

test("a close by hand, in good order and with a reason", async () => {
  const { ask, up, clock, ends } = await stage();
  const first = follow(await ask(), clock);
  await up(await first.name(), 1, ["last\n"], { headers: { [CLOSE_HEADER]: "" } });
  await first.done;
  expect(first.events.at(-1)).toBe("close ");
  const second = follow(await ask(), clock);
  await up(await second.name(), 1, [], { headers: { [CLOSE_HEADER]: "%E0%A4%A" } });
  await second.done;
  expect(ends.map(({ batches, closed }) => [batches, closed?.message])).toEqual([
    [["last\n"], undefined],
    [
      [],
      "The sse link ended: the client closed it: for a reason that cannot be read. The session resumes on the next link.",
    ],
  ]);
});
