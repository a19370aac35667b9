// `@grpc/grpc-js` with `@grpc/proto-loader`, as its documentation shows it.
import { once } from "node:events";
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { type BenchEvent, makeEvent, monotonicMicros } from "../event.ts";
import type { Counted, Echo, PeerServer } from "../peer.ts";
import { loadBenchService } from "./grpc-js-schema.ts";

export async function startServer(): Promise<PeerServer> {
  const subscribers = new Set<ServerWritableStream<unknown, BenchEvent>>();
  const server = new Server();
  server.addService(loadBenchService().service, {
    echo: ({ request: { text, number } }: ServerUnaryCall<Echo, Echo>, reply: sendUnaryData<Echo>) =>
      reply(null, { text, number }),
    async down(call: ServerWritableStream<{ count: number }, BenchEvent>) {
      const at = monotonicMicros();
      for (let seq = 1; seq <= call.request.count; seq++) {
        if (!call.write(makeEvent(seq, at))) await once(call, "drain");
      }
      call.end();
    },
    up(call: ServerReadableStream<BenchEvent, Counted>, reply: sendUnaryData<Counted>) {
      let count = 0;
      let last = 0;
      call.on("data", (event: BenchEvent) => {
        count++;
        last = event.seq;
      });
      call.on("end", () => reply(null, { count, last }));
    },
    pingPong(call: ServerDuplexStream<BenchEvent, BenchEvent>) {
      call.on("data", (event: BenchEvent) => call.write(event));
      call.on("end", () => call.end());
    },
    ticks(call: ServerWritableStream<unknown, BenchEvent>) {
      subscribers.add(call);
      call.on("cancelled", () => subscribers.delete(call));
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    port,
    subscribers: () => subscribers.size,
    publish(events) {
      for (const event of events) for (const call of subscribers) call.write(event);
    },
  };
}
