// Discovery by DNS SRV records (RFC 2782): priorities are tried in order, within one the weights decide by lot.
import { Resolver } from "node:dns/promises";
import type { Random } from "@raceway/core";
import type { Endpoints } from "./endpoints.ts";
import { refreshing } from "./refreshing.ts";

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}
export interface DiscoverSrvOptions {
  /** Default 30,000. */
  readonly everyMs?: number;
  /** Default "https". */
  readonly scheme?: "http" | "https";
  /** Who asks the name servers; default: a Resolver of node:dns/promises. */
  readonly resolver?: { resolveSrv(name: string): Promise<readonly SrvRecord[]> };
}

/** More are left out. */
const MAX_RECORDS = 64;

/** Servers of a name such as "_raceway._tcp.example.com". While the name servers do not answer, the last records stay. */
export function discoverSrv(name: string, options: DiscoverSrvOptions = {}): Endpoints {
  const { scheme = "https", everyMs = 30_000, resolver = new Resolver() } = options;
  return {
    start(host) {
      const found = refreshing(host, name, everyMs, async () => {
        const records = (await resolver.resolveSrv(name)).filter((record) => record.name !== "" && record.name !== ".");
        if (records.length === 0) throw new Error("there is no such service");
        return records.toSorted((a, b) => a.priority - b.priority).slice(0, MAX_RECORDS);
      });
      const urls = (records: readonly SrvRecord[]): string[] => [
        ...new Set(
          inOrder(records, host.random).map(({ name: at, port }) => `${scheme}://${at.replace(/\.$/, "")}:${port}`),
        ),
      ];
      return {
        list() {
          const { known } = found;
          return "then" in known ? known.then(urls) : urls(known);
        },
        [Symbol.dispose]: () => found[Symbol.dispose](),
      };
    },
  };
}

/** Draws an order anew for each attempt, as the RFC has it. The records come sorted by priority. */
function inOrder(records: readonly SrvRecord[], random: Random): readonly SrvRecord[] {
  const ordered: SrvRecord[] = [];
  for (const group of Map.groupBy(records, ({ priority }) => priority).values()) {
    // Those of no weight first, so that they are taken when the lot is 0, which is seldom.
    const left = group.toSorted((a, b) => Math.sign(a.weight) - Math.sign(b.weight));
    while (left.length > 0) {
      const lot = Math.floor(random.next() * (left.reduce((sum, { weight }) => sum + weight, 0) + 1));
      let sum = 0;
      const at = left.findIndex(({ weight }) => (sum += weight) >= lot);
      ordered.push(...left.splice(at, 1));
    }
  }
  return ordered;
}
