// Policies: in which order the servers of a list are tried. Each wraps a list, a discovery, or another policy; what a page does not use it does not download.
import type { Random } from "@raceway/core";
import { type EndpointSource, type Endpoints, type StartedEndpoints, endpointsOf } from "./endpoints.ts";

/** The source's list in another order. */
export function arranged(
  inner: StartedEndpoints,
  order: (urls: readonly string[]) => readonly string[],
): StartedEndpoints & Disposable {
  return {
    list() {
      const urls = inner.list();
      return "then" in urls ? urls.then(order) : order(urls);
    },
    roundTrip: (url, ms) => inner.roundTrip?.(url, ms),
    [Symbol.dispose]: () => inner[Symbol.dispose]?.(),
  };
}

/** Each new session on the next server. The first is drawn by lot, so that many clients spread. */
export function roundRobin(source: EndpointSource): Endpoints {
  return {
    start(host) {
      let turn = Math.floor(host.random.next() * 65_536);
      return arranged(endpointsOf(source).start(host), (urls) => {
        const at = turn++ % Math.max(1, urls.length);
        return [...urls.slice(at), ...urls.slice(0, at)];
      });
    },
  };
}

export interface LeastLatencyOptions {
  /** Share of new sessions that try any server, to learn whether another has become faster; default 0.05. */
  readonly explore?: number;
}

/** Weight of the newest round trip in the average. */
const NEWEST = 0.3;

/** New sessions on the server whose round trips were shortest, on average, the newest counting most. What was never measured is tried first. */
export function leastLatency(source: EndpointSource, options: LeastLatencyOptions = {}): Endpoints {
  const { explore = 0.05 } = options;
  return {
    start(host) {
      const averages = new Map<string, number>();
      const inner = endpointsOf(source).start(host);
      return {
        ...arranged(inner, (urls) => {
          const sorted = urls.toSorted((a, b) => (averages.get(a) ?? -1) - (averages.get(b) ?? -1));
          return host.random.next() < explore ? drawn(sorted, host.random) : sorted;
        }),
        roundTrip(url, ms) {
          const average = averages.get(url);
          averages.set(url, average === undefined ? ms : average + (ms - average) * NEWEST);
          inner.roundTrip?.(url, ms);
        },
      };
    },
  };
}

function drawn(urls: readonly string[], random: Random): readonly string[] {
  const first = urls[Math.floor(random.next() * urls.length)];
  return first === undefined ? urls : [first, ...urls.filter((url) => url !== first)];
}

/**
 * All clients with the same key on the same server, as long as it is there; when one goes, only its own clients move (highest random weight). For
 * servers that keep something of a room, a tenant or a document in memory.
 */
export function rendezvous(source: EndpointSource, { key }: { readonly key: string }): Endpoints {
  return {
    start: (host) =>
      arranged(endpointsOf(source).start(host), (urls) => {
        const scored = urls.map((url) => ({ url, score: hash(`${key} ${url}`) }));
        return scored.sort((a, b) => b.score - a.score || (a.url < b.url ? -1 : 1)).map(({ url }) => url);
      }),
  };
}

/** FNV-1a over UTF-16 units, then MurmurHash3's last mix: FNV alone hardly tells URLs apart that differ at their end. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
