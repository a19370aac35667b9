// Health over HTTP, for orchestrators, load balancers, and clients that choose among servers: does the process live, and may new sessions come?
import type { HttpExchange } from "@raceway/core";
import type { Readiness, ReadinessProbe } from "./readiness.ts";

const headers = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "access-control-allow-origin": "*", // it says nothing that is not said to anybody
};

type Answer = (exchange: HttpExchange) => void;

/** 200 while the process answers at all, whatever else is the matter: what is not alive is to be started anew. */
export const serveLiveness: Answer = answering((exchange) => reply(exchange, 200, { status: "alive" }));

/** 200 while new sessions and calls may come; else 503, and why: `draining`, or `unready` with the names of what fails. */
export function serveReadiness(probe: ReadinessProbe): Answer {
  return answering((exchange) => {
    void probe.now().then((readiness) => reply(exchange, readiness.status === "serving" ? 200 : 503, shown(readiness)));
  });
}

/** No reasons: they are in the log, for they may tell of what is not for everybody. */
function shown({ status, failing }: Readiness): object {
  return failing.length === 0 ? { status } : { status, failing };
}

function answering(answer: Answer): Answer {
  return (exchange) => {
    if (exchange.method === "GET" || exchange.method === "HEAD") answer(exchange);
    else exchange.reply(405, { allow: "GET, HEAD" });
  };
}

function reply(exchange: HttpExchange, status: number, body: object): void {
  if (exchange.closed.aborted) return;
  const bytes = new TextEncoder().encode(`${JSON.stringify(body)}\n`);
  exchange.reply(status, headers, exchange.method === "HEAD" ? undefined : bytes);
}
