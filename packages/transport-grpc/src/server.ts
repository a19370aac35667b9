// The server half of the gRPC transport: links through `raceway.v1.LinkService`, and the app's own services for clients that know nothing of Raceway.
import type { ConnectRouterOptions } from "@connectrpc/connect";
import {
  CONTRACT,
  fail,
  resolveOptions,
  type ServerTransport,
  type TransportHost,
  type TransportRoutes,
} from "@raceway/core";
import { LinkService } from "./gen/raceway/v1/link_pb.ts";
import { type GrpcServerOptions, grpcServerTable } from "./options.ts";
import { linkTraits, TRANSPORT, UP_BYTES } from "./protocol.ts";
import { CrossOrigin } from "./server-cross-origin.ts";
import { Door } from "./server-door.ts";
import { LinkServer } from "./server-service.ts";

export type { GrpcServerOptions } from "./options.ts";

/** Room for the messages around batches. */
const MESSAGE_BYTES = 1_024;

/** Takes links and calls over gRPC, gRPC-web and Connect, on HTTP/2 and, where one side at most streams, on HTTP/1.1. */
export function grpc(given: GrpcServerOptions = {}): ServerTransport {
  const options = resolveOptions(TRANSPORT, grpcServerTable, given);
  const traits = linkTraits(options.maxBatchBytes);
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits,
    start(host: TransportHost): TransportRoutes {
      const links = new LinkServer(host, traits);
      const crossOrigin = new CrossOrigin(host, options.credentials);
      const serviceOptions: ConnectRouterOptions = {
        grpc: true,
        grpcWeb: true,
        connect: true,
        acceptCompression: [], // batches are compressed above the link, if at all
        readMaxBytes: host.maxBatchBytes + UP_BYTES + MESSAGE_BYTES,
        writeMaxBytes: options.maxBatchBytes + MESSAGE_BYTES,
        interceptors: [],
      };
      const door = new Door({
        clock: host.clock,
        log: host.log,
        crossOrigin,
        bodyMs: options.bodyMs,
        metered: host.native.metered ?? false,
        compressed: host.native.compressed ?? false,
        register(router) {
          router.service(LinkService, links, serviceOptions);
          host.native.register(router);
        },
        missing: (path, agent) => host.native.missing?.(path, agent),
      });
      return {
        // Links are answered below the transport's own path too: proxies can send that path here, and clients ask there.
        request(exchange) {
          const path = exchange.path.slice(host.path.length);
          if (!path.startsWith(`/${LinkService.typeName}/`) || !door.answer(exchange, path))
            exchange.reply(404, {}, new TextEncoder().encode(`${fail("channel_unknown", { path }).rawMessage}\n`));
        },
        native: (exchange) => door.answer(exchange, exchange.path),
        [Symbol.asyncDispose]: () => links[Symbol.asyncDispose](),
      };
    },
  };
}
