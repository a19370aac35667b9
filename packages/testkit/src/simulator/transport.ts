// The simulated transport: a client half per client and transport, and a server half, that meet in a simulated network.
import { type ClientTransport, CONTRACT, type LinkTraits, type ServerTransport } from "@raceway/core";
import type { Listening, Network } from "./network.ts";
import type { SimProcess } from "./process.ts";

export function simClient(network: Network): ClientTransport {
  return {
    name: network.kind.transport,
    contract: CONTRACT,
    traits: network.kind.traits,
    supports: () => true,
    start: () => ({ open: (_endpoint, opened, signal) => network.open(opened, signal) }),
  };
}

/** `listening` is told of the server when it starts, and of nobody when it goes. */
export function simServer(
  transport: string,
  traits: LinkTraits,
  process: SimProcess,
  listening: (server: Listening | undefined) => void,
): ServerTransport {
  return {
    name: transport,
    contract: CONTRACT,
    traits,
    start(host) {
      listening({ process, opened: host.opened });
      return {
        async [Symbol.asyncDispose]() {
          listening(undefined);
        },
      };
    },
  };
}
