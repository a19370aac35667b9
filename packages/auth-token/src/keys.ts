// An issuer's keys: fetched when needed, not too often, and kept through its outages.
import type { Clock } from "@raceway/core";
import { type JWTVerifyGetKey, createRemoteJWKSet, customFetch } from "jose";

/** A fetch that takes longer has failed. */
const TIMEOUT_MS = 5_000;
/** Keys are fetched anew for a key id that is not known, but not more often than so: tokens with made-up ids cost nothing more. */
const COOLDOWN_MS = 30_000;
/** And without such a reason after so long, so that keys that the issuer took back are not taken for ever. */
const FRESH_MS = 600_000;
/** Keys that were good once are used for so long while the issuer does not answer. */
const STALE_MS = 3_600_000;
/** After a failure nobody waits for another try before so long. */
const AGAIN_MS = 1_000;

/** Fetches JSON. */
export type Ask = (url: string) => Promise<unknown>;

/** Where the keys come from. */
export interface Keys {
  readonly get: JWTVerifyGetKey;
  /** Are there keys to check with? Fetches them if need be; rejects with why there are none. Absent: there always are. */
  readonly healthy?: () => Promise<boolean>;
}
type RemoteKeySet = ReturnType<typeof createRemoteJWKSet>;

/** Keys at the place that `find` gives, asked when the first token comes. Rejects with what went wrong; a later token tries again. */
export function remoteKeys(find: (ask: Ask) => Promise<string>, clock: Clock): Keys {
  let found: { readonly set: Promise<RemoteKeySet>; failedAt: number } | undefined;
  const set = async (): Promise<RemoteKeySet> => {
    const url = new URL(await find(ask));
    const get = (signal: AbortSignal): Promise<Response> =>
      fetch(url, { headers: { accept: "application/json" }, redirect: "error", signal });
    return createRemoteJWKSet(url, {
      timeoutDuration: TIMEOUT_MS,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: FRESH_MS,
      [customFetch]: steady(get, clock),
    });
  };
  const present = (): Promise<RemoteKeySet> => {
    if (found === undefined || clock.now() - found.failedAt >= AGAIN_MS) {
      const begun = { set: set(), failedAt: Infinity };
      begun.set.catch(() => (begun.failedAt = clock.now()));
      found = begun;
    }
    return found.set;
  };
  return {
    get: async (header, token) => (await present())(header, token),
    async healthy() {
      const keys = await present();
      if (!keys.fresh) await keys.reload();
      return true;
    },
  };
}

async function ask(url: string): Promise<unknown> {
  const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

/** Answers with the last good answer while there is no better one. */
function steady(
  get: (signal: AbortSignal) => Promise<Response>,
  clock: Clock,
): (url: string, options: { signal: AbortSignal }) => Promise<Response> {
  let last: { readonly text: string; readonly at: number } | undefined;
  let failedAt = -Infinity;
  return async (_, { signal }) => {
    const now = clock.now();
    try {
      if (now - failedAt < AGAIN_MS) throw new Error("it failed a moment ago");
      const response = await get(signal);
      if (response.status !== 200) throw new Error(`status ${response.status}`);
      const text = await response.text();
      if (!Array.isArray((JSON.parse(text) as { keys?: unknown }).keys)) throw new TypeError("no key set");
      last = { text, at: clock.now() };
    } catch (error) {
      if (now - failedAt >= AGAIN_MS) failedAt = now;
      if (last === undefined || now - last.at > STALE_MS) throw error;
    }
    return new Response(last.text, { headers: { "content-type": "application/json" } });
  };
}
