// The link cases of the kit, over a real server with a proxy in front that can cut connections.
import type { LinkOpened } from "@raceway/core";
import { hostTransport } from "@raceway/server/node";
import { type ServedTransport, transportSubject } from "@raceway/testkit";
import { faultProxy } from "@raceway/testkit/node";
import { describeLink } from "@raceway/testkit/vitest";
import { describe } from "vitest";
import { sse as client, type SseClientOptions } from "./client.ts";
import { sse as server } from "./server.ts";

async function serve(opened: LinkOpened): Promise<ServedTransport> {
  const hosted = await hostTransport(server(), opened);
  const proxy = await faultProxy(Number(new URL(hosted.endpoint.url).port));
  return {
    endpoint: { ...hosted.endpoint, url: `http://127.0.0.1:${proxy.address}` },
    cut: (afterBytes) => proxy.cut(afterBytes),
    async [Symbol.asyncDispose]() {
      await hosted[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

const formats: Readonly<Record<string, SseClientOptions>> = {
  binary: { retryMs: 10 },
  text: { format: "text", retryMs: 10 },
};
for (const [format, options] of Object.entries(formats)) {
  describe(format, () => describeLink(transportSubject({ client: client(options), serve })));
}
