// Lists of networks, and whether an address is in one.
import { BlockList, isIP } from "node:net";
import { fail } from "@raceway/core";

/** IPv4 within IPv6 (RFC 4291 section 2.5.5.2) as IPv4, and without a zone: one address, one name. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  const inHex = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/i.exec(address);
  if (inHex !== null) {
    const [high, low] = [Number.parseInt(inHex[1]!, 16), Number.parseInt(inHex[2]!, 16)];
    return [high >> 8, high & 255, low >> 8, low & 255].join(".");
  }
  return address.toLowerCase().replace(/%.*$/, "");
}

export function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? "ipv4" : "ipv6");
}

/** Throws `option_invalid`, naming the part and its option. */
export function networksOf(part: string, option: string, names: readonly string[]): BlockList {
  const list = new BlockList();
  for (const name of names) {
    const [address = "", bits, ...more] = name.split("/");
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || more.length > 0 || !(prefix >= 0 && prefix <= most))
      throw fail("option_invalid", {
        part,
        option,
        value: JSON.stringify(name),
        expected: `an address, or a network such as "10.0.0.0/8" or "2001:db8::/32"`,
      });
    list.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  }
  return list;
}
