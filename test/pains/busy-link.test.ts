// Row 6: a link that is busy, or slow, is not dead. Health checks wait in line behind the traffic; the traffic is proof enough.
import { connect } from "@raceway/client";
import { type ClientTransport } from "@raceway/core";
import { type RacewayOptions, raceway } from "@raceway/server";
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
import { handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";

/** 1 Mbit/s. */
const BYTES_PER_SECOND = 125_000;
const LINES = 40;
const LINE_BYTES = 8_000;

const transports: Readonly<
  Record<string, readonly [() => ClientTransport, () => RacewayOptions["transports"][number]]>
> = {
  websocket: [websocketClient, websocketServer],
  sse: [sseClient, sseServer],
  "sse as text": [() => sseClient({ format: "text" }), sseServer],
  poll: [pollClient, pollServer],
  grpc: [grpcClient, grpcServer],
};

describe.concurrent.each(Object.entries(transports))("over %s", (_name, [client, server]) => {
  it("Phoenix #6770: the health check does not kill a saturated link of 1 Mbit/s", async () => {
    const calls: string[] = [];
    // A link is taken for dead after 0.8 s: less than what waits in buffers takes on this way.
    await using app = raceway({ transports: [server()], limits: { heartbeatMs: 400, silenceMs: 400 } });
    const lab = handlers(calls, { after: () => ({ [Symbol.dispose]() {} }) } as never);
    app.serve(labService, {
      ...lab,
      async *chat(requests) {
        for await (const { text } of requests)
          for (let line = 0; line < Number(text); line++) yield { text: String(line).padEnd(LINE_BYTES) };
      },
    });
    const { port } = await app.listen({ port: 0, host: "127.0.0.1" });
    await using proxy = await faultProxy(port);
    proxy.shape({ bytesPerSecond: BYTES_PER_SECOND });
    await using connection = connect(`http://127.0.0.1:${proxy.address}`, { transports: [client()] });
    const losses: string[] = [];
    connection.state.subscribe(({ status, reason }) => {
      if (status !== "open" && status !== "connecting") losses.push(`${status}: ${reason?.message}`);
    });
    async function* ask(): AsyncGenerator<{ text: string }> {
      yield { text: String(LINES) };
    }
    const lines: number[] = [];
    for await (const { text } of labClient(connection).chat(ask())) lines.push(Number(text));
    expect(lines).toEqual(Array.from({ length: LINES }, (_, line) => line));
    expect(losses).toEqual([]);
  });
});
