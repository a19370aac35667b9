// The server half of the gRPC transport and its native doors, with foreign clients and broken requests. It is long because each door has its own cases.
import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { create, createFileRegistry, type DescService, toBinary } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, makeAnyClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { fail, type Link, type LinkReceiver, type Logger, peer, reasonOf, type TransportHost } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { httpRouter, listenOn } from "@raceway/server/node";
import { testHost } from "@raceway/testkit";
import { describe, expect, test } from "vitest";
import { grpc as grpcClient } from "./client.ts";
import { ChunkSchema, LinkService } from "./gen/raceway/v1/link_pb.ts";
import { grpc, type GrpcServerOptions } from "./server.ts";

/** A service of an application that knows nothing of links: `Say` is a call without side effects, `Count` streams. */
const echoService: DescService = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: "echo.proto",
    package: "echo.v1",
    syntax: "proto3",
    dependency: ["google/protobuf/wrappers.proto"],
    service: [
      {
        name: "EchoService",
        method: [
          {
            name: "Say",
            inputType: ".google.protobuf.StringValue",
            outputType: ".google.protobuf.StringValue",
            options: { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS },
          },
          {
            name: "Count",
            inputType: ".google.protobuf.StringValue",
            outputType: ".google.protobuf.StringValue",
            serverStreaming: true,
          },
        ],
      },
    ],
  }),
  (name) => (name === "google/protobuf/wrappers.proto" ? file_google_protobuf_wrappers.proto : undefined),
).getService("echo.v1.EchoService")!;

interface Served {
  readonly link: Link;
  readonly got: string[];
  readonly log: string[];
}
interface Setup {
  readonly options?: GrpcServerOptions;
  readonly host?: Partial<TransportHost>;
  readonly batch?: (served: Served, text: string) => void;
  readonly opened?: () => void;
}

async function serve(
  setup: Setup = {},
): Promise<{ url: string; port: number; links: Served[]; leave(): Promise<void> } & AsyncDisposable> {
  const links: Served[] = [];
  const clock = nodeClock();
  const host: TransportHost = {
    ...testHost("server"),
    clock,
    path: "/raceway/grpc",
    maxBatchBytes: 10_000,
    allowsOrigin: (origin) => origin === "https://good.example",
    opened(link): LinkReceiver {
      const served: Served = { link, got: [], log: [] };
      links.push(served);
      setup.opened?.();
      return {
        batch(bytes) {
          served.got.push(said(bytes));
          setup.batch?.(served, said(bytes));
        },
        drain: () => void served.log.push("drain"),
        closed: (error) =>
          void served.log.push(error === undefined ? "closed well" : `closed ${reasonOf(error)}: ${error.rawMessage}`),
      };
    },
    native: {
      register(router) {
        router.service(
          echoService,
          {
            say: (
              { value }: { value: string },
              context: { values: { get(key: typeof peer): { address: string } } },
            ) => ({ value: `${value} from ${context.values.get(peer).address}` }),
            async *count({ value }: { value: string }) {
              for (let at = 1; at <= 3; at++) yield { value: `${value} ${at}` };
            },
          } as object,
          { readMaxBytes: 1_000 },
        );
      },
    },
    ...setup.host,
  };
  const routes = await grpc(setup.options).start(host);
  const listening = await listenOn(httpRouter([{ path: host.path, routes }]), { port: 0, host: "127.0.0.1", clock });
  return {
    url: listening.url,
    port: listening.port,
    links,
    leave: async () => routes[Symbol.asyncDispose]?.(),
    async [Symbol.asyncDispose]() {
      await routes[Symbol.asyncDispose]?.();
      await listening.close(0);
    },
  };
}

const text = (string: string): Uint8Array => new TextEncoder().encode(string);
const said = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const never = new AbortController().signal;

