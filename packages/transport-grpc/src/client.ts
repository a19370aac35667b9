// The client half of the gRPC transport, in Node: one call of Pipe over HTTP/2 for each link. Pages get client-web.ts in its place.
import { type ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import {
  type ClientTransport,
  CONTRACT,
  type Endpoint,
  fail,
  fetchFailure,
  type Host,
  type LinkOpened,
  resolveOptions,
} from "@raceway/core";
import { openOver } from "./client-stream.ts";
import { LinkService } from "./gen/raceway/v1/link_pb.ts";
import { LinkEnd } from "./link-end.ts";
import { Connection } from "./node-connection.ts";
import { type GrpcTls, checkTls } from "./node-tls.ts";
import { type GrpcClientOptions as TableOptions, grpcClientTable } from "./options.ts";
import { linkTraits, TRANSPORT } from "./protocol.ts";

export type { GrpcTls } from "./node-tls.ts";

export interface GrpcClientOptions extends TableOptions {
  /** In Node. A function is asked for each link, so that a certificate that was renewed is shown by the next one. */
  readonly tls?: GrpcTls | (() => GrpcTls | Promise<GrpcTls>) | undefined;
}

export function grpc(given: GrpcClientOptions = {}): ClientTransport {
  const { tls, ...rest } = given;
  const options = resolveOptions(TRANSPORT, grpcClientTable, rest);
  if (tls !== undefined && typeof tls !== "function") checkTls(tls);
  const traits = linkTraits(options.maxBatchBytes);
  const open = async (host: Host, endpoint: Endpoint, opened: LinkOpened, signal: AbortSignal): Promise<void> => {
    const failed = (detail: string): ConnectError => fail("transport_failed", { transport: TRANSPORT, detail });
    if (signal.aborted) throw failed("the attempt was called off");
    // A connection of its own for each link: one that died silently must not be used for the next.
    let sessionManager: Connection;
    try {
      sessionManager = new Connection(endpoint.url, typeof tls === "function" ? await tls() : tls);
    } catch (error) {
      throw failed(`its tls cannot be used: ${fetchFailure(error)}`);
    }
    if (signal.aborted) {
      sessionManager.cut();
      throw failed("the attempt was called off");
    }
    const stop = new AbortController();
    const cut = (): void => {
      stop.abort();
      sessionManager.cut();
    };
    const { hostname, protocol } = new URL(endpoint.url);
    const link = new LinkEnd({
      traits,
      peer: { address: hostname, secure: protocol === "https:", header: () => undefined },
      clock: host.clock,
      log: host.log,
      takesBytes: options.maxBatchBytes,
      cut,
    });
    const common = {
      baseUrl: `${endpoint.url}${endpoint.path}/${TRANSPORT}`,
      sessionManager,
      useBinaryFormat: true,
      acceptCompression: [],
      readMaxBytes: options.maxBatchBytes + 1_024,
    };
    const transport =
      options.protocol === "grpc"
        ? createGrpcTransport(common)
        : options.protocol === "grpc-web"
          ? createGrpcWebTransport({ ...common, httpVersion: "2" })
          : createConnectTransport({ ...common, httpVersion: "2" });
    signal.addEventListener("abort", cut, { once: true });
    try {
      await openOver(
        createClient(LinkService, transport).pipe(link.queue.chunks({ end: true }), { signal: stop.signal }),
        link,
        opened,
        signal,
      );
    } catch (error) {
      link.queue.drop();
      cut();
      throw error;
    } finally {
      signal.removeEventListener("abort", cut);
    }
  };
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits,
    supports: (endpoint) => /^https?:/.test(endpoint.url),
    start: (host) => ({ open: (endpoint, opened, signal) => open(host, endpoint, opened, signal) }),
  };
}
