// The Node side of tests that run in a page: all server transports, worked by the page through the kit's relay. Vitest's `globalSetup`.
import type { TestProject } from "vitest/node";
import { resolveLimits } from "../packages/core/src/index.ts";
import { hostTransport } from "../packages/server/src/node.ts";
import { behindProxy, startRelay } from "../packages/testkit/src/node.ts";
import { grpc } from "../packages/transport-grpc/src/server.ts";
import { poll } from "../packages/transport-poll/src/server.ts";
import { sse } from "../packages/transport-sse/src/server.ts";
import { websocket } from "../packages/transport-websocket/src/server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** For `relayedServe(inject("relayUrl"), "<transport>")`. */
    relayUrl: string;
  }
}

export default async function pageServer(project: TestProject): Promise<() => Promise<void>> {
  const { batchBytes: maxBatchBytes } = resolveLimits();
  const transports = [grpc({ maxBatchBytes }), poll(), sse(), websocket({ maxBatchBytes })];
  const relay = await startRelay(
    Object.fromEntries(
      transports.map((transport) => [
        transport.name,
        async (opened) => behindProxy(await hostTransport(transport, opened, { allowsOrigin: () => true })),
      ]),
    ),
  );
  project.provide("relayUrl", relay.url);
  return async () => {
    await relay[Symbol.asyncDispose]();
  };
}
