// Calls a Raceway server: the generated client for calls and streams, raw sessions for subscribers.
import { connect } from "@raceway/client";
import type { ClientTransport, Host, Link, LinkReceiver, PluginList } from "@raceway/core";
import { silentLogger, systemRandom } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { WebSocket } from "ws";
import type { Arrivals } from "../arrivals.ts";
import { type BenchEvent, makeEvent, monotonicMicros } from "../event.ts";
import { benchClient } from "../gen/bench/v1/bench.client.ts";
import { codersOf, installClient } from "../middleware/client.ts";
import { variantOf } from "../middleware/names.ts";
import type { PeerClient, PeerLoad, RawConnection } from "../peer.ts";
import { Queue } from "../queue.ts";
import { openRawHttp2 } from "../raw/http2.ts";
import { type RawIntroduction, RawSession } from "../raw/raceway-session.ts";
import { openRawWebSocket } from "../raw/websocket.ts";
import { openLoad as openGrpcLoad } from "./grpc-js-load.ts";

const transports: Readonly<Record<string, () => Promise<ClientTransport>>> = {
  // The socket that the peers' clients use, so that both are driven as hard; Node's own is slower.
  websocket: async () => (await import("@raceway/transport-websocket/client")).websocket({ WebSocket }),
  sse: async () => (await import("@raceway/transport-sse/client")).sse(),
  poll: async () => (await import("@raceway/transport-poll/client")).poll(),
  grpc: async () => (await import("@raceway/transport-grpc/client")).grpc(),
};

/** Not Raceway's own client: `@grpc/grpc-js` at the gRPC door, which the grpc transport opens as well. */
const DOOR = "grpc-door";

const PATH = "/raceway"; // the server's default

export function openLoad(port: number, variant: string, credential: string): PeerLoad {
  const { transport, middleware } = variantOf(variant);
  if (transport === DOOR) return openGrpcLoad(port, variant, credential);
  const make = transports[transport];
  if (!make) throw new Error(`There is no transport "${transport}".`);
  const introduction = { credential, coders: codersOf(middleware) };
  const openRaw = transport === "websocket" ? openRawSocket : transport === "grpc" ? openRawPipe : openRawLink;
  return {
    connect: async () => connectClient(port, await make(), await installClient(middleware, credential)),
    subscribe: async (arrivals) => openRaw(port, await make(), arrivals, introduction),
    idle: async () => openRaw(port, await make(), undefined, introduction),
  };
}

/** WebSocket frames read by hand: a thousand subscribers cost the load's core little. */
async function openRawSocket(
  port: number,
  _transport: ClientTransport,
  arrivals: Arrivals | undefined,
  introduction: RawIntroduction,
): Promise<RawConnection> {
  let session: RawSession | undefined;
  const raw = await openRawWebSocket(port, `${PATH}/websocket`, "raceway.v1", {
    arrived: () => arrivals?.arrived(),
    message: (chunk, start, end) => session?.batch(chunk, start, end),
    failed: (error) => session?.failed(error),
  });
  session = new RawSession((batch) => raw.send(batch, true), arrivals, introduction);
  await session.ready;
  return raw;
}

/** A link over the stream of Connect's protocol that the grpc transport uses in Node; batches are field 1 of its messages. */
async function openRawPipe(
  port: number,
  _transport: ClientTransport,
  arrivals: Arrivals | undefined,
  introduction: RawIntroduction,
): Promise<RawConnection> {
  let session: RawSession | undefined;
  const headers = { "content-type": "application/connect+proto", "connect-protocol-version": "1" };
  const raw = await openRawHttp2(
    port,
    { path: `${PATH}/grpc/raceway.v1.LinkService/Pipe`, headers },
    {
      arrived: () => arrivals?.arrived(),
      message(chunk, start, end) {
        if (end > start) session?.batch(chunk, start + 1 + lengthBytes(end - start), end);
      },
      failed: (error) => session?.failed(error),
    },
  );
  session = new RawSession((batch) => raw.send(chunkOf(batch)), arrivals, introduction);
  await session.ready;
  return raw;
}

/** How many bytes the length of a field takes that fills the rest of a message of this size. */
function lengthBytes(messageBytes: number): number {
  for (let bytes = 1; ; bytes++) if (messageBytes - 1 - bytes < 128 ** bytes) return bytes;
}

/** `Chunk { bytes batch = 1; }` */
function chunkOf(batch: Uint8Array): Uint8Array {
  if (batch.length > 0x3fff) throw new RangeError("A raw client sends small batches only.");
  const length = batch.length < 128 ? [batch.length] : [(batch.length & 0x7f) | 0x80, batch.length >> 7];
  return Uint8Array.from([0x0a, ...length, ...batch]);
}

/** A link as the transport's client half makes it, with nothing above but the raw session. */
async function openRawLink(
  port: number,
  transport: ClientTransport,
  arrivals: Arrivals | undefined,
  introduction: RawIntroduction,
): Promise<RawConnection> {
  let link: Link | undefined;
  let session: RawSession | undefined;
  const opened = (one: Link): LinkReceiver => {
    link = one;
    session = new RawSession((batch) => void one.send([batch]), arrivals, introduction);
    return {
      batch(bytes) {
        arrivals?.arrived();
        session?.batch(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
      },
      drain() {},
      closed: (error) => session?.failed(error ?? new Error("The server closed a link.")),
    };
  };
  await transport
    .start(host)
    .open({ url: `http://127.0.0.1:${port}`, path: PATH }, opened, new AbortController().signal);
  await session?.ready;
  return { close: () => link?.close() };
}

const host: Host = {
  side: "client",
  clock: nodeClock(),
  random: systemRandom,
  log: silentLogger,
  store: { get: refuse, put: refuse, delete: refuse, take: refuse },
  draining: new AbortController().signal,
};
function refuse(): Promise<never> {
  return Promise.reject(new Error("A raw link needs no store."));
}

async function connectClient(port: number, transport: ClientTransport, use: PluginList): Promise<PeerClient> {
  const connection = connect(`http://127.0.0.1:${port}`, { transports: [transport], use });
  const client = benchClient(connection);
  return {
    echo: (text, number) => client.echo({ text, number }),
    async down(count, take) {
      for await (const { seq } of client.down({ count })) take(seq);
    },
    up: (count) => client.up(events(count)),
    async converse() {
      const said = new Queue<BenchEvent>();
      const answers = client.pingPong(said)[Symbol.asyncIterator]();
      return {
        async say(event) {
          said.push(event);
          const { value } = await answers.next();
          return (value as BenchEvent).seq;
        },
        async end() {
          said.end();
          await answers.next();
        },
      };
    },
    close: () => connection.close(),
  };
}

async function* events(count: number): AsyncGenerator<BenchEvent> {
  const at = monotonicMicros();
  for (let seq = 1; seq <= count; seq++) yield makeEvent(seq, at);
}
