// Row 6: a link that is busy, or slow, is not dead. Health checks wait in line behind the traffic; the traffic is proof enough.
import { connect } from "@raceway/client";
import type { ClientTransport } from "@raceway/core";
import { type RacewayOptions, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { faultProxy } from "@raceway/testkit/node";
import { grpc as grpcClient } from "@raceway/transport-grpc/client";
import { grpc as grpcServer } from "@raceway/transport-grpc/server";
import { poll as pollClient } from "@raceway/transport-poll/client";
import { poll as pollServer } from "@raceway/transport-poll/server";
import { sse as sseClient } from "@raceway/transport-sse/client";
import { sse as sseServer } from "@raceway/transport-sse/server";
import { websocket as websocketClient } from "@raceway/transport-websocket/client";
import { websocket as websocketServer } from "@raceway/transport-websocket/server";
import { describe, expect, it } from "vitest";
import { from, handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";

/** 1 Mbit/s. */
const BYTES_PER_SECOND = 125_000;

const transports: Readonly<
  Record<string, readonly [() => ClientTransport, () => RacewayOptions["transports"][number]]>
> = {
  websocket: [websocketClient, websocketServer],
  sse: [sseClient, sseServer],
  "sse as text": [() => sseClient({ format: "text" }), sseServer],
  poll: [pollClient, pollServer],
  grpc: [grpcClient, grpcServer],
};

/** Reads `count` lines of `bytes` each over the slow way; tells them, and what became of the link meanwhile. */
async function read(
  [client, server]: readonly [() => ClientTransport, () => RacewayOptions["transports"][number]],
  count: number,
  bytes: number,
): Promise<{ readonly lines: readonly number[]; readonly losses: readonly string[] }> {
  // A link is taken for dead after 0.8 s: less than what waits in buffers takes on this way.
  await using app = raceway({ transports: [server()], limits: { heartbeatMs: 400, silenceMs: 400 } });
  app.serve(labService, {
    ...handlers([], virtualClock()),
    async *chat(requests) {
      for await (const { text } of requests)
        for (let line = 0; line < Number(text); line++) yield { text: String(line).padEnd(bytes) };
    },
  });
  const { port } = await app.listen({ port: 0, host: "127.0.0.1" });
  await using proxy = await faultProxy(port);
  proxy.shape({ bytesPerSecond: BYTES_PER_SECOND });
  await using connection = connect(`http://127.0.0.1:${proxy.address}`, {
    transports: [client()],
    limits: { replayBytes: 4 * 1024 * 1024 },
    backoff: { firstMs: 10, capMs: 20 },
  });
  const losses: string[] = [];
  let before = "";
  connection.state.subscribe(({ status, reason }) => {
    if (status === "resuming" && before === "open") losses.push(String(reason?.message));
    before = status;
  });
  const lines: number[] = [];
  for await (const { text } of labClient(connection).chat(from([{ text: String(count) }]))) lines.push(Number(text));
  return { lines, losses: [...losses] };
}

describe.concurrent.each(Object.entries(transports))("Phoenix #6770, over %s at 1 Mbit/s", (name, made) => {
  it("the health check does not kill a saturated link", async () => {
    const { lines, losses } = await read(made, 40, 8_000);
    expect(lines).toEqual(Array.from({ length: 40 }, (_, line) => line));
    expect(losses).toEqual([]);
  });

  it("a message that takes longer than silence is borne arrives", async () => {
    const { lines, losses } = await read(made, 2, 150_000);
    expect(lines).toEqual([0, 1]);
    // Who sees the parts of a message does not even lose the link. A WebSocket and a gRPC stream show whole messages only, and while an answer to
    // a poll is on its way the client cannot say much: there the next link gets twice the time, and the message arrives.
    expect(losses.length).toBeLessThanOrEqual(name.startsWith("sse") ? 0 : 3);
  }, 20_000);
});
