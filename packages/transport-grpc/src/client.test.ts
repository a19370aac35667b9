// The client half of the gRPC transport, over real HTTP/2.
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { hostTransport } from "@raceway/server/node";
import { testHost } from "@raceway/testkit";
import { describe, expect, test } from "vitest";
import { grpc as grpcWeb } from "./client-web.ts";
import { grpc } from "./client.ts";
import { grpc as server } from "./server.ts";

const never = new AbortController().signal;
const unreachable = (): never => expect.unreachable("opened was called");
const receiver = { batch() {}, drain() {}, closed() {} };

async function listening(
  server: ReturnType<typeof createServer> | ReturnType<typeof createHttp2Server>,
): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe.for([
  ["Pipe", grpc],
  ["Down and Up", grpcWeb],
] as const)("%s", ([, transport]) => {
  const { open } = transport().start(testHost("client"));

  test("rejects when nobody listens", async () => {
    const http = createServer();
    const url = await listening(http);
    await new Promise((resolve) => http.close(resolve));
    await expect(open({ url, path: "/raceway" }, unreachable, never)).rejects.toThrow(
      /^\[unavailable\] Transport grpc could not connect: \w+: /,
    );
  });

  test("rejects when the server has no such service, and when it is none at all", async () => {
    const nothing = createHttp2Server((_request, response) => response.writeHead(404).end());
    const page = createServer((_request, response) =>
      response.writeHead(200, { "content-type": "text/html" }).end("<p>hello"),
    );
    for (const http of [nothing, page]) {
      const url = await listening(http);
      await expect(open({ url, path: "/raceway" }, unreachable, never)).rejects.toThrow(
        "Transport grpc could not connect",
      );
      http.close();
    }
  });

  test("called off: nothing stays open, before the attempt and during it", async () => {
    const requests: string[] = [];
    const ended = Promise.withResolvers<void>();
    // Takes the request and never answers.
    const silent =
      transport === grpc
        ? createHttp2Server((request) => requests.push(request.url))
        : createServer((request) => requests.push(request.url!));
    silent.on("connection", (socket) => socket.on("close", () => ended.resolve()).on("error", () => {}));
    const url = await listening(silent);
    const calledOff = new AbortController();
    const opening = open({ url, path: "/raceway" }, unreachable, calledOff.signal);
    await expect.poll(() => requests.length).toBe(1);
    expect(requests[0]).toMatch(/^\/raceway\/grpc\/raceway\.v1\.LinkService\/(Pipe|Down)$/);
    calledOff.abort();
    await expect(opening).rejects.toThrow("the attempt was called off");
    await ended.promise;
    await expect(open({ url, path: "/raceway" }, unreachable, calledOff.signal)).rejects.toThrow(
      "the attempt was called off",
    );
    expect(requests).toHaveLength(1);
    silent.close();
  });

  test("closes itself when a batch is too large, and the server hears of an error", async () => {
    const ends: string[] = [];
    await using hosted = await hostTransport(server(), () => ({
      ...receiver,
      closed: (error) => void ends.push(`server ${error?.code}`),
    }));
    await transport({ maxBatchBytes: 1_024 })
      .start(testHost("client"))
      .open(
        hosted.endpoint,
        (link) => {
          expect(link.send([new Uint8Array(1_000), new Uint8Array(25)])).toBe(false);
          return { ...receiver, closed: (error) => void ends.push(`client ${error?.rawMessage}`) };
        },
        never,
      );
    await expect
      .poll(() => ends.toSorted())
      .toEqual([expect.stringContaining("client Batch of 1025 bytes exceeds maxBatchBytes 1024"), "server 14"]);
  });

  test("is for http and https, and refuses options that are wrong on the line that gives them", () => {
    expect(["http://a", "https://a", "ftp://a"].map((url) => transport().supports({ url, path: "/raceway" }))).toEqual([
      true,
      true,
      false,
    ]);
    expect(() => transport({ protocol: "soap" as "connect" })).toThrow(
      'grpc: option protocol is "soap", expected one of',
    );
  });
});

test("no id of a link is ever in a URL", async () => {
  const urls: string[] = [];
  const original = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    urls.push(String(input instanceof Request ? input.url : input));
    return original(input, init);
  };
  try {
    const got: number[] = [];
    await using hosted = await hostTransport(server(), () => ({
      ...receiver,
      batch: (bytes) => void got.push(bytes.length),
    }));
    await grpcWeb()
      .start(testHost("client"))
      .open(
        hosted.endpoint,
        (link) => {
          link.send([new Uint8Array(5).fill(10)]);
          return receiver;
        },
        never,
      );
    await expect.poll(() => got).toEqual([5]);
    expect(urls.map((url) => new URL(url).pathname + new URL(url).search)).toEqual([
      "/raceway/grpc/raceway.v1.LinkService/Down",
      "/raceway/grpc/raceway.v1.LinkService/Up",
    ]);
  } finally {
    globalThis.fetch = original;
  }
});
