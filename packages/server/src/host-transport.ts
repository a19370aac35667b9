// Runs one server transport on a loopback port without an app: for tests of transports.
import {
  type Clock,
  type Endpoint,
  fail,
  type LinkOpened,
  type Logger,
  type Peer,
  type Random,
  type ServerTransport,
  silentLogger,
  systemRandom,
} from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import type { HttpLimitOptions } from "./http-limits.ts";
import { listenOn, type ListenOptions } from "./http-listen.ts";
import { httpRouter } from "./http-router.ts";
import { MemoryStore } from "./memory-store.ts";

export interface HostTransportOptions {
  /** Default: any free port. */
  readonly port?: number;
  readonly tls?: ListenOptions["tls"];
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Logger;
  readonly limits?: HttpLimitOptions;
  /** Default: 1,114,112, as the limit `batchBytes`. */
  readonly maxBatchBytes?: number;
  /** Default: no page of another origin. */
  readonly allowsOrigin?: (origin: string, peer: Peer) => boolean;
}
export interface HostedTransport extends AsyncDisposable {
  readonly endpoint: Endpoint;
}

const HOST = "127.0.0.1";
const PATH = "/raceway";

/** Starts the transport at "/raceway/<name>" and listens. Disposing ends the transport, then the server. */
export async function hostTransport(
  transport: ServerTransport,
  opened: LinkOpened,
  options: HostTransportOptions = {},
): Promise<HostedTransport> {
  const clock = options.clock ?? nodeClock();
  const draining = new AbortController();
  const store = new MemoryStore(clock);
  const path = `${PATH}/${transport.name}`;
  const routes = await transport.start({
    side: "server",
    clock,
    random: options.random ?? systemRandom,
    log: options.log ?? silentLogger,
    store,
    draining: draining.signal,
    path,
    opened,
    maxBatchBytes: options.maxBatchBytes ?? 1_114_112,
    allowsOrigin: options.allowsOrigin ?? (() => false),
    native: { register() {} },
  });
  const end = async (): Promise<void> => {
    draining.abort(fail("draining", {}));
    await routes[Symbol.asyncDispose]?.();
    store[Symbol.dispose]();
  };
  const { port = 0, tls, limits } = options;
  try {
    const listening = await listenOn(httpRouter([{ path, routes }]), { port, host: HOST, clock, tls, limits });
    return {
      endpoint: { url: listening.url, path: PATH },
      async [Symbol.asyncDispose]() {
        await end();
        await listening.close(0);
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}
