// Who answers which path, and what tricks with paths get.
import type { HttpExchange, HttpUpgrade } from "@raceway/core";
import { expect, test } from "vitest";
import { httpRouter, isPlainPath, isUnder } from "./http-router.ts";

const decoder = new TextDecoder();

/** A request that notes its answer. */
function exchangeOf(path: string): HttpExchange & { answer: string; readonly headers: Record<string, string> } {
  const headers: Record<string, string> = {};
  const exchange = {
    method: "GET",
    path,
    query: new URLSearchParams(),
    peer: { address: "", secure: false, header: () => undefined },
    closed: new AbortController().signal,
    node: undefined,
    answer: "",
    headers,
    body: () => Promise.resolve(new Uint8Array(0)),
    stream: () => expect.unreachable(),
    reply(status: number, given: Readonly<Record<string, string>>, body?: Uint8Array) {
      expect(exchange.answer).toBe("");
      Object.assign(headers, given);
      exchange.answer = `${status} ${decoder.decode(body)}`.trim();
    },
  };
  return exchange;
}
function upgradeOf(path: string): HttpUpgrade & { refusal: string } {
  const upgrade = {
    path,
    query: new URLSearchParams(),
    peer: { address: "", secure: false, header: () => undefined },
    node: { request: undefined, socket: undefined, head: new Uint8Array(0) },
    refusal: "",
    refuse: (status: number, message: string) => void (upgrade.refusal = `${status} ${message}`),
  };
  return upgrade;
}
const says = (text: string) => (exchange: HttpExchange) => exchange.reply(200, {}, new TextEncoder().encode(text));

const router = httpRouter(
  [
    { path: "/raceway/poll", routes: { request: says("poll") } },
    { path: "/raceway", routes: { request: says("base") } },
    { path: "/raceway/websocket", routes: { upgrade: (upgrade) => upgrade.refuse(400, "taken") } },
    {
      path: "/raceway/native",
      routes: {
        native(exchange) {
          if (exchange.path !== "/pkg.Service/Method") return false;
          says("native")(exchange);
          return true;
        },
      },
    },
  ],
  { exact: { "/.well-known/raceway": says("document") } },
);
const answerTo = (path: string): string => {
  const exchange = exchangeOf(path);
  router.request(exchange);
  return exchange.answer;
};

test("the longest path that is the request's, or above it by whole segments, answers", () => {
  const paths = [
    "/raceway/poll",
    "/raceway/poll/",
    "/raceway/poll/deeper",
    "/raceway/pollen",
    "/raceway",
    "/raceway/x",
  ];
  expect(paths.map(answerTo)).toEqual(["200 poll", "200 poll", "200 poll", "200 base", "200 base", "200 base"]);
  expect(answerTo("/.well-known/raceway")).toBe("200 document");
  expect(answerTo("/pkg.Service/Method")).toBe("200 native");
});

test("what nobody answers is 404, with a sentence", () => {
  expect(answerTo("/elsewhere")).toMatchInlineSnapshot(
    `"404 {"code":"not_found","message":"There is nothing at this path. Check it, and that the server has this transport."}"`,
  );
  expect(answerTo("/.well-known/raceway/")).toContain("404");
  expect(answerTo("*")).toContain("404");
});

test("a call by curl is told which transport it needs, where there is none that takes it", () => {
  const answerOf = (path: string): string => {
    const exchange = exchangeOf(path);
    httpRouter([]).request(exchange);
    return exchange.answer;
  };
  expect(answerOf("/chat.v1.RoomService/Say")).toBe(
    '404 {"code":"not_found","message":"This server takes calls by its sessions only. For calls by gRPC, Connect or curl give it the transport grpc()."}',
  );
  for (const path of ["/raceway/sse", "/.well-known/raceway", "/chat.v1.RoomService/Say/more"])
    expect(answerOf(path)).toContain("There is nothing at this path.");
});

test("a path that takes upgrades only asks for one", () => {
  const exchange = exchangeOf("/raceway/websocket");
  router.request(exchange);
  expect(exchange.answer).toContain("426");
  expect(exchange.headers["upgrade"]).toBe("websocket");
});

test("upgrades go to who takes them, and are refused elsewhere", () => {
  const answers = ["/raceway/websocket", "/raceway/poll", "/elsewhere", "/raceway/%2e%2e/websocket"].map((path) => {
    const upgrade = upgradeOf(path);
    router.upgrade(upgrade);
    return upgrade.refusal.split(" ")[0];
  });
  expect(answers).toEqual(["400", "405", "404", "404"]);
});

test.each([
  "/raceway/poll/../native", "/raceway/poll/.", "/raceway/poll//x", "/raceway/poll/%2f", "/raceway/poll/%2e%2e", "/raceway/poll/%00",
  "/raceway/poll/\0", "/raceway/poll/\\x", "/raceway/../raceway/poll", "//raceway/poll", "/raceway/poll/a b", "/raceway/poll/\u{1f600}",
])("the trick %j matches nothing", (path) => {
  expect(isPlainPath(path)).toBe(false);
  expect(answerTo(path)).toContain("404");
}); // prettier-ignore

test("whole segments only, with a slash at the end or without", () => {
  expect(isUnder("/a/b", "/a")).toBe(true);
  expect(isUnder("/a/b", "/a/")).toBe(true);
  expect(isUnder("/ab", "/a")).toBe(false);
  expect(isUnder("/a", "/a/b")).toBe(false);
  expect(isUnder("/anything", "/")).toBe(true);
});

test("what a handler throws stays in the server", () => {
  const thrown: unknown[] = [];
  const throwing = (): never => {
    throw new Error("secret");
  };
  const handler = httpRouter([{ path: "/x", routes: { request: throwing, upgrade: throwing } }], {
    failed: (error) => thrown.push(error),
  });
  const exchange = exchangeOf("/x");
  handler.request(exchange);
  const upgrade = upgradeOf("/x");
  handler.upgrade(upgrade);
  expect([exchange.answer, upgrade.refusal]).toMatchInlineSnapshot(`
    [
      "500 {"code":"internal","message":"The server failed. Its log has the cause."}",
      "500 The server failed. Its log has the cause.",
    ]
  `);
  expect(thrown).toEqual([new Error("secret"), new Error("secret")]);
});
