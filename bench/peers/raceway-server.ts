// Raceway, through its public interface and generated code; one transport a process.
import { definePlugin, type ServerTransport } from "@raceway/core";
import { raceway } from "@raceway/server";
import { makeEvent, monotonicMicros } from "../event.ts";
import { benchService } from "../gen/bench/v1/bench.server.ts";
import { variantOf } from "../middleware/names.ts";
import { installServer } from "../middleware/server.ts";
import type { PeerServer } from "../peer.ts";

const transports: Readonly<Record<string, () => Promise<ServerTransport>>> = {
  websocket: async () => (await import("@raceway/transport-websocket/server")).websocket(),
  sse: async () => (await import("@raceway/transport-sse/server")).sse(),
  poll: async () => (await import("@raceway/transport-poll/server")).poll(),
  grpc: async () => (await import("@raceway/transport-grpc/server")).grpc(),
  "grpc-door": async () => (await import("@raceway/transport-grpc/server")).grpc(),
};

/** "websocket+compression": a transport, and middleware. */
export async function startServer(variant: string): Promise<PeerServer> {
  const { transport, middleware } = variantOf(variant);
  const make = transports[transport];
  if (!make) throw new Error(`There is no transport "${transport}".`);
  let atDoor = 0;
  // Readers at a door are no sessions, so they are counted as they come in; at no other transport, since a gate has its price.
  const countReaders = definePlugin({
    name: "count-readers",
    start: () => ({ topic: () => ({ subscribe: () => void atDoor++ }) }),
  });
  const { use, policy, backplane, credential } = await installServer(middleware);
  const app = raceway({
    transports: [await make()],
    use: [transport === "grpc-door" && countReaders, use],
    backplane,
    // All clients come from one address with one token, and ask for more than one client should.
    limits: {
      sessionsPerAddress: 100_000,
      sessionsPerPrincipal: 100_000,
      framesPerSecond: 100_000_000,
      framesBurst: 100_000_000,
      storeBytes: 4_294_967_296, // each nonce of a signature is kept for minutes
    },
  });
  const publishers = app.serve(
    { ...benchService, policy },
    {
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
    },
  );
  const { port } = await app.listen({ port: 0, host: "127.0.0.1" });
  return {
    port,
    credential,
    subscribers: () => app.sessions + atDoor,
    publish(events) {
      for (const event of events) void publishers.ticks.publish({ board: "main" }, event);
    },
  };
}
