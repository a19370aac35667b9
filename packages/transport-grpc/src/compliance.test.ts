// The link cases of the kit, over a real server with a proxy in front that can cut connections.
import { type LinkOpened, resolveLimits } from "@raceway/core";
import { hostTransport } from "@raceway/server/node";
import { type ServedTransport, transportSubject } from "@raceway/testkit";
import { faultProxy } from "@raceway/testkit/node";
import { describeLink } from "@raceway/testkit/vitest";
import { describe } from "vitest";
import { grpc as grpcWeb } from "./client-web.ts";
import { grpc } from "./client.ts";
import { grpc as grpcServer } from "./server.ts";

const { batchBytes: maxBatchBytes } = resolveLimits();

async function serve(opened: LinkOpened): Promise<ServedTransport> {
  const hosted = await hostTransport(grpcServer({ maxBatchBytes }), opened);
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

for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
  describe(`Pipe over ${protocol}`, () =>
    describeLink(transportSubject({ client: grpc({ protocol, maxBatchBytes }), serve })));
}
for (const protocol of ["grpc-web", "connect"] as const) {
  describe(`Down and Up over ${protocol}`, () =>
    describeLink(transportSubject({ client: grpcWeb({ protocol, maxBatchBytes }), serve })));
}
