// Finds a port: the one that is asked for, or the first free one from the usual one on.
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

const FIRST_PORT = 8080;
const LAST_PORT = 8099;

/** Only this machine: anybody who reaches the page can press its buttons. */
export const HOST = "127.0.0.1";

/** Resolves with the port. An asked one that is taken is an error; else the next is tried. */
export async function listen(server: Server, asked: number | undefined): Promise<number> {
  if (asked !== undefined) return listenAt(server, asked);
  for (let port = FIRST_PORT; port <= LAST_PORT; port++) {
    try {
      return await listenAt(server, port);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
  return listenAt(server, 0);
}

function listenAt(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
