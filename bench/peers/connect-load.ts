// Calls the Connect server over HTTP/2: Connect's own client, binary, for calls and streams; raw HTTP/2 for subscribers.
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type BenchEvent, makeEvent, monotonicMicros } from "../event.ts";
import { BenchService, TicksRequestSchema } from "../gen/bench/v1/bench_pb.ts";
import type { PeerClient, PeerLoad } from "../peer.ts";
import { Queue } from "../queue.ts";
import { openRawHttp2 } from "../raw/http2.ts";
import { readBinaryEvent } from "../raw/read-event.ts";

export function openLoad(port: number): PeerLoad {
  const request = {
    path: "/bench.v1.BenchService/Ticks",
    headers: { "content-type": "application/connect+proto", "connect-protocol-version": "1" },
    message: toBinary(TicksRequestSchema, create(TicksRequestSchema, { board: "main" })),
  };
  return {
    connect: () => connectClient(port),
    subscribe: (arrivals) =>
      openRawHttp2(port, request, {
        arrived: () => arrivals.arrived(),
        message: (chunk, start) => readBinaryEvent(chunk, start, arrivals),
        failed: (error) => arrivals.failed(error),
      }),
    idle: () => openRawHttp2(port, undefined, { arrived() {}, message() {}, failed() {} }),
  };
}

async function connectClient(port: number): Promise<PeerClient> {
  const baseUrl = `http://127.0.0.1:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  await sessionManager.connect();
  const client = createClient(
    BenchService,
    createConnectTransport({ httpVersion: "2", baseUrl, sessionManager, useBinaryFormat: true }),
  );
  return {
    echo: (text, number) => client.echo({ text, number }),
    async down(count, take) {
      for await (const event of client.down({ count })) take(event.seq);
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
    close: () => sessionManager.abort(),
  };
}

async function* events(count: number): AsyncGenerator<BenchEvent> {
  const at = monotonicMicros();
  for (let seq = 1; seq <= count; seq++) yield makeEvent(seq, at);
}
