// The client half of the WebSocket transport: over the WebSocket of browsers and of Node.
import {
  type ClientTransport,
  CONTRACT,
  type Endpoint,
  fail,
  type Host,
  type LinkOpened,
  type LinkTraits,
  type Peer,
  resolveOptions,
} from "@raceway/core";
import { ClientLink } from "./client-link.ts";
import { platformSocket, type SocketClose, type SocketConstructor } from "./client-socket.ts";
import { websocketOptions, type WebsocketOptions } from "./options.ts";
import { linkTraits, SUBPROTOCOL, TRANSPORT } from "./protocol.ts";

export type { SocketConstructor, SocketLike } from "./client-socket.ts";
export type { WebsocketOptions } from "./options.ts";

export interface WebsocketClientOptions extends WebsocketOptions {
  /** The class to use in place of the global `WebSocket`; that of the `ws` package, say, with which `pause` reaches the server. */
  readonly WebSocket?: SocketConstructor | undefined;
}

export function websocket(given: WebsocketClientOptions = {}): ClientTransport {
  const { WebSocket: injected, ...rest } = given;
  const options = resolveOptions(TRANSPORT, websocketOptions, rest);
  const traits = linkTraits(options.maxBatchBytes);
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits,
    supports: (endpoint) => (injected ?? platformSocket()) !== undefined && /^https?:/.test(endpoint.url),
    start: (host) => ({
      open: (endpoint, opened, signal) =>
        openLink(injected ?? platformSocket(), host, traits, endpoint, opened, signal),
    }),
  };
}

function openLink(
  Socket: SocketConstructor | undefined,
  host: Host,
  traits: LinkTraits,
  endpoint: Endpoint,
  opened: LinkOpened,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (detail: string): void => reject(fail("transport_failed", { transport: TRANSPORT, detail }));
    if (signal.aborted) return failed("the attempt was called off");
    if (Socket === undefined) return failed("this platform has no WebSocket");
    let socket;
    try {
      socket = new Socket(`${endpoint.url.replace(/^http/, "ws")}${endpoint.path}/${TRANSPORT}`, [SUBPROTOCOL]);
    } catch {
      return failed("the endpoint's URL is not one of a WebSocket, or this page may not open it");
    }
    socket.binaryType = "arraybuffer";
    const callOff = (): void => {
      socket.close(); // while it connects: ends the attempt
      failed("the attempt was called off");
    };
    signal.addEventListener("abort", callOff, { once: true });
    socket.onerror = () => {}; // says nothing that `onclose` does not; `ws` throws where nobody listens
    // Platforms hide from pages why it failed: a server's answer, a proxy and a dead network look the same.
    socket.onclose = (event: SocketClose) => {
      signal.removeEventListener("abort", callOff);
      failed(`the handshake did not succeed (code ${event.code})`);
    };
    socket.onopen = () => {
      signal.removeEventListener("abort", callOff);
      if (signal.aborted) return; // called off between the handshake and this event; `close` is under way
      if (socket.protocol !== SUBPROTOCOL) {
        socket.close();
        return failed(`the server did not confirm the subprotocol ${SUBPROTOCOL}`);
      }
      new ClientLink(socket, traits, peerOf(endpoint), host.clock).open(opened);
      resolve();
    };
  });
}

function peerOf(endpoint: Endpoint): Peer {
  const { hostname, protocol } = new URL(endpoint.url);
  return { address: hostname, secure: protocol === "https:", header: () => undefined };
}
