// The kit's link and session cases over WebSocket.
import { resolveLimits } from "@raceway/core";
import { transportSubject } from "@raceway/testkit";
import { serveTransport } from "@raceway/testkit/node";
import { describeLink } from "@raceway/testkit/vitest";
import { describe } from "vitest";
import { WebSocket } from "ws";
import { websocket } from "./client.ts";
import { websocket as served } from "./server.ts";

const options = { maxBatchBytes: resolveLimits().batchBytes };

describe("with Node's WebSocket", () => {
  describeLink(
    transportSubject({
      client: websocket(options),
      serve: (opened) => serveTransport(served(options), opened),
      pauseReachesPeer: false,
    }),
  );
});

describe("with the ws package's WebSocket", () => {
  describeLink(
    transportSubject({
      client: websocket({ ...options, WebSocket }),
      serve: (opened) => serveTransport(served(options), opened),
    }),
  );
});
