// The plugin that shows access tokens, whichever way they are got.
import { type Plugin, definePlugin, systemClock, systemRandom } from "@raceway/core";
import type { World } from "./token-keeper.ts";

/** The plugin, and the token itself. */
export interface TokenSource extends Plugin {
  /** An access token that is good now, for a native door or another service. Rejects with the reasons that a connection would get. */
  token(): Promise<string>;
}

/** `get` gives a token other than `besides`, "" for none. One plugin may be used by many connections. */
export function tokenSource(name: string, get: (world: World, besides?: string) => Promise<string>): TokenSource {
  /** The first host's, for all: times of different clocks do not compare. */
  let world: World | undefined;
  const plugin = definePlugin({
    name,
    start(host) {
      world ??= host;
      const used = world;
      /** By this connection. What others showed may be fresh for it. */
      let shown: string | undefined;
      return {
        async introduce(introduction) {
          const another = introduction.kind === "refresh" || introduction.refused !== undefined;
          shown = await get(used, another ? shown : undefined);
          introduction.credential = shown;
        },
      };
    },
  });
  return { ...plugin, token: () => get(world ?? { clock: systemClock(), random: systemRandom }) };
}
