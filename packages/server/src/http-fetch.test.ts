// The contract of HttpExchange over web-standard requests.
import { type HttpExchange, reasonOf, type StreamOut } from "@raceway/core";
import { virtualClock, type VirtualClock } from "@raceway/testkit";
import { expect, test } from "vitest";
import { fetchHandler, type FetchPeer } from "./http-fetch.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Asks a handler of requests; the clock of the limits stands still. */
function stage(request: (exchange: HttpExchange) => void): {
  readonly clock: VirtualClock;
  ask(path: string, init?: RequestInit, peer?: FetchPeer): Promise<Response>;
} {
  const clock = virtualClock();
  const handle = fetchHandler({ request, upgrade: () => expect.unreachable() }, { clock });
  return { clock, ask: (path, init, peer) => handle(new Request(`https://server.example${path}`, init), peer) };
}
const streaming = (source: UnderlyingDefaultSource<Uint8Array>): RequestInit =>
  ({ method: "POST", body: new ReadableStream(source), duplex: "half" }) as RequestInit;

/** Says how a body fails. */
const judge = (maxBytes: number) => (exchange: HttpExchange) =>
  void exchange.body(maxBytes).then(
    (body) => exchange.reply(200, {}, body),
    (error: unknown) => exchange.reply(400, {}, encoder.encode(reasonOf(error))),
  );

test("an exchange has the facts of its request, and answers in one piece", async () => {
  const { ask } = stage((exchange) => {
    const { method, path, query, peer, node } = exchange;
    exchange.body(100).then(
      (body) =>
        exchange.reply(
          201,
          { "x-two": "2" },
          encoder.encode(
            JSON.stringify([
              method,
              path,
              query.get("q"),
              peer.address,
              peer.secure,
              peer.header("x-one"),
              peer.header("x-none"),
              node,
              decoder.decode(body),
            ]),
          ),
        ),
      () => expect.unreachable(),
    );
  });
  const answer = await ask(
    "/a/b?q=1",
    { method: "POST", body: "hi", headers: { "x-one": "1" } },
    { address: "192.0.2.1" },
  );
  expect([answer.status, answer.headers.get("x-two")]).toEqual([201, "2"]);
  expect(await answer.json()).toEqual(["POST", "/a/b", "1", "192.0.2.1", true, "1", null, null, "hi"]);
});

test("answers without a body have none, and headers about the hop are left to the host", async () => {
  const { ask } = stage((exchange) =>
    exchange.reply(
      exchange.path === "/204" ? 204 : 426,
      { upgrade: "websocket", connection: "upgrade" },
      encoder.encode("text"),
    ),
  );
  expect((await ask("/204")).body).toBeNull();
  expect((await ask("/", { method: "HEAD" })).body).toBeNull();
  const answer = await ask("/");
  expect([answer.status, await answer.text(), [...answer.headers]]).toEqual([426, "text", []]);
});

test("bodies have a limit, declared or not, and a time", async () => {
  const { ask, clock } = stage(judge(10));
  const said = async (init: RequestInit): Promise<string> => (await ask("/", { method: "POST", ...init })).text();
  expect(await said({ body: "0123456789" })).toBe("0123456789");
  expect(await said({ body: "0123456789a" })).toBe("body_too_large");
  expect(await said({ body: "short", headers: { "content-length": "1000" } })).toBe("body_too_large");
  expect(await said(streaming({ pull: (controller) => controller.enqueue(encoder.encode("abc")) }))).toBe(
    "body_too_large",
  );
  expect(await said(streaming({ pull: (controller) => controller.error(new Error("gone")) }))).toBe("body_incomplete");
  const slow = said(streaming({ start: (controller) => controller.enqueue(encoder.encode("a")) }));
  await clock.advance(6_100);
  expect(await slow).toBe("body_too_slow");
});

test("target and headers have limits", async () => {
  const { ask } = stage((exchange) => exchange.reply(200, {}));
  expect((await ask(`/${"a".repeat(8_191)}`)).status).toBe(200);
  expect((await ask(`/${"a".repeat(8_192)}`)).status).toBe(414);
  expect((await ask(`/?${"a".repeat(8_192)}`)).status).toBe(414);
  expect((await ask("/", { headers: { "x-one": "a".repeat(16_400) } })).status).toBe(431);
});

test("an answer piece by piece stops when nobody reads, goes on when somebody does, and shares no memory", async () => {
  let out: StreamOut | undefined;
  const told: string[] = [];
  const { ask } = stage(
    (exchange) =>
      void (out = exchange.stream(200, {}, { drain: () => told.push("drain"), closed: () => told.push("closed") })),
  );
  const answer = await ask("/");
  const part = new Uint8Array(40_000).fill(1);
  expect(out?.write([part])).toBe(true);
  expect(out?.write([part])).toBe(false);
  expect(out?.buffered).toBe(80_000);
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  const first = await reader.read();
  first.value?.fill(9);
  expect(part[0]).toBe(1);
  await expect.poll(() => told).toEqual(["drain"]);
  out?.write([part.subarray(0, 2), part.subarray(0, 1)]);
  out?.end();
  expect(out?.write([part])).toBe(false);
  let rest = 0;
  for (let each = await reader.read(); !each.done; each = await reader.read()) rest += each.value.byteLength;
  expect(rest).toBe(40_003);
  await expect.poll(() => told).toEqual(["drain", "closed"]);
});

test("a client that goes away is noticed: by its signal, or by the answer that nobody wants", async () => {
  for (const leave of ["abort", "cancel", "destroy"]) {
    let out: StreamOut | undefined;
    let exchanged: HttpExchange | undefined;
    let closed = 0;
    const { ask } = stage((exchange) => {
      exchanged = exchange;
      out = exchange.stream(200, {}, { drain() {}, closed: () => closed++ });
    });
    const client = new AbortController();
    const answer = await ask("/", { signal: client.signal });
    if (leave === "abort") client.abort();
    else if (leave === "cancel") await answer.body?.cancel();
    else out?.destroy();
    await expect.poll(() => closed).toBe(1);
    expect(exchanged?.closed.aborted).toBe(leave !== "destroy");
    expect(out?.write([encoder.encode("x")])).toBe(false);
    expect(out?.buffered).toBe(0);
    out?.destroy();
    out?.end();
    expect(closed).toBe(1);
  }
});

test("a request without a Host header is to the host of its URL; names that begin with a colon are none", async () => {
  const { ask } = stage((exchange) => {
    const said = ["host", ":authority"].map((name) => exchange.peer.header(name) ?? "none");
    exchange.reply(200, {}, encoder.encode(said.join()));
  });
  expect(await (await ask("/a")).text()).toBe("server.example,none");
});
