// The server's process: one peer, and the control connection. Started by the runner with the peer's module name and transport.
import { answerParent } from "./child.ts";
import { serveControl } from "./control.ts";
import type { PeerServerModule } from "./peer.ts";

const [module, transport] = process.argv.slice(2) as [string, string];

answerParent({
  async start() {
    const { startServer } = (await import(`./peers/${module}-server.ts`)) as PeerServerModule;
    const peer = await startServer(transport);
    const { port, credential = "" } = peer;
    return { port, credential, controlPort: await serveControl(peer) };
  },
});
