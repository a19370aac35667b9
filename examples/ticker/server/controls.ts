// What breaks links on purpose: wraps the transports of a server, knows each link that they open, cuts it, and takes no new ones.
//
// It uses the plugin interface and nothing else, as a tool of one's own would: a transport that is given to it goes on to `raceway()` as before.
import type { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  definePlugin,
  type HttpExchange,
  type Link,
  type LinkOpened,
  type LinkReceiver,
  type Peer,
  type Plugin,
  type ServerTransport,
  type TransportRoutes,
} from "@raceway/core";
import { CLIENT_HEADER } from "../client/client-name.ts";

/** "refuse": says no at once. "swallow": says nothing at all, as some proxies do. */
export type BlockManner = "refuse" | "swallow";

export type ControlEvent =
  | { readonly kind: "opened" | "resumed" | "cut"; readonly client: string; readonly transport: string }
  | { readonly kind: "blocked" | "unblocked"; readonly transport: string };

interface OpenLink {
  readonly link: Link;
  /** Of a link that has a socket to itself. */
  readonly socket: Duplex | undefined;
  /** The client's own name, once it has said hello. */
  client: string | undefined;
  /** What came of the hello; told with the next batch, since a link that lost its race gets a welcome too, and is left. */
  welcomed: ControlEvent | undefined;
}
/** A socket, or an HTTP/2 session. */
interface Connection {
  destroy(): void;
  once(event: "close", listener: () => void): unknown;
}

export class Controls {
  readonly #links = new Map<Peer, OpenLink>();
  readonly #connections = new Set<Connection>();
  readonly #blocked = new Map<string, BlockManner>();
  /** Those who wait for an answer that does not come, and how to refuse them after all; by transport. */
  readonly #swallowed = new Map<string, Set<() => void>>();
  readonly #listeners = new Set<(event: ControlEvent) => void>();

  /** Calls `listener` for all that happens from now on. */
  subscribe(listener: (event: ControlEvent) => void): void {
    this.#listeners.add(listener);
  }
  #tell(event: ControlEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** The same transport, under control. */
  controllable(transport: ServerTransport): ServerTransport {
    return {
      ...transport,
      start: async (host) => {
        let upgrading: Duplex | undefined; // a link is opened while its upgrade is being answered, or by a request
        const opened: LinkOpened = (link) => this.#opened(host.opened, link, upgrading);
        const routes = await transport.start({ ...host, opened });
        const { name } = transport;
        const controlled: TransportRoutes = {
          [Symbol.asyncDispose]: async () => {
            this.#release(name);
            await routes[Symbol.asyncDispose]?.();
          },
        };
        if (routes.request !== undefined) {
          controlled.request = (exchange) => {
            this.#connected(connectionOf(exchange));
            routes.request?.(exchange); // also while blocked: it may be for a link that was cut, and has to be told so
          };
        }
        if (routes.upgrade !== undefined) {
          controlled.upgrade = (upgrade) => {
            const socket = upgrade.node.socket as Duplex;
            this.#connected(socket);
            if (
              this.#blocks(
                name,
                () => upgrade.refuse(403, `${name} is blocked.`),
                (gone) => socket.once("close", gone),
              )
            )
              return;
            upgrading = socket;
            try {
              routes.upgrade?.(upgrade);
            } finally {
              upgrading = undefined;
            }
          };
        }
        if (routes.native !== undefined) controlled.native = (exchange) => routes.native?.(exchange) === true;
        return controlled;
      },
    };
  }

  /** Middleware that learns whose link is whose: clients give themselves a name when they say hello. */
  plugin(): Plugin {
    return definePlugin({
      name: "client-names",
      start: () => ({
        session: ({ kind, peer, transport, headers }) => {
          const open = this.#links.get(peer);
          const client = headers.get(CLIENT_HEADER);
          if (open === undefined || client === null) return;
          open.client = client;
          if (kind === "open" || kind === "resume")
            open.welcomed = { kind: kind === "open" ? "opened" : "resumed", client, transport };
        },
      }),
    });
  }

  /** Cuts what a client has open at present, without a goodbye. Returns how many links that were. */
  cut(client: string): number {
    const links = [...this.#links.values()].filter((open) => open.client === client);
    for (const open of links) this.#cut(open);
    return links.length;
  }

  /** Cuts the links of a transport, and takes no new ones. */
  block(transport: string, manner: BlockManner): void {
    this.#release(transport);
    this.#blocked.set(transport, manner);
    this.#tell({ kind: "blocked", transport });
    for (const open of this.#links.values()) if (open.link.transport === transport) this.#cut(open);
  }

  unblock(transport: string): void {
    if (!this.#blocked.delete(transport)) return;
    this.#release(transport);
    this.#tell({ kind: "unblocked", transport });
  }

  blocked(transport: string): BlockManner | undefined {
    return this.#blocked.get(transport);
  }

  /** All connections are gone at once, as when the process dies. */
  destroyConnections(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  #opened(take: LinkOpened, link: Link, socket: Duplex | undefined): LinkReceiver {
    const { transport, peer } = link;
    let gone = (): void => {};
    const refuse = (): void => link.close(new ConnectError(`${transport} is blocked.`, Code.Unavailable));
    if (this.#blocks(transport, refuse, (listener) => (gone = listener)))
      return { batch() {}, drain() {}, closed: () => gone() };
    const open: OpenLink = { link, socket, client: undefined, welcomed: undefined };
    this.#links.set(peer, open);
    const receiver = take(link);
    return {
      batch: (bytes) => {
        if (open.welcomed !== undefined) this.#tell(open.welcomed);
        open.welcomed = undefined;
        receiver.batch(bytes);
      },
      heard: () => receiver.heard?.(),
      drain: () => receiver.drain(),
      closed: (error) => {
        this.#links.delete(peer);
        receiver.closed(error);
      },
    };
  }

  #cut({ link, socket, client }: OpenLink): void {
    if (client !== undefined) this.#tell({ kind: "cut", client, transport: link.transport });
    if (socket === undefined) link.close(new ConnectError("The link was cut by hand.", Code.Unavailable));
    else socket.destroy();
  }

  #connected(connection: Connection | undefined): void {
    if (connection === undefined || this.#connections.has(connection)) return;
    this.#connections.add(connection);
    connection.once("close", () => this.#connections.delete(connection));
  }

  /** True: whoever came is refused, or waits in vain. `whenGone` is given what to call if he leaves. */
  #blocks(transport: string, refuse: () => void, whenGone: (listener: () => void) => void): boolean {
    const manner = this.#blocked.get(transport);
    if (manner === undefined) return false;
    if (manner === "refuse") refuse();
    else {
      const waiting = this.#swallowed.get(transport) ?? new Set();
      this.#swallowed.set(transport, waiting.add(refuse));
      whenGone(() => waiting.delete(refuse));
    }
    return true;
  }

  /** Whoever still waits for an answer gets one. */
  #release(transport: string): void {
    for (const refuse of this.#swallowed.get(transport) ?? []) refuse();
    this.#swallowed.delete(transport);
  }
}

/** What the exchange came by, as Node knows it. */
function connectionOf(exchange: HttpExchange): Connection | undefined {
  const request = exchange.node?.request as
    | { readonly socket?: Connection; readonly stream?: { readonly session?: Connection } }
    | undefined;
  return request?.stream?.session ?? request?.socket;
}
