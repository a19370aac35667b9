// Compression of calls at native doors: agreed on by each protocol's own headers, for clients that know nothing of Raceway.
import { type IncomingHttpHeaders, request } from "node:http";
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import type { Compression } from "@connectrpc/connect/protocol";
import { reasonOf } from "@raceway/core";
import { cache } from "@raceway/middleware/cache";
import { compression } from "@raceway/middleware/compression";
import { describe, expect, it } from "vitest";
import { take } from "../app/lab.ts";
import { EchoRequestSchema, EchoResponseSchema, LabService } from "../gen/lab/v1/lab_pb.ts";
import { PEEK } from "./cache-world.ts";
import { stage } from "./stage.ts";

const LONG = "a long tale, told over and over again; ".repeat(100);
const ECHO = `/${LabService.typeName}/Echo`;

const forms = {
  gzip: { pack: gzipSync, open: gunzipSync },
  br: { pack: brotliCompressSync, open: brotliDecompressSync },
  zstd: { pack: zstdCompressSync, open: zstdDecompressSync },
  deflate: { pack: deflateSync, open: inflateSync },
};
type Name = keyof typeof forms;
const names = Object.keys(forms) as Name[];

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}
/** One unary Connect call, whose bytes nobody touches on the way. */
function call(url: string, body: Uint8Array, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${ECHO}`, {
      method: "POST",
      headers: { "content-type": "application/proto", "connect-protocol-version": "1", ...headers },
    });
    asked.on("error", reject).on("response", (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part)).on("error", reject);
      answer.on("end", () =>
        resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(parts) }),
      );
    });
    asked.end(body);
  });
}
const echo = (text: string): Uint8Array => toBinary(EchoRequestSchema, create(EchoRequestSchema, { text }));
const said = (body: Uint8Array): string => fromBinary(EchoResponseSchema, body).text;
const refusal = ({ body }: Answer): unknown => JSON.parse(body.toString("utf8"));

describe("at the Connect door", () => {
  it.each(names)("%s is taken, and given to who takes it", async (name) => {
    await using it = await stage({ use: [compression()] });
    const { pack, open } = forms[name];
    const answer = await call(it.url, pack(echo(LONG)), { "content-encoding": name, "accept-encoding": name });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-encoding"]).toBe(name);
    expect(answer.body.length).toBeLessThan(LONG.length / 10);
    expect(said(open(answer.body))).toBe(LONG);
  });

  it("who takes none gets none, and so does a short answer", async () => {
    await using it = await stage({ use: [compression()] });
    const none = await call(it.url, echo(LONG), {});
    expect(none.headers["content-encoding"]).toBeUndefined();
    expect(said(none.body)).toBe(LONG);
    const short = await call(it.url, echo("tea"), { "accept-encoding": "gzip" });
    expect(short.headers["content-encoding"]).toBeUndefined();
    expect(said(short.body)).toBe("tea");
  });

  it("what the options leave out is not taken, and without the plugin nothing is", async () => {
    for (const use of [[compression({ algorithms: ["br"] })], []]) {
      await using it = await stage({ use });
      const answer = await call(it.url, gzipSync(echo("tea")), { "content-encoding": "gzip" });
      expect(refusal(answer)).toMatchObject({ code: "unimplemented" });
      expect((await call(it.url, echo(LONG), { "accept-encoding": "gzip" })).headers["content-encoding"]).toBe(
        undefined,
      );
    }
  });

  it.each(names)("a bomb in %s is refused before it is opened, and the handler does not run", async (name) => {
    await using it = await stage({ use: [compression()], limits: { messageBytes: 10_000 } });
    const bomb = forms[name].pack(Buffer.alloc(4_000_000));
    expect(bomb.length).toBeLessThan(10_000);
    const answer = await call(it.url, bomb, { "content-encoding": name, "accept-encoding": "identity" });
    expect(refusal(answer)).toMatchObject({ code: "resource_exhausted" });
    expect(answer.body.toString()).toMatch(/Compressed message of .* becomes more than 10000/);
    expect(it.calls).toEqual([]);
  });

  it("a few bytes become 64 KiB at most, though messages may be larger", async () => {
    await using it = await stage({ use: [compression()] });
    const bomb = brotliCompressSync(Buffer.alloc(1_000_000));
    expect(bomb.length).toBeLessThan(65);
    const answer = await call(it.url, bomb, { "content-encoding": "br", "accept-encoding": "identity" });
    expect(refusal(answer)).toMatchObject({ code: "resource_exhausted" });
    expect(answer.body.toString()).toContain("becomes more than 65536");
  });

  it.each(names)("what is no %s is refused with a reason", async (name) => {
    await using it = await stage({ use: [compression()] });
    const broken = forms[name].pack(echo(LONG)).subarray(0, 20);
    for (const body of [Buffer.from("no such thing"), broken]) {
      const answer = await call(it.url, body, { "content-encoding": name, "accept-encoding": "identity" });
      expect(refusal(answer)).toMatchObject({ code: "invalid_argument" });
      expect(answer.body.toString()).toContain(`Message is not what ${name} makes`);
    }
    expect(it.calls).toEqual([]);
  });

  it("an answer that may be kept says that it depends on what its client takes, and has a name for each form", async () => {
    await using it = await stage({
      use: [compression(), cache({ channels: { [PEEK]: { scope: "public" } } })],
      handlers: { peek: () => ({ text: LONG }) },
    });
    const get = (encoding: string): Promise<Response> =>
      fetch(`${it.url}/${PEEK}?connect=v1&encoding=json&message=%7B%7D`, { headers: { "accept-encoding": encoding } });
    const [plain, packed] = [await get("identity"), await get("gzip")];
    expect([plain.headers.get("content-encoding"), packed.headers.get("content-encoding")]).toEqual([null, "gzip"]);
    for (const answer of [plain, packed]) {
      expect(answer.headers.get("vary")).toBe("origin, accept-encoding");
      expect(await answer.json()).toEqual({ text: LONG });
    }
    expect(plain.headers.get("etag")).not.toBe(packed.headers.get("etag"));
  });
});

const counting = (compressed: Compression, seen: { in: number; out: number }): Compression => ({
  name: compressed.name,
  compress: (bytes) => (seen.out++, compressed.compress(bytes)),
  decompress: (bytes, most) => (seen.in++, compressed.decompress(bytes, most)),
});

describe.each([
  ["gRPC", createGrpcTransport],
  ["gRPC-web", createGrpcWebTransport],
  ["Connect", createConnectTransport],
] as const)("a client of Connect's own at the %s door", (_, make) => {
  it.each([compressionGzip, compressionBrotli])("compresses calls and streams, both ways: $name", async (algorithm) => {
    await using it = await stage({
      use: [compression()],
      handlers: {
        async *chat(messages) {
          for await (const { text } of messages) yield { text };
        },
      },
    });
    const seen = { in: 0, out: 0 };
    const own = counting(algorithm, seen);
    const client = createClient(
      LabService,
      make({
        baseUrl: it.url,
        httpVersion: "2",
        acceptCompression: [own],
        sendCompression: own,
        compressMinBytes: 100,
      }),
    );
    expect(await client.echo({ text: LONG })).toMatchObject({ text: LONG });
    expect(seen).toEqual({ in: 1, out: 1 });
    const messages = (async function* () {
      for (const text of [LONG, "tea", LONG]) yield { text };
    })();
    const back = await take(client.chat(messages), 3);
    expect(back.map(({ text }) => text)).toEqual([LONG, "tea", LONG]);
    expect(seen).toEqual({ in: 3, out: 3 });
  });

  it("hears that its message becomes too large", async () => {
    await using it = await stage({ use: [compression()], limits: { messageBytes: 10_000 } });
    const client = createClient(
      LabService,
      make({ baseUrl: it.url, httpVersion: "2", sendCompression: compressionGzip, compressMinBytes: 100 }),
    );
    const error = await client.echo({ text: "x".repeat(100_000) }).then(
      () => undefined,
      (cause: unknown) => ConnectError.from(cause),
    );
    expect(error?.code).toBe(Code.ResourceExhausted);
    expect(reasonOf(error)).toBe("compressed_too_large");
  });
});
