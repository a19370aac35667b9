// The client half: opens one socket per link.
import { connect } from "node:net";
import { type ClientTransport, CONTRACT, fail } from "@raceway/core";
import { carryLink } from "./link.ts";
import { resolveUnixOptions, type UnixOptions } from "./options.ts";
import { TRANSPORT, traitsOf } from "./protocol.ts";

/** Connects to a server on the same machine through a Unix domain socket. */
export function unix(given: UnixOptions = {}): ClientTransport {
  const options = resolveUnixOptions(given); // wrong options fail here, on the user's line
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits: traitsOf(options),
    supports: () => true, // the address is an option; any endpoint will do
    start: (host) => ({
      open: (_endpoint, opened, signal) =>
        new Promise((resolve, reject) => {
          const calledOff = (): void => {
            socket.destroy();
            reject(fail("transport_failed", { transport: TRANSPORT, detail: "the attempt was called off" }));
          };
          const failed = (error: Error): void => {
            signal.removeEventListener("abort", calledOff);
            reject(fail("transport_failed", { transport: TRANSPORT, detail: error.message }));
          };
          const socket = connect({ path: options.file });
          socket.once("error", failed);
          socket.once("connect", () => {
            signal.removeEventListener("abort", calledOff);
            socket.off("error", failed);
            carryLink(socket, opened, options, host.clock);
            resolve();
          });
          if (signal.aborted) calledOff();
          else signal.addEventListener("abort", calledOff, { once: true });
        }),
    }),
  };
}
