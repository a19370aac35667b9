// The server half: listens on the socket's path. It answers to nothing on the server's HTTP port, so its routes are empty but for the end.
import { createServer, type Socket } from "node:net";
import { CONTRACT, fail, type ServerTransport } from "@raceway/core";
import { carryLink } from "./link.ts";
import { resolveUnixOptions, type UnixOptions } from "./options.ts";
import { TRANSPORT, traitsOf } from "./protocol.ts";

/** Serves clients on the same machine through a Unix domain socket. */
export function unix(given: UnixOptions = {}): ServerTransport {
  const options = resolveUnixOptions(given);
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits: traitsOf(options),
    async start(host) {
      const maxBatchBytes = Math.min(options.maxBatchBytes, host.maxBatchBytes);
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
        carryLink(socket, host.opened, { ...options, maxBatchBytes }, host.clock);
      });
      await new Promise<void>((resolve, reject) => {
        server.once("error", (error) =>
          reject(fail("transport_failed", { transport: TRANSPORT, detail: error.message })),
        );
        server.listen(options.file, resolve);
      });
      return {
        async [Symbol.asyncDispose]() {
          const closed = new Promise<void>((resolve) => server.close(() => resolve()));
          for (const socket of sockets) socket.destroy();
          await closed;
        },
      };
    },
  };
}
