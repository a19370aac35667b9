// Who a client of a test is: the server is told on the way, past all that would prove it.
import { definePlugin, type Peer, type Plugin, principal, type Principal } from "@raceway/core";

const known = new WeakMap<Peer["header"], Principal>();

export interface Visitor {
  /** Who it is to be for the server, without a credential; leave authentication out of `use` then. Default: whatever the plugins find out. */
  readonly as?: Principal;
  /** Its network address, as filters and limits see it; default "127.0.0.1". */
  readonly address?: string;
  /** Headers of the request that opens a link, such as a cookie; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

export function peerOf({ as, address = "127.0.0.1", headers = {} }: Visitor): Peer {
  const header = (name: string): string | undefined => (Object.hasOwn(headers, name) ? headers[name] : undefined);
  if (as !== undefined) known.set(header, as);
  return { address, secure: true, header };
}

/** The server's half: provides the principal that a client of the test was given. */
export function testIdentity(): Plugin {
  return definePlugin({
    name: "test-identity",
    provides: [principal],
    start: () => ({
      session({ peer, context }) {
        const as = known.get(peer.header);
        if (as !== undefined) context.set(principal, as);
      },
    }),
  });
}
