// Puts a proxy that can be cut in front of a transport that is served over HTTP on this machine.
import type { Endpoint } from "@raceway/core";
import type { ServedTransport } from "../transport-subject.ts";
import { faultProxy } from "./fault-proxy.ts";

export interface HostedTransport extends AsyncDisposable {
  readonly endpoint: Endpoint;
}

/** The same transport, at an endpoint that can be cut. Disposing ends both. */
export async function behindProxy(hosted: HostedTransport): Promise<ServedTransport> {
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
