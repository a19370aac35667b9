// The lab service over all four transports, for tests that run in a page. Vitest's `globalSetup`.
import { compression } from "@raceway/middleware/compression";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import type { TestProject } from "vitest/node";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { handlers } from "./lab.ts";

declare module "vitest" {
  interface ProvidedContext {
    labUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const app = raceway({
    transports: [websocket(), sse(), poll(), grpc()],
    use: [compression({ dictionaryBytes: 512 })], // for pages that have it, too
    allowedOrigins: ["*"],
  });
  const topics: LabPublishers = app.serve(labService, {
    ...handlers([], virtualClock()),
    // What is added is published, too, so that a page can make a topic speak.
    async add({ a, b }) {
      await topics.ticks.publish({ board: `page-${a}` }, { sequence: b, symbol: `page ${a}, row ${b}` });
      return { sum: a + b };
    },
  });
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  project.provide("labUrl", url);
  return () => app.close(0);
}
