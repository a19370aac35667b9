// Who is counted together, by what is known of a caller.
import type { ContextValues } from "@connectrpc/connect";
import { clientAddress, networkOf, peer, principal } from "@raceway/core";

/** "principal ann", or "address 192.0.2.1". Those who are nobody are counted by address. */
export function whoOf(scope: "principal" | "address", context: ContextValues): string {
  const { id } = context.get(principal);
  return scope === "principal" && id !== "" ? `principal ${id}` : `address ${addressOf(context)}`;
}

/** Behind proxies that are trusted; IPv6 by its first 64 bits. */
export function addressOf(context: ContextValues): string {
  return networkOf(context.get(clientAddress) || context.get(peer).address);
}
