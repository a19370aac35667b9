// From where clients may come: lists of networks, and the true address behind proxies that are trusted.
import { type BlockList, isIP } from "node:net";
import {
  type Peer,
  type Plugin,
  checkOptionNames,
  clientAddress,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
} from "@raceway/core";
import { contains, networksOf, plainAddress } from "./networks.ts";
import { splitOutsideQuotes } from "./quoted-list.ts";

learn(middlewareReasons);

export interface IpFilterOptions {
  /** Networks such as "10.0.0.0/8", "2001:db8::/32" or single addresses from which clients may come. Default: all. */
  readonly allow?: readonly string[];
  /** Networks from which they may not; wins over `allow`. Default: none. */
  readonly deny?: readonly string[];
  /** Networks of the proxies in front of the server, whose word on where a request came from is believed. Default: none, so that nobody's is. */
  readonly trustedProxies?: readonly string[];
  /** Which header they write. Default "x-forwarded-for"; "forwarded" is RFC 7239. Only the one named is read: a proxy passes the other one through. */
  readonly header?: "x-forwarded-for" | "forwarded";
}

/** Hops that are followed back through trusted proxies. */
const MAX_HOPS = 20;

/** Admits by address, and provides `clientAddress`, which rate limits count by. Refuses with `address_refused`. */
export function ipFilter(options: IpFilterOptions = {}): Plugin {
  checkOptions(options);
  const allow = options.allow && networksOf("ip-filter", "allow", options.allow);
  const deny = networksOf("ip-filter", "deny", options.deny ?? []);
  const trusted = networksOf("ip-filter", "trustedProxies", options.trustedProxies ?? []);
  const { header = "x-forwarded-for" } = options;
  return definePlugin({
    name: "ip-filter",
    provides: [clientAddress],
    start: () => ({
      session({ peer, context }) {
        const address = addressBehind(peer, trusted, header);
        context.set(clientAddress, address);
        if (contains(deny, address) || (allow !== undefined && !contains(allow, address)))
          throw fail("address_refused", { address: address === "" ? "without an address" : address });
      },
    }),
  });
}

/** The nearest address that is not a trusted proxy's. What stands before it in the header anybody may have written. */
function addressBehind(peer: Peer, trusted: BlockList, header: "x-forwarded-for" | "forwarded"): string {
  let address = plainAddress(peer.address);
  if (!contains(trusted, address)) return address;
  const said = peer.header(header);
  const hops = said === undefined ? [] : header === "forwarded" ? forwardedFor(said) : said.split(",");
  for (const hop of hops.slice(-MAX_HOPS).toReversed()) {
    const next = plainAddress(withoutPort(hop.trim()));
    if (isIP(next) === 0) return address; // "unknown", a name, or nonsense: the proxy is as far as we can see
    address = next;
    if (!contains(trusted, address)) return address;
  }
  return address;
}

/** The `for` parts of a Forwarded header, RFC 7239 section 4, in order; "" for an element without. */
function forwardedFor(value: string): string[] {
  return splitOutsideQuotes(value, ",").map((element) => {
    for (const pair of splitOutsideQuotes(element, ";")) {
      const match = /^\s*for\s*=\s*("(?:[^"\\]|\\.)*"|[^\s]*)\s*$/i.exec(pair);
      if (match !== null) return match[1]!.replace(/^"|"$/g, "").replace(/\\(.)/g, "$1");
    }
    return "";
  });
}

/** "1.2.3.4:80", "[2001:db8::1]:80" and "[2001:db8::1]" without what is not the address. */
function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(hop);
  if (bracketed !== null) return bracketed[1]!;
  return /^[\d.]+:\d+$/.test(hop) ? hop.slice(0, hop.lastIndexOf(":")) : hop;
}

function checkOptions(options: IpFilterOptions): void {
  checkOptionNames("ip-filter", options, ["allow", "deny", "trustedProxies", "header"]);
  const values = ["x-forwarded-for", "forwarded"];
  if (options.header !== undefined && !values.includes(options.header))
    throw fail("option_invalid", {
      part: "ip-filter",
      option: "header",
      value: JSON.stringify(options.header),
      expected: `one of ${values.join(", ")}`,
    });
}
