// Calls a gRPC server: the `@grpc/grpc-js` client for calls and streams, raw HTTP/2 for subscribers.
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  InterceptingCall,
  type Interceptor,
  type ServiceError,
} from "@grpc/grpc-js";
import { type BenchEvent, makeEvent, monotonicMicros } from "../event.ts";
import { TicksRequestSchema } from "../gen/bench/v1/bench_pb.ts";
import type { Counted, Echo, PeerClient, PeerLoad } from "../peer.ts";
import { openRawHttp2 } from "../raw/http2.ts";
import { readBinaryEvent } from "../raw/read-event.ts";
import { loadBenchService } from "./grpc-js-schema.ts";

type Callback<T> = (error: ServiceError | null, reply: T) => void;
interface BenchClient extends Client {
  echo(request: Echo, callback: Callback<Echo>): void;
  down(request: { count: number }): ClientReadableStream<BenchEvent>;
  up(callback: Callback<Counted>): ClientWritableStream<BenchEvent>;
  pingPong(): ClientDuplexStream<BenchEvent, BenchEvent>;
}

export function openLoad(port: number, _variant = "", credential = ""): PeerLoad {
  const BenchService = loadBenchService();
  const request = {
    path: "/bench.v1.BenchService/Ticks",
    headers: {
      "content-type": "application/grpc",
      te: "trailers",
      ...(credential !== "" && { authorization: `Bearer ${credential}` }),
    },
    message: toBinary(TicksRequestSchema, create(TicksRequestSchema, { board: "main" })),
  };
  return {
    connect: () =>
      connectClient(
        new BenchService(`127.0.0.1:${port}`, credentials.createInsecure(), {
          "grpc.use_local_subchannel_pool": 1,
          ...(credential !== "" && { interceptors: [showing(credential)] }),
        }) as unknown as BenchClient,
      ),
    subscribe: (arrivals) =>
      openRawHttp2(port, request, {
        arrived: () => arrivals.arrived(),
        message: (chunk, start) => readBinaryEvent(chunk, start, arrivals),
        failed: (error) => arrivals.failed(error),
      }),
    idle: () => openRawHttp2(port, undefined, { arrived() {}, message() {}, failed() {} }),
  };
}

function showing(credential: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set("authorization", `Bearer ${credential}`);
        next(metadata, listener);
      },
    });
}

async function connectClient(client: BenchClient): Promise<PeerClient> {
  await new Promise<void>((resolve, reject) =>
    client.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve())),
  );
  return {
    echo: (text, number) =>
      new Promise((resolve, reject) =>
        client.echo({ text, number }, (error, reply) => (error ? reject(error) : resolve(reply))),
      ),
    down: (count, take) =>
      new Promise((resolve, reject) => {
        const call = client.down({ count });
        call.on("data", (event: BenchEvent) => take(event.seq));
        call.on("end", resolve);
        call.on("error", reject);
      }),
    up: (count) =>
      new Promise((resolve, reject) => {
        const call = client.up((error, reply) => (error ? reject(error) : resolve(reply)));
        const at = monotonicMicros();
        let seq = 1;
        const write = (): void => {
          while (seq <= count) if (!call.write(makeEvent(seq++, at))) return void call.once("drain", write);
          call.end();
        };
        write();
      }),
    async converse() {
      const call = client.pingPong();
      let answered: (event: BenchEvent) => void = () => {};
      let failed: (error: Error) => void = () => {};
      call.on("data", (event: BenchEvent) => answered(event));
      call.on("error", (error) => failed(error));
      return {
        say: (event) =>
          new Promise((resolve, reject) => {
            answered = ({ seq }) => resolve(seq);
            failed = reject;
            call.write(event);
          }),
        async end() {
          const ended = new Promise<void>((resolve) => call.once("end", resolve));
          call.end();
          await ended;
        },
      };
    },
    close: () => client.close(),
  };
}
