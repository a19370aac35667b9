// `@connectrpc/connect-node` over HTTP/2 cleartext, as its documentation shows it.
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type BenchEvent, makeEvent, monotonicMicros } from "../event.ts";
import { BenchService } from "../gen/bench/v1/bench_pb.ts";
import type { PeerServer } from "../peer.ts";
import { Queue } from "../queue.ts";

export async function startServer(): Promise<PeerServer> {
  const subscribers = new Set<Queue<BenchEvent>>();
  const adapter = connectNodeAdapter({
    routes(router) {
      router.service(BenchService, {
        echo: ({ text, number }) => ({ text, number }),
        async *down({ count }) {
          const at = monotonicMicros();
          for (let seq = 1; seq <= count; seq++) yield makeEvent(seq, at);
        },
        async up(events) {
          let count = 0;
          let last = 0;
          for await (const event of events) {
            count++;
            last = event.seq;
          }
          return { count, last };
        },
        async *pingPong(events) {
          for await (const event of events) yield event;
        },
        async *ticks(_request, context) {
          const queue = new Queue<BenchEvent>();
          context.signal.addEventListener("abort", () => queue.end());
          subscribers.add(queue);
          try {
            yield* queue;
          } finally {
            subscribers.delete(queue);
          }
        },
      });
    },
  });
  const server = createServer(adapter);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    subscribers: () => subscribers.size,
    publish(events) {
      for (const event of events) for (const queue of subscribers) queue.push(event);
    },
  };
}
