// The compliance kit on this transport: every promise that a link makes, in both directions, in both formats.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transportSubject } from "@raceway/testkit";
import { faultProxy, serveTransport } from "@raceway/testkit/node";
import { describeLink } from "@raceway/testkit/vitest";
import { unix as client } from "./client.ts";
import { unix as server } from "./server.ts";

const folder = await mkdtemp(join(tmpdir(), "transport-unix-"));
let servers = 0;

describeLink(
  transportSubject({
    client: client(),
    async serve(opened) {
      // Clients talk to the proxy, so that the kit can cut connections in the middle of a batch.
      const number = servers++;
      const [front, back] = [join(folder, `${number}.front`), join(folder, `${number}.back`)];
      const served = await serveTransport(server({ file: back }), opened);
      const proxy = await faultProxy(back, front);
      return {
        endpoint: served.endpoint,
        client: client({ file: front }),
        cut: (afterBytes) => proxy.cut(afterBytes),
        async [Symbol.asyncDispose]() {
          await proxy[Symbol.asyncDispose]();
          await served[Symbol.asyncDispose]();
        },
      };
    },
  }),
);
