// The client half of the gRPC transport, in pages: Down for what the server sends, calls of Up for what the client does. Works over HTTP/1.1 too.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import {
  type ClientTransport,
  CONTRACT,
  type Endpoint,
  fail,
  type Host,
  type LinkOpened,
  resolveOptions,
} from "@raceway/core";
import { openOver } from "./client-stream.ts";
import { LinkService } from "./gen/raceway/v1/link_pb.ts";
import { LinkEnd } from "./link-end.ts";
import { type GrpcWebOptions, grpcWebTable } from "./options.ts";
import { LINK_HEADER, linkTraits, TRANSPORT, UP_BYTES } from "./protocol.ts";

export type { GrpcWebOptions } from "./options.ts";

export function grpc(given: GrpcWebOptions = {}): ClientTransport {
  const options = resolveOptions(TRANSPORT, grpcWebTable, given);
  const traits = linkTraits(options.maxBatchBytes);
  const fetchThis: typeof fetch = async (input, init) => {
    const credentials = options.credentials ? "include" : "same-origin";
    const request: RequestInit = { ...init, cache: "no-store", credentials };
    try {
      return await fetch(input, request);
    } catch (error) {
      // The pooled connection that was chosen may have died since. Once more does no harm: a call of Up is taken once, however often it comes.
      if (error instanceof TypeError && request.signal?.aborted !== true) return fetch(input, request);
      throw error;
    }
  };
  const open = async (host: Host, endpoint: Endpoint, opened: LinkOpened, signal: AbortSignal): Promise<void> => {
    if (signal.aborted) throw fail("transport_failed", { transport: TRANSPORT, detail: "the attempt was called off" });
    const common = { baseUrl: `${endpoint.url}${endpoint.path}/${TRANSPORT}`, useBinaryFormat: true, fetch: fetchThis };
    const client = createClient(
      LinkService,
      options.protocol === "grpc-web" ? createGrpcWebTransport(common) : createConnectTransport(common),
    );
    const stop = new AbortController();
    const cut = (): void => stop.abort();
    const { hostname, protocol } = new URL(endpoint.url);
    const link = new LinkEnd({
      traits,
      peer: { address: hostname, secure: protocol === "https:", header: () => undefined },
      clock: host.clock,
      log: host.log,
      takesBytes: options.maxBatchBytes,
      cut,
    });
    let id = "";
    const down = client.down(
      {},
      { signal: stop.signal, onHeader: (headers) => void (id = headers.get(LINK_HEADER) ?? "") },
    );
    const upload = async (): Promise<void> => {
      const headers = { [LINK_HEADER]: id };
      try {
        let number = 0;
        for (
          let batch = await link.queue.next(UP_BYTES);
          batch !== undefined;
          batch = await link.queue.next(UP_BYTES)
        ) {
          await client.up({ number: ++number, batch }, { headers, signal: stop.signal });
        }
        if (!stop.signal.aborted) await client.up({ number: ++number, end: true }, { headers, signal: stop.signal });
      } catch (error) {
        link.lost(error);
        cut();
      }
    };
    signal.addEventListener("abort", cut, { once: true });
    try {
      await openOver(down, link, opened, signal);
    } catch (error) {
      cut();
      throw error;
    } finally {
      signal.removeEventListener("abort", cut);
    }
    void upload();
  };
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits,
    supports: (endpoint) => typeof fetch === "function" && /^https?:/.test(endpoint.url),
    start: (host) => ({ open: (endpoint, opened, signal) => open(host, endpoint, opened, signal) }),
  };
}