async function openLink(url: string): Promise<Served> {
  let served: Served | undefined;
  await grpcClient()
    .start(testHost("client"))
    .open(
      { url, path: "/raceway" },
      (link) => {
        const mine: Served = { link, got: [], log: [] };
        served = mine;
        return {
          batch: (bytes) => void mine.got.push(said(bytes)),
          drain: () => {},
          closed: (error) => void mine.log.push(error === undefined ? "closed well" : error.rawMessage),
        };
      },
      never,
    );
  return served!;
}

const post = (url: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });

describe("the native doors", () => {
  const transports: readonly (readonly [string, (baseUrl: string) => Transport])[] = [
    ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
    ["gRPC-web over HTTP/1.1", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
    ["gRPC-web over HTTP/2", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
    ["Connect over HTTP/1.1", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
    [
      "Connect over HTTP/2, with GET",
      (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useHttpGet: true }),
    ],
  ];
  test.for(transports)("let clients of %s call the application's services", async ([, transportTo]) => {
    await using server = await serve();
    const transport = transportTo(server.url);
    const client = makeAnyClient(echoService, (method) => {
      if (method.methodKind === "unary")
        return async (value: string) =>
          (
            (await transport.unary(method, undefined, undefined, undefined, { value })).message as unknown as {
              value: string;
            }
          ).value;
      return async (value: string) => {
        const { message } = await transport.stream(method, undefined, undefined, undefined, one({ value }));
        return all(message as unknown as AsyncIterable<{ value: string }>, (item) => item.value);
      };
    }) as { say(value: string): Promise<string>; count(value: string): Promise<string[]> };
    expect(await client.say("hello")).toBe("hello from 127.0.0.1");
    expect(await client.count("n")).toEqual(["n 1", "n 2", "n 3"]);
    await expect(client.say("x".repeat(2_000))).rejects.toThrow("larger than configured readMaxBytes 1000"); // the service's own limit, not the links'
  });

  test("let people call with curl, and leave other paths to others", async () => {
    await using server = await serve();
    const answer = await post(`${server.url}/echo.v1.EchoService/Say`, '"hi"');
    expect([answer.status, await answer.json()]).toEqual([200, "hi from 127.0.0.1"]);
    const got = await fetch(`${server.url}/echo.v1.EchoService/Say?encoding=json&message=%22hi%22`);
    expect([got.status, await got.json()]).toEqual([200, "hi from 127.0.0.1"]);
    for (const path of [
      "/echo.v1.EchoService/Nothing",
      "/echo.v1.EchoService",
      "/other",
      "/raceway/grpc/echo.v1.EchoService/Say",
      "/raceway/grpc",
    ]) {
      const refused = await post(server.url + path, '"hi"');
      expect([path, refused.status]).toEqual([path, 404]);
      await refused.body?.cancel();
    }
  });

  test("answer preflights of allowed pages, and let only them read answers", async () => {
    await using server = await serve();
    const url = `${server.url}/echo.v1.EchoService/Say`;
    const preflight = await fetch(url, {
      method: "OPTIONS",
      headers: {
        origin: "https://good.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, x-tenant",
      },
    });
    expect(preflight.status).toBe(204);
    expect(Object.fromEntries([...preflight.headers].filter(([name]) => name.startsWith("access-control")))).toEqual({
      "access-control-allow-origin": "https://good.example",
      "access-control-allow-methods": "POST, GET, HEAD, OPTIONS",
      "access-control-allow-headers": "content-type, x-tenant",
      "access-control-max-age": "7200",
    });
    const hostile = await fetch(url, {
      method: "OPTIONS",
      headers: { origin: "https://good.example", "access-control-request-headers": "a(b)" },
    });
    expect(hostile.headers.get("access-control-allow-headers")).not.toContain("a(b)");
    const good = await post(url, '"hi"', { origin: "https://good.example" });
    expect([good.status, good.headers.get("access-control-allow-origin"), good.headers.get("vary")]).toEqual([
      200,
      "https://good.example",
      "origin",
    ]);
    expect(good.headers.get("access-control-expose-headers")).toContain("Grpc-Status");
    expect(good.headers.get("access-control-allow-credentials")).toBeNull();
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
    ]) {
      for (const method of ["OPTIONS", "POST", "GET"]) {
        const refused = await fetch(`${url}?encoding=json&message=%22hi%22`, {
          method,
          headers: { ...headers, "content-type": "application/json" },
          ...(method === "POST" ? { body: '"hi"' } : {}),
        });
        expect([method, refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([
          method,
          403,
          null,
        ]);
        await refused.body?.cancel();
      }
    }
  });

  test("send credentials to a list of origins, never to any", async () => {
    await using server = await serve({ options: { credentials: true } });
    const answer = await post(`${server.url}/echo.v1.EchoService/Say`, '"hi"', { origin: "https://good.example" });
    expect(answer.headers.get("access-control-allow-credentials")).toBe("true");
    await answer.body?.cancel();
    await expect(serve({ options: { credentials: true }, host: { allowsOrigin: () => true } })).rejects.toThrow(
      "grpc: option credentials is true, expected false, or a list of allowed origins",
    );
  });

  test("do not wait for ever for the body of a call", async () => {
    await using server = await serve({ options: { bodyMs: 50 } });
    const request = httpRequest(`${server.url}/echo.v1.EchoService/Say`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": "10" },
    });
    const status = new Promise((resolve, reject) => {
      request.on("response", (response) => resolve(response.resume().statusCode));
      request.on("error", reject);
    });
    request.write('"hal');
    expect(await status).toBe(408);
    request.destroy();
  });
});

describe("links", () => {
  test("are opened below the transport's path and at the service's own, with the error that HTTP/1.1 cannot stream both ways", async () => {
    await using server = await serve();
    for (const path of ["/raceway/grpc/raceway.v1.LinkService/Pipe", "/raceway.v1.LinkService/Pipe"]) {
      const refused = await fetch(server.url + path, {
        method: "POST",
        headers: { "content-type": "application/connect+proto" },
      });
      expect([path, refused.status]).toEqual([path, 505]);
    }
    const chunks = createClient(LinkService, createGrpcTransport({ baseUrl: server.url })).pipe(one({ end: true }));
    expect(await all(chunks, ({ batch }) => batch.length)).toEqual([0]);
    await expect.poll(() => server.links[0]?.log).toEqual(["closed well"]);
  });

  test("close with batch_too_large, whether the limit is passed by little or by much", async () => {
    for (const bytes of [10_001, 60_000, 200_000]) {
      await using server = await serve();
      const { link, log } = await openLink(server.url);
      link.send([new Uint8Array(bytes)]);
      await expect
        .poll(() => server.links[0]!.log)
        .toEqual([
          expect.stringMatching(
            new RegExp(
              `^closed batch_too_large: Batch of ${String(bytes).slice(0, -1)}\\d bytes exceeds maxBatchBytes 10000`,
            ),
          ),
        ]);
      await expect
        .poll(() => log)
        .toEqual([expect.stringContaining("the stream failed with ResourceExhausted batch_too_large")]);
      expect(server.links[0]!.got).toEqual([]);
    }
  });

  test("tell the other end the reason of an error, not its message", async () => {
    await using server = await serve();
    const { log } = await openLink(server.url);
    server.links[0]!.link.close(new ConnectError("the password is 1234", Code.Internal));
    await expect
      .poll(() => log)
      .toEqual(["The grpc link ended: the stream failed with Internal. The session resumes on the next link."]);
    const second = await openLink(server.url);
    server.links[1]!.link.close(fail("hello_timeout", { ms: 1 }));
    await expect.poll(() => second.log).toEqual([expect.stringContaining("DeadlineExceeded hello_timeout")]);
  });

  test("end with an error when the client's stream ends without a word, whatever it looks like", async () => {
    await using server = await serve();
    const session = connectHttp2(server.url);
    const stream = session.request({
      ":method": "POST",
      ":path": "/raceway.v1.LinkService/Pipe",
      "content-type": "application/grpc",
    });
    stream.write(envelope(toBinary(ChunkSchema, create(ChunkSchema, { batch: text("hello") }))));
    await expect.poll(() => server.links[0]?.got).toEqual(["hello"]);
    stream.end();
    await expect
      .poll(() => server.links[0]!.log)
      .toEqual([expect.stringContaining("closed link_closed: The grpc link ended: the connection was lost.")]);
    session.destroy();
  });

  test("end with an error when the client's connection ends, by a reset or by a FIN alone", async () => {
    await using server = await serve();
    for (const at of [0, 1]) {
      const socket = connectTcp({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
      const session = connectHttp2(server.url, { createConnection: () => socket });
      session.on("error", () => {});
      const stream = session.request({
        ":method": "POST",
        ":path": "/raceway.v1.LinkService/Pipe",
        "content-type": "application/grpc",
      });
      stream.on("error", () => {});
      await expect.poll(() => server.links.length).toBe(at + 1);
      if (at === 0) socket.resetAndDestroy();
      else socket.end();
      await expect.poll(() => server.links[at]!.log).toEqual([expect.stringContaining("closed link_closed")]);
      socket.destroy();
    }
  });

  test("survive what others send: a malformed message, a compressed one, a prefix without end", async () => {
    await using server = await serve();
    const other = await openLink(server.url);
    const session = connectHttp2(server.url);
    const bodies: readonly (readonly [Uint8Array, Record<string, string>, string])[] = [
      [envelope(Uint8Array.of(0xff, 0xff, 0xff)), {}, "closed link_closed"],
      [envelope(text("gzip"), 1), { "grpc-encoding": "gzip" }, "closed link_closed"],
      [Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff), {}, "closed batch_too_large: Batch of 4294967295 bytes"],
      [envelope(text("flags"), 0x7f), {}, "closed link_closed"],
    ];
    for (const [body, headers, expected] of bodies) {
      const before = server.links.length;
      const stream = session.request({
        ":method": "POST",
        ":path": "/raceway.v1.LinkService/Pipe",
        "content-type": "application/grpc",
        ...headers,
      });
      stream.resume();
      stream.write(body);
      await new Promise((resolve) => stream.once("close", resolve).once("end", resolve));
      await expect.poll(() => server.links[before]?.log).toEqual([expect.stringContaining(expected)]);
      expect(server.links[before]!.got).toEqual([]);
    }
    session.destroy();
    other.link.send([text("unharmed")]);
    await expect.poll(() => server.links[0]!.got).toEqual(["unharmed"]);
  });

  test("of one receiver that throws end alone, and the mistake is logged", async () => {
    const logged: string[] = [];
    const note = (message: string): void => void logged.push(message);
    const log: Logger = { debug() {}, info: note, warn: note, error: note };
    let count = 0;
    await using server = await serve({
      host: { log },
      opened: () => {
        if (++count === 1) throw new Error("not taken");
      },
      batch: (_served, string) => {
        if (string === "bad") throw new Error("a mistake");
      },
    });
    const refused = await openLink(server.url).then(
      ({ log: ended }) => ended,
      (error: unknown) => [ConnectError.from(error).rawMessage],
    );
    await expect.poll(() => refused).toEqual([expect.stringMatching(/Unknown|Internal/)]);
    const bad = await openLink(server.url);
    const good = await openLink(server.url);
    bad.link.send([text("bad")]);
    await expect.poll(() => bad.log).toHaveLength(1);
    good.link.send([text("good")]);
    await expect.poll(() => server.links[2]!.got).toEqual(["good"]);
    expect(logged).toEqual(["a grpc link was not taken", "a batch was not taken"]);
  });

  test("are closed in good order when the server leaves, and new ones are refused", async () => {
    const draining = new AbortController();
    await using server = await serve({ host: { draining: draining.signal } });
    const { link, log } = await openLink(server.url);
    link.send([text("last words")]);
    await expect.poll(() => server.links[0]!.got).toEqual(["last words"]);
    draining.abort();
    await expect(openLink(server.url)).rejects.toThrow("The server is going down");
    await server.leave();
    await expect.poll(() => log).toEqual(["closed well"]);
    expect(server.links).toHaveLength(1);
  });
});

describe("links of Down and Up", () => {
  /** Speaks the service by hand: what a page does, and what it should not. */
  async function openDown(url: string): Promise<{
    id: string;
    ended: Promise<number[]>;
    up(number: number, batches: string[], end?: boolean): Promise<unknown>;
    stop(): void;
  }> {
    const client = createClient(LinkService, createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1" }));
    const stop = new AbortController();
    let id = "";
    const onHeader = (headers: Headers): void => void (id = headers.get("raceway-link") ?? "");
    const chunks = client.down({}, { signal: stop.signal, onHeader })[Symbol.asyncIterator]();
    await chunks.next();
    const rest = async (): Promise<number[]> => {
      const sizes: number[] = [];
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
        sizes.push(next.value.batch.length);
      return sizes;
    };
    const ended = rest();
    ended.catch(() => {});
    return {
      id,
      ended,
      stop: () => stop.abort(),
      up: (number, batches, end = false) =>
        client.up({ number, batch: batches.map(text), end }, { headers: { "raceway-link": id } }),
    };
  }

  test("take numbered uploads in order, an upload that is repeated only once, and end when the client says so", async () => {
    await using server = await serve();
    const { id, up, ended } = await openDown(server.url);
    expect(id).toMatch(/^[\w-]{43}$/); // 32 bytes
    await up(1, ["a", "b"]);
    await up(1, ["a", "b"]);
    await up(2, []);
    await up(3, ["c"], true);
    expect([server.links[0]!.got, server.links[0]!.log]).toEqual([["a", "b", "c"], ["closed well"]]);
    expect(await ended).toEqual([]);
    await expect(up(4, ["late"])).rejects.toThrow("There is no such link, or it is over");
  });

  test("end when an upload is missing, and when two come at once", async () => {
    await using server = await serve({ batch: (served) => served.link.pause() });
    const gap = await openDown(server.url);
    await expect(gap.up(2, ["b"])).rejects.toThrow("Count 2 is impossible: the next upload is number 1");
    expect(server.links[0]!.got).toEqual([]);
    await expect.poll(() => server.links[0]!.log).toEqual([expect.stringContaining("closed count_invalid")]);
    await expect(gap.ended).rejects.toThrow("count_invalid");
    const twice = await openDown(server.url);
    const first = twice.up(1, ["a"]); // not answered while the receiver is paused
    await expect.poll(() => server.links[1]!.got).toEqual(["a"]);
    await expect(twice.up(2, ["b"])).rejects.toThrow("Count 2 is impossible");
    await first;
    expect(server.links[1]!.got).toEqual(["a"]);
  });

  test("cannot be sent to without their id", async () => {
    await using server = await serve();
    const { id, up, stop } = await openDown(server.url);
    const client = createClient(LinkService, createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" }));
    for (const headers of [{}, { "raceway-link": "" }, { "raceway-link": `${id.slice(0, -1)}_` }]) {
      await expect(client.up({ number: 1, batch: [text("forged")] }, { headers })).rejects.toThrow(
        "There is no such link",
      );
    }
    await up(1, ["mine"]);
    expect(server.links[0]!.got).toEqual(["mine"]);
    const second = await openDown(server.url);
    expect(second.id).not.toBe(id);
    stop();
    await expect
      .poll(() => server.links[0]!.log)
      .toEqual([expect.stringContaining("closed link_closed: The grpc link ended: the connection was lost.")]);
    await expect(up(2, ["late"])).rejects.toThrow("There is no such link");
    second.stop();
  });
});

function envelope(message: Uint8Array, flags = 0): Uint8Array {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

async function* one<T>(item: T): AsyncGenerator<T> {
  yield item;
}

async function all<T, U>(items: AsyncIterable<T>, map: (item: T) => U): Promise<U[]> {
  const mapped: U[] = [];
  for await (const item of items) mapped.push(map(item));
  return mapped;
}
