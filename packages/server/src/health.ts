// `GET /raceway/health`: may new sessions come? For load balancers, and for clients that choose among servers.
import type { HttpExchange } from "@raceway/core";

const headers = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "access-control-allow-origin": "*", // it says nothing that is not said to anybody
};
const bodyOf = (status: string): Uint8Array => new TextEncoder().encode(`{"status":"${status}"}\n`);
const serving = bodyOf("serving");
const draining = bodyOf("draining");

/** 200 while new sessions are welcome, 503 while the server drains. */
export function serveHealth(welcome: () => boolean): (exchange: HttpExchange) => void {
  return (exchange) => {
    if (exchange.method !== "GET" && exchange.method !== "HEAD") return exchange.reply(405, { allow: "GET, HEAD" });
    const [status, body] = welcome() ? ([200, serving] as const) : ([503, draining] as const);
    exchange.reply(status, headers, exchange.method === "HEAD" ? undefined : body);
  };
}
