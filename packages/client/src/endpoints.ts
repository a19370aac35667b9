// Where a connection may go: the contract of lists, policies and discoveries, which are stacked on each other.
import { fail, type Host } from "@raceway/core";

/** Base URLs of servers that serve the same, best first. Made by `roundRobin`, `leastLatency`, `rendezvous`, `discoverUrl` and others, or your own. */
export interface Endpoints {
  /** Called once per connection; all state lives in what it returns. */
  start(host: Host): StartedEndpoints;
}
export interface StartedEndpoints extends Partial<Disposable> {
  /**
   * Asked before each attempt at a new session. A promise only while nothing is known yet; if it rejects, the connection tries again later.
   * URLs that failed lately are put last by the connection itself.
   */
  list(): readonly string[] | Promise<readonly string[]>;
  /** A round trip was measured. */
  roundTrip?(url: string, ms: number): void;
}

/** What policies take: plain URLs, or what another policy or a discovery gives. */
export type EndpointSource = string | URL | readonly (string | URL)[] | Endpoints;

/** A plain list is its own policy: the first that works. */
export function endpointsOf(source: EndpointSource): Endpoints {
  if (typeof source === "object" && "start" in source) return source;
  const urls = (Array.isArray(source) ? source : [source]).map(absolute);
  return { start: () => ({ list: () => urls }) };
}

/** Without its last slashes. "localhost:8080" would be looked for in vain: to a URL it is a scheme and a path. */
function absolute(given: string | URL): string {
  const value = String(given).replace(/\/+$/, "");
  if (!value.includes("://"))
    throw fail("option_invalid", { part: "connect", option: "url", value, expected: "as https://example.com" });
  return value;
}

/** Endpoints that a server or a discovery may name; more are left out. */
const MAX_NAMED = 64;
const MAX_URL_LENGTH = 2_048;

/** What somebody else said to be endpoints: absolute URLs that a client of `secure` pages may use, each once, bounded in number. */
export function namedUrls(named: readonly unknown[], secure: boolean): string[] {
  const urls = new Set<string>();
  for (const each of named) {
    if (urls.size >= MAX_NAMED) break;
    if (typeof each !== "string" || each.length > MAX_URL_LENGTH || !URL.canParse(each)) continue;
    const { protocol, username, password } = new URL(each);
    if (username !== "" || password !== "") continue;
    if (protocol === "https:" || (protocol === "http:" && !secure)) urls.add(each.replace(/\/+$/, ""));
  }
  return [...urls];
}
