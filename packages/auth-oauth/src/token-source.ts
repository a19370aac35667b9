// The plugin that shows access tokens, whichever way they are got.
import { type Plugin, definePlugin } from "@raceway/core";
import type { SharedWorld } from "./world.ts";

/** The plugin, and the token itself. */
export interface TokenSource extends Plugin {
  /** An access token that is good now, for a native door or another service. Rejects with the reasons that a connection would get. */
  token(): Promise<string>;
}

/** `get` gives a token other than `besides`, "" for none. One plugin may be used by many connections. */
export function tokenSource(name: string, world: SharedWorld, get: (besides?: string) => Promise<string>): TokenSource {
  const plugin = definePlugin({
    name,
    start(host) {
      world.adopt(host);
      /** By this connection. What others showed may be fresh for it. */
      let shown: string | undefined;
      return {
        async introduce(introduction) {
          const another = introduction.kind === "refresh" || introduction.refused !== undefined;
          shown = await get(another ? shown : undefined);
          introduction.credential = shown;
        },
      };
    },
  });
  return { ...plugin, token: () => get() };
}
