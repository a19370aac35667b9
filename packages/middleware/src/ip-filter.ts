// From where clients may come: lists of networks, and the true address behind proxies that are trusted.
import { BlockList, isIP } from "node:net";
import { type Peer, type Plugin, clientAddress, definePlugin, fail, learn, middlewareReasons } from "@raceway/core";

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
  checkNames(options);
  const allow = options.allow && networks("allow", options.allow);
  const deny = networks("deny", options.deny ?? []);
  const trusted = networks("trustedProxies", options.trustedProxies ?? []);
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
  let address = plain(peer.address);
  if (!contains(trusted, address)) return address;
  const said = peer.header(header);
  const hops = said === undefined ? [] : header === "forwarded" ? forwardedFor(said) : said.split(",");
  for (const hop of hops.slice(-MAX_HOPS).toReversed()) {
    const next = plain(withoutPort(hop.trim()));
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

/** Read from its end, which the nearest proxy wrote: a quote that a client left open swallows nothing of what stands after it. */
function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let to = text.length;
  let quoted = false;
  for (let at = to - 1; at >= 0; at--) {
    const letter = text[at]!;
    if (letter === '"') quoted = quoted ? isEscaped(text, at) : true;
    else if (letter === separator && !quoted) {
      parts.push(text.slice(at + 1, to));
      to = at;
    }
  }
  parts.push(text.slice(0, to));
  return parts.toReversed();
}

function isEscaped(text: string, at: number): boolean {
  let from = at;
  while (text[from - 1] === "\\") from--;
  return (at - from) % 2 === 1;
}

/** "1.2.3.4:80", "[2001:db8::1]:80" and "[2001:db8::1]" without what is not the address. */
function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(hop);
  if (bracketed !== null) return bracketed[1]!;
  return /^[\d.]+:\d+$/.test(hop) ? hop.slice(0, hop.lastIndexOf(":")) : hop;
}

/** IPv4 within IPv6 (RFC 4291 section 2.5.5.2) as IPv4, and without a zone: one address, one name. */
function plain(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  const inHex = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/i.exec(address);
  if (inHex !== null) {
    const [high, low] = [Number.parseInt(inHex[1]!, 16), Number.parseInt(inHex[2]!, 16)];
    return [high >> 8, high & 255, low >> 8, low & 255].join(".");
  }
  return address.toLowerCase().replace(/%.*$/, "");
}

function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? "ipv4" : "ipv6");
}

function networks(option: string, names: readonly string[]): BlockList {
  const list = new BlockList();
  for (const name of names) {
    const [address = "", bits, ...more] = name.split("/");
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || more.length > 0 || !(prefix >= 0 && prefix <= most))
      throw fail("option_invalid", {
        part: "ip-filter",
        option,
        value: JSON.stringify(name),
        expected: `an address, or a network such as "10.0.0.0/8" or "2001:db8::/32"`,
      });
    list.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  }
  return list;
}

function checkNames(options: IpFilterOptions): void {
  const known = ["allow", "deny", "trustedProxies", "header"];
  for (const option of Object.keys(options))
    if (!known.includes(option)) throw fail("option_unknown", { part: "ip-filter", option, have: known.join(", ") });
  const values = ["x-forwarded-for", "forwarded"];
  if (options.header !== undefined && !values.includes(options.header))
    throw fail("option_invalid", {
      part: "ip-filter",
      option: "header",
      value: JSON.stringify(options.header),
      expected: `one of ${values.join(", ")}`,
    });
}
