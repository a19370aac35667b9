// Few bytes that become many: in sessions over each link, and in the bodies of requests. None may cost more memory than the limits say.
import { randomBytes } from "node:crypto";
import { connect as connect2 } from "node:http2";
import { type Transform, pipeline } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { constants, createBrotliCompress, createGzip, deflateRawSync } from "node:zlib";
import { BATCHES_TYPE, type ClientTransport } from "@raceway/core";
import { type Frame, encodeFrame } from "@raceway/core/internal";
import { nodeClock } from "@raceway/core/node";
import { compression } from "@raceway/middleware/compression";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";
import { hello, open, rawPeer, welcomeOf } from "../app/raw-peer.ts";
import { names, outcome, stage } from "../middleware/stage.ts";
import { type Attack, holds } from "./attack.ts";

const MIB = 1024 * 1024;
/** What each bomb becomes: zeros. */
const BOMB_BYTES = 256 * MIB;
/** What all attempts of an attack may add to the greatest size of the process. `decodedBytes` is 16 MiB, and what was given up waits for its collection; one bomb that goes off is more than this. */
const GROWTH_BYTES = 192 * MIB;

const links: Readonly<Record<string, () => ClientTransport>> = { websocket, sse, poll, grpc };

async function squeezed(through: Transform): Promise<Buffer> {
  const zeros = new Uint8Array(MIB);
  const chunks: Buffer[] = [];
  const source = function* (): Generator<Uint8Array> {
    for (let at = 0; at < BOMB_BYTES; at += MIB) yield zeros;
  };
  await new Promise<void>((resolve, reject) => {
    through.on("data", (chunk: Buffer) => chunks.push(chunk));
    pipeline(source, through, (error) => (error ? reject(error) : resolve()));
  });
  return Buffer.concat(chunks);
}

/** By hand: blocks of four bytes that become 128 KiB each (RFC 8878, section 3.1.1). */
function zstdBomb(header: readonly number[]): Buffer {
  const blocks: number[] = [];
  for (let at = 0; at < BOMB_BYTES; at += 128 * 1024) {
    const block = ((128 * 1024) << 3) | (1 << 1) | Number(at + 128 * 1024 >= BOMB_BYTES); // size, run of one byte, last
    blocks.push(block & 255, (block >> 8) & 255, block >> 16, 0);
  }
  return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...header, ...blocks]);
}

async function makeBombs() {
  const gzip = await squeezed(createGzip());
  const br = await squeezed(createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }));
  const lying = Buffer.from(gzip);
  lying.writeUInt32LE(10, lying.length - 4);
  return {
    gzip,
    br,
    lying,
    deflate: gzip.subarray(10, -8), // what is between the head and the tail of gzip (RFC 1952)
    zstd: zstdBomb([0x00, 0x58]), // window of 2 MiB, length not said
  };
}
let made: ReturnType<typeof makeBombs> | undefined;

/** Whatever `run` did, it made the process no larger than is allowed. */
async function bounded(run: () => Promise<void>): Promise<string> {
  const before = process.resourceUsage().maxRSS;
  await run();
  const growth = (process.resourceUsage().maxRSS - before) * 1024;
  holds(growth < GROWTH_BYTES, `the server grew by ${Math.round(growth / MIB)} MiB`);
  return `it grew by less than ${GROWTH_BYTES / MIB} MiB`;
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  const end = performance.now() + 20_000;
  while (!condition()) {
    holds(performance.now() < end, what());
    await wait(2);
  }
}

const coded = (data: Uint8Array): Frame => ({ kind: "coded", coder: 0, dictionary: 0, data, defines: 0 });

interface Answer {
  readonly status: number;
  readonly code: string;
}

