// Finds who answers a request: a transport by its path, or one of the fallbacks.
import type { HttpExchange, HttpUpgrade, TransportRoutes } from "@raceway/core";
import { refusal } from "./http-refusal.ts";

/** All that a server answers to, whatever listens. */
export interface HttpHandler {
  /** Answers the exchange, now or later. Never throws. */
  request(exchange: HttpExchange): void;
  /** Takes the socket over, or refuses. Never throws. */
  upgrade(upgrade: HttpUpgrade): void;
}

/** A transport's routes and the path under which they answer, for example "/raceway/poll". */
export interface Mount {
  readonly path: string;
  readonly routes: TransportRoutes;
}

export interface HttpRouterOptions {
  /** Who answers at exactly these paths, for example "/.well-known/raceway". */
  readonly exact?: Readonly<Record<string, (exchange: HttpExchange) => void>>;
  /** Told what a handler threw; the client learns only that there was an error. */
  readonly failed?: (error: unknown) => void;
}

/** Makes one handler of all mounts. What none of them claims is offered to the transports' native doors, in order of the mounts. */
export function httpRouter(mounts: readonly Mount[], options: HttpRouterOptions = {}): HttpHandler {
  const exact = new Map(Object.entries(options.exact ?? {}));
  const longestFirst = [...mounts].sort((a, b) => b.path.length - a.path.length);
  const native = mounts.filter(({ routes }) => routes.native !== undefined);
  const find = (path: string): Mount | undefined => {
    for (const mount of longestFirst) if (isUnder(path, mount.path)) return mount;
    return undefined;
  };
  const answer = (exchange: HttpExchange): void => {
    const { path } = exchange;
    const mount = find(path);
    if (mount?.routes.request !== undefined) return mount.routes.request(exchange);
    if (mount?.routes.upgrade !== undefined) {
      return refuse(exchange, 426, `${mount.path} takes WebSocket upgrades only.`, {
        upgrade: "websocket",
        connection: "upgrade",
      });
    }
    const at = exact.get(path);
    if (at !== undefined) return at(exchange);
    if (isPlainPath(path)) for (const { routes } of native) if (routes.native!(exchange)) return;
    refuse(exchange, 404, native.length === 0 && isCallPath(path) ? NO_DOOR : NOTHING_HERE);
  };
  return {
    request(exchange) {
      try {
        answer(exchange);
      } catch (error) {
        options.failed?.(error);
        refuse(exchange, 500, FAILED);
      }
    },
    upgrade(upgrade) {
      try {
        const mount = find(upgrade.path);
        if (mount?.routes.upgrade !== undefined) mount.routes.upgrade(upgrade);
        else if (mount === undefined) upgrade.refuse(404, NOTHING_HERE);
        else upgrade.refuse(405, `${mount.path} takes no upgrades.`);
      } catch (error) {
        options.failed?.(error);
        upgrade.refuse(500, FAILED);
      }
    },
  };
}
const NOTHING_HERE = "There is nothing at this path. Check it, and that the server has this transport.";
const NO_DOOR =
  "This server takes calls by its sessions only. For calls by gRPC, Connect or curl give it the transport grpc().";
const FAILED = "The server failed. Its log has the cause.";

/** As "/chat.v1.RoomService/Say". */
function isCallPath(path: string): boolean {
  return /^\/\w+(?:\.\w+)+\/\w+$/.test(path);
}

/** Is the path this one, or below it by whole segments? Never for a path with tricks in it. */
export function isUnder(path: string, prefix: string): boolean {
  if (path === prefix) return true;
  const end = prefix.endsWith("/") ? prefix.length - 1 : prefix.length;
  return path.charCodeAt(end) === 47 && path.startsWith(prefix) && isPlainPath(path);
}

/**
 * Segments of unreserved characters only, none of them empty, "." or "..". What else may come, `%2f`, `%00`, a backslash, is either a trick or
 * not for us: no path of ours needs to be escaped.
 */
export function isPlainPath(path: string): boolean {
  return /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)*\/?$/.test(path) && path.charCodeAt(0) === 47;
}

/** Answers with a status and a sentence, as people and clients of Connect read it. */
export function refuse(
  exchange: HttpExchange,
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  exchange.reply(
    status,
    { "content-type": "application/json", "cache-control": "no-store", ...headers },
    refusal(status, message),
  );
}
