// Serves one server transport on a free port of this machine, behind a proxy that can be cut.
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import {
  type LinkOpened,
  resolveLimits,
  type ServerTransport,
  type TransportHost,
  type TransportRoutes,
} from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { testHost } from "../test-host.ts";
import type { ServedTransport } from "../transport-subject.ts";
import { behindProxy } from "./behind-proxy.ts";
import { exchangeOf, splitTarget, upgradeOf } from "./exchange.ts";

export interface ServeTransportOptions {
  /** HTTP/2 without TLS, and nothing else, in place of HTTP/1.1. */
  readonly http2?: boolean;
  /** Largest batch the server takes; the default of `limits.batchBytes` unless said. */
  readonly maxBatchBytes?: number;
}

/** Starts the transport with a plain HTTP server under it. Disposing closes both, and every connection. */
export async function serveTransport(
  transport: ServerTransport,
  opened: LinkOpened,
  options: ServeTransportOptions = {},
): Promise<ServedTransport> {
  const base = "/raceway";
  const host: TransportHost = {
    ...testHost("server"),
    clock: nodeClock(),
    path: `${base}/${transport.name}`,
    opened,
    maxBatchBytes: options.maxBatchBytes ?? resolveLimits().batchBytes,
    allowsOrigin: () => true,
    native: { register() {} },
  };
  const routes = await transport.start(host);
  const { server, closeAll } = options.http2 === true ? http2Server(routes, host.path) : http1Server(routes, host.path);
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return behindProxy({
    endpoint: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, path: base },
    async [Symbol.asyncDispose]() {
      await routes[Symbol.asyncDispose]?.();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      closeAll();
      await closed;
    },
  });
}

interface Listening<S> {
  readonly server: S;
  closeAll(): void;
}

const isBelow = (target: string | undefined, path: string): boolean => {
  const asked = splitTarget(target ?? "/").path;
  return asked === path || asked.startsWith(`${path}/`);
};

function http1Server(routes: TransportRoutes, path: string): Listening<Server> {
  const sockets = new Set<Socket>();
  const server = createHttpServer((request, response) => {
    const exchange = exchangeOf(request, response);
    if (isBelow(request.url, path) && routes.request !== undefined) routes.request(exchange);
    else if (routes.native?.(exchange) !== true) exchange.reply(404, {});
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (request, socket, head) => {
    const upgrade = upgradeOf(request, socket, head);
    if (isBelow(request.url, path) && routes.upgrade !== undefined) routes.upgrade(upgrade);
    else upgrade.refuse(404, "Not Found");
  });
  return {
    server,
    closeAll: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function http2Server(routes: TransportRoutes, path: string): Listening<Http2Server> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server((request, response) => {
    const exchange = exchangeOf(request, response);
    if (isBelow(request.url, path) && routes.request !== undefined) routes.request(exchange);
    else if (routes.native?.(exchange) !== true) exchange.reply(404, {});
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  return {
    server,
    closeAll: () => {
      for (const session of sessions) session.destroy();
    },
  };
}