/** One request, and what it got: the HTTP status, and what gRPC or Connect say of the error. */
async function posted(url: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Promise<Answer> {
  const { origin, pathname } = new URL(url);
  const session = connect2(origin);
  try {
    return await new Promise<Answer>((resolve, reject) => {
      session.on("error", reject);
      // What it got is read as it comes; a compressed question would get a compressed answer.
      const names = ["accept-encoding", "grpc-accept-encoding", "connect-accept-encoding"];
      const plain = Object.fromEntries(names.map((name) => [name, "identity"]));
      const stream = session.request({ ":method": "POST", ":path": pathname, ...plain, ...headers });
      let status = 0;
      let code = "";
      const chunks: Buffer[] = [];
      const look = (fields: Readonly<Record<string, unknown>>): void => {
        const said = fields["grpc-status"];
        if (typeof said === "string") code = said;
      };
      stream.on("response", (fields) => {
        status = Number(fields[":status"]);
        look(fields);
      });
      stream.on("trailers", look);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", () => {}); // cut: `close` comes, too
      const over = (): void => {
        const text = Buffer.concat(chunks).toString("latin1");
        resolve({ status, code: code || (/"code":"(\w+)"|grpc-status: (\d+)/.exec(text)?.slice(1).join("") ?? "") });
      };
      stream.on("end", over).on("close", over); // the answer is complete, though the bomb may not have left
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
}

/** A message of gRPC and of Connect's streams: flags, length, bytes. */
function envelope(flags: number, bytes: Uint8Array, length = bytes.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}

export const bombs: readonly Attack[] = [
  {
    name: "a decompression bomb over links: in each algorithm, under a false length, in itself, in many small parts",
    async run() {
      const { gzip, lying, deflate, zstd, br } = await (made ??= makeBombs());
      const large = /become more than/;
      const broken = /cannot be decoded/;
      // In itself, and honest in each layer: what is coded twice by the same coder is refused, however small.
      const nested = coded(deflateRawSync(encodeFrame(coded(deflateRawSync(new Uint8Array(50_000))))));
      // Each within what one part may become; all together 20 MB, of which a batch may become 16 MiB.
      const part = deflateRawSync(Buffer.concat([randomBytes(600), Buffer.alloc(49_400)]));
      const tries: readonly [what: string, coder: string, frames: readonly Frame[], reason: RegExp][] = [
        ["gzip", "gzip", [coded(gzip)], large],
        ["deflate", "deflate", [coded(deflate)], large],
        ["br", "br", [coded(br)], large],
        ["zstd", "zstd", [coded(zstd)], large],
        ["gzip that says it is ten bytes", "gzip", [coded(lying)], large],
        ["zstd that says it is ten bytes", "zstd", [coded(zstdBomb([0x20, 10]))], broken],
        ["zstd that says it is 2^40 bytes", "zstd", [coded(zstdBomb([0xe0, 0, 0, 0, 0, 0, 1, 0, 0]))], broken],
        ["deflate in deflate", "deflate", [nested], /twice by one/],
        ["many small parts", "deflate", Array.from({ length: 400 }, () => coded(part)), large],
      ];
      let count = 0;
      const grown = await bounded(async () => {
        for (const [link, transport] of Object.entries(links)) {
          await using it = await stage({ use: [names, compression()] });
          for (const [what, coder, frames, reason] of tries) {
            const peer = await rawPeer({ client: transport() }, nodeClock(), it.url);
            peer.say(hello({ coders: [coder] }));
            await until(
              () => peer.frames.some(({ kind }) => kind === "welcome"),
              () => "no Welcome",
            );
            holds(welcomeOf(peer).coders?.[0] === coder, `${coder} was not agreed on`);
            peer.say(...frames, open(1, "/lab.v1.LabService/Echo"));
            await until(
              () => peer.closed,
              () => `${what} over ${link}: the link stays`,
            );
            const why = peer.frames.flatMap((frame) => (frame.kind === "goaway" ? [frame.status?.message ?? ""] : []));
            holds(reason.test(why.join()), `${what} over ${link}: the link ends by ${why.join() || "nothing"}`);
            count++;
          }
          holds(it.calls.length === 0, `handlers ran: ${it.calls.join(", ")}`);
          holds(
            (await outcome(it.client("websocket", "ann").echo({ text: "others" }))) === "ok",
            "others are not served",
          );
        }
      });
      return `links refused, ${count} of ${count}; ${grown}`;
    },
  },
  {
    name: "a decompression bomb in the body of a request: at the native doors, and of a transport",
    async run() {
      const { gzip, br } = await (made ??= makeBombs());
      await using it = await stage({ use: [names, compression()] });
      const call = `${it.url}/lab.v1.LabService/Echo`;
      const chat = `${it.url}/lab.v1.LabService/Chat`;
      const grpcBody = { te: "trailers", "content-type": "application/grpc+proto" };
      const tries: readonly [what: string, url: string, headers: Readonly<Record<string, string>>, body: Uint8Array][] =
        [
          ["gRPC in gzip", call, { ...grpcBody, "grpc-encoding": "gzip" }, envelope(1, gzip)],
          ["gRPC in brotli", call, { ...grpcBody, "grpc-encoding": "br" }, envelope(1, br)],
          ["gRPC, compressed and not said how", call, grpcBody, envelope(1, gzip)],
          ["gRPC of 4 GiB, as it says", call, grpcBody, envelope(0, gzip, 0xffff_ffff)],
          [
            "gRPC-web in gzip",
            call,
            { "content-type": "application/grpc-web+proto", "grpc-encoding": "gzip" },
            envelope(1, gzip),
          ],
          ["Connect in gzip", call, { "content-type": "application/proto", "content-encoding": "gzip" }, gzip],
          ["Connect in brotli", call, { "content-type": "application/json", "content-encoding": "br" }, br],
          ["Connect in gzip, not said", call, { "content-type": "application/proto" }, gzip],
          [
            "a stream of Connect in gzip",
            chat,
            { "content-type": "application/connect+proto", "connect-content-encoding": "gzip" },
            envelope(1, gzip),
          ],
          [
            "a poll in gzip",
            `${it.url}/raceway/poll`,
            { "content-type": BATCHES_TYPE, "content-encoding": "gzip", "raceway-poll": "1 0 0 65536 0 1" },
            gzip,
          ],
          [
            "an upload of the gRPC transport in gzip",
            `${it.url}/raceway/grpc/raceway.v1.LinkService/Up`,
            { "content-type": "application/proto", "content-encoding": "gzip" },
            gzip,
          ],
        ];
      const got: string[] = [];
      const grown = await bounded(async () => {
        for (const [what, url, headers, body] of tries) {
          const { status, code } = await posted(url, headers, body);
          // At HTTP, or within what gRPC and Connect answer with 200.
          holds(status >= 400 || (code !== "" && code !== "0"), `${what}: ${status} ${code}`);
          got.push(what);
        }
      });
      holds(it.calls.length === 0, `handlers ran: ${it.calls.join(", ")}`);
      holds(
        (await outcome(it.client("Connect door", "ann").echo({ text: "others" }))) === "ok",
        "others are not served",
      );
      return `refused ${got.length} of ${tries.length}; ${grown}`;
    },
  },
];
