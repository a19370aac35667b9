// A request to one of the application's own routes, whatever server it runs on, with the same facts as the peer of a link.
import type { Peer } from "@raceway/core";

/** Node's `IncomingMessage`, those of Express and Fastify, or a web-standard `Request`: what is used of them. */
export interface RouteRequest {
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Of a `Request`: it says the host, which is in no header there. */
  readonly url?: string | undefined;
  readonly socket?: object | undefined;
}

export function peerOf({ headers, url, socket }: RouteRequest): Peer {
  if (headers instanceof Headers) {
    const asked = URL.parse(url ?? "");
    return {
      address: "",
      secure: asked?.protocol === "https:",
      header: (name) =>
        name.startsWith(":") ? undefined : (headers.get(name) ?? (name === "host" ? asked?.host : undefined)),
    };
  }
  return {
    address: "",
    secure: socket !== undefined && "encrypted" in socket && socket.encrypted === true,
    header(name) {
      const value = headers[name];
      return typeof value === "object" ? value.join(name === "cookie" ? "; " : ", ") : value;
    },
  };
}
