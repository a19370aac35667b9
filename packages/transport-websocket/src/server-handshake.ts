// The opening handshake (RFC 6455, section 4.2): is this request a WebSocket of ours, and the answer that makes it one.
import { hash } from "node:crypto";
import type { Peer, PeerCertificate } from "@raceway/core";
import { SUBPROTOCOL } from "./protocol.ts";

/** What the handshake needs of Node's IncomingMessage. */
export interface UpgradeRequest {
  readonly method?: string;
  readonly rawHeaders: readonly string[];
}

export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** Base64 of sixteen bytes. */
const keyForm = /^[+/0-9A-Za-z]{22}==$/;
/** What the accept key is made with, for all servers (section 1.3). */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Why this request cannot become a link; undefined if it can. The origin is the caller's affair. */
export function refusal(method: string | undefined, peer: Peer): Refusal | undefined {
  if (method !== "GET") return { status: 405, message: "A WebSocket is opened with GET." };
  if (peer.header("upgrade")?.toLowerCase() !== "websocket")
    return { status: 400, message: "The Upgrade header is not websocket." };
  if (!keyForm.test(peer.header("sec-websocket-key") ?? ""))
    return { status: 400, message: "The Sec-WebSocket-Key header is missing or invalid." };
  if (peer.header("sec-websocket-version") !== "13")
    return { status: 426, message: "The Sec-WebSocket-Version must be 13." };
  const offered = peer.header("sec-websocket-protocol") ?? "";
  if (!offered.split(",").some((name) => name.trim() === SUBPROTOCOL))
    return { status: 400, message: `The subprotocol must be ${SUBPROTOCOL}.` };
  return undefined;
}

/** The response that switches protocols, up to and with the empty line. */
export function acceptance(peer: Peer): string {
  const accept = hash("sha1", `${peer.header("sec-websocket-key") ?? ""}${GUID}`, "base64");
  return [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${accept}`,
    `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
    "\r\n",
  ].join("\r\n");
}

/**
 * The peer without its request: a link may live for days, and the request's objects take more memory than all of the link.
 * Keeps the headers as they came, but for those of the handshake itself.
 */
export class UpgradePeer implements Peer {
  readonly address: string;
  readonly secure: boolean;
  readonly certificate: PeerCertificate | undefined;
  /** Name, value, name, value. */
  readonly #headers: readonly string[];

  constructor(peer: Peer, rawHeaders: readonly string[]) {
    this.address = peer.address;
    this.secure = peer.secure;
    this.certificate = peer.certificate;
    const kept: string[] = [];
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      const name = rawHeaders[at]!;
      if (!/^(?:connection|upgrade|sec-websocket-.*)$/i.test(name)) kept.push(name, rawHeaders[at + 1]!);
    }
    this.#headers = kept.slice(); // without the room in which it grew
  }

  header(name: string): string | undefined {
    const headers = this.#headers;
    let found: string | undefined;
    for (let at = 0; at < headers.length; at += 2) {
      if (headers[at]!.toLowerCase() !== name) continue;
      // As Node joins them: a repeated Cookie is one list, of anything else too.
      found = found === undefined ? headers[at + 1]! : `${found}${name === "cookie" ? "; " : ", "}${headers[at + 1]!}`;
    }
    return found;
  }
}
