// The server half of the WebSocket transport: answers upgrades under its path.
import type { Socket } from "node:net";
import {
  CONTRACT,
  fail,
  resolveOptions,
  type ServerTransport,
  type TransportHost,
  type TransportRoutes,
} from "@raceway/core";
import { websocketOptions, type WebsocketOptions } from "./options.ts";
import { linkTraits, TRANSPORT } from "./protocol.ts";
import { Framer } from "./server-frames.ts";
import { acceptance, refusal, type UpgradeRequest, UpgradePeer } from "./server-handshake.ts";
import { ServerLink, type Shared } from "./server-link.ts";

export type { WebsocketOptions } from "./options.ts";

/** Takes WebSockets with the subprotocol `raceway.v1`, from pages of allowed origins and from clients that are no pages. */
export function websocket(given: WebsocketOptions = {}): ServerTransport {
  const options = resolveOptions(TRANSPORT, websocketOptions, given);
  const traits = linkTraits(options.maxBatchBytes);
  return { name: TRANSPORT, contract: CONTRACT, traits, start: (host) => startServer(host, traits) };
}

function startServer(host: TransportHost, traits: Shared["traits"]): TransportRoutes {
  let allGone: (() => void) | undefined;
  const shared: Shared = {
    clock: host.clock,
    log: host.log,
    traits,
    maxBatchBytes: host.maxBatchBytes,
    framer: new Framer(),
    links: new Set(),
    leaving: false,
    gone: () => {
      if (shared.links.size === 0) allGone?.();
    },
  };
  return {
    upgrade(upgrade) {
      const { peer } = upgrade;
      const request = upgrade.node.request as UpgradeRequest;
      const origin = peer.header("origin");
      const refused =
        host.draining.aborted || shared.leaving
          ? { status: 503, message: fail("draining", {}).rawMessage }
          : origin !== undefined && !host.allowsOrigin(origin, peer)
            ? { status: 403, message: "Pages of this origin may not talk to this server." }
            : refusal(request.method, peer);
      if (refused !== undefined) {
        upgrade.refuse(refused.status, refused.message);
        return;
      }
      const link = new ServerLink(upgrade.node.socket as Socket, new UpgradePeer(peer, request.rawHeaders), shared);
      link.open(acceptance(peer), upgrade.node.head, host.opened);
    },
    async [Symbol.asyncDispose]() {
      shared.leaving = true;
      const { promise, resolve } = Promise.withResolvers<void>();
      allGone = resolve;
      for (const link of shared.links) link.close();
      shared.gone();
      await promise;
    },
  };
}
