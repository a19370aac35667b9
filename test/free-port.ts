// A port of the loopback interface that nobody listens on, for programs that cannot choose one themselves.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** Somebody else may take it before it is used: who fails to listen tries another. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
