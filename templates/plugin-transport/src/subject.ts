// This transport as a subject of the compliance kit: for `npm test`, and for `raceway plugin test ./dist/subject.js`.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LinkSubject, transportSubject } from "@raceway/testkit";
import { faultProxy, serveTransport } from "@raceway/testkit/node";
import { unix as client } from "./client.ts";
import { unix as server } from "./server.ts";

const folder = mkdtemp(join(tmpdir(), "transport-unix-"));
let servers = 0;

export const subject: LinkSubject = transportSubject({
  client: client(),
  async serve(opened) {
    // Clients talk to the proxy, so that the kit can cut connections in the middle of a batch.
    const number = servers++;
    const [front, back] = [join(await folder, `${number}.front`), join(await folder, `${number}.back`)];
    const served = await serveTransport(server({ file: back }), opened);
    const proxy = await faultProxy(back, { listen: front });
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
});
