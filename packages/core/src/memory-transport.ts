// The memory transport: client and server halves that meet in one process, for tests and for calls that need no network.
import type { ConnectError } from "@connectrpc/connect";
import { fail } from "./errors.ts";
import type { LinkOpened, LinkTraits } from "./link.ts";
import { memoryLink, type MemoryLink, type MemoryLinkOptions } from "./memory-link.ts";
import { CONTRACT } from "./part.ts";
import type { ClientTransport, ServerTransport, TransportHost } from "./transport.ts";

export interface MemoryTransport {
  readonly client: ClientTransport;
  readonly server: ServerTransport;
  /** Cuts all links that are open, as a broken cable would. New ones can be opened at once. */
  cut(error?: ConnectError): void;
}

/** Two halves that share a meeting point: what the client half opens arrives at the server half that was started last. */
export function memoryTransport(options: Omit<MemoryLinkOptions, "clock"> = {}): MemoryTransport {
  const name = options.transport ?? "memory";
  const traits: LinkTraits = {
    binary: options.text !== true,
    duplex: true,
    push: true,
    maxBatchBytes: options.maxBatchBytes ?? 1_114_112,
  };
  const links = new Set<MemoryLink>();
  const cut = (error?: ConnectError): void => {
    for (const link of links) link.cut(error);
    links.clear();
  };
  let listening: TransportHost | undefined;
  return {
    cut,
    client: {
      name,
      contract: CONTRACT,
      traits,
      supports: () => true,
      start: (host) => ({
        async open(_endpoint, opened, signal) {
          await new Promise<void>((resolve) => host.clock.turnEnd(resolve));
          if (signal.aborted) throw fail("transport_failed", { transport: name, detail: "the attempt was called off" });
          const server = listening;
          if (server === undefined)
            throw fail("transport_failed", { transport: name, detail: "no server listens in this process" });
          const maxBatchBytes = Math.min(traits.maxBatchBytes, server.maxBatchBytes);
          const link = memoryLink(watched(opened, forget), watched(server.opened, forget), {
            ...options,
            maxBatchBytes,
            clock: host.clock,
          });
          function forget(): void {
            links.delete(link);
          }
          links.add(link);
        },
      }),
    },
    server: {
      name,
      contract: CONTRACT,
      traits,
      start(host) {
        listening = host;
        return {
          async [Symbol.asyncDispose]() {
            if (listening !== host) return;
            listening = undefined;
            cut(fail("link_closed", { transport: name, detail: "the server went down" }));
          },
        };
      },
    },
  };
}

/** The same `opened`, with a word when the link is over. */
function watched(opened: LinkOpened, over: () => void): LinkOpened {
  return (link) => {
    const receiver = opened(link);
    return {
      batch: (bytes) => receiver.batch(bytes),
      heard: () => receiver.heard?.(),
      drain: () => receiver.drain(),
      closed(error) {
        over();
        receiver.closed(error);
      },
    };
  };
}
