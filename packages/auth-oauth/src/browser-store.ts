// Tokens that all tabs of an origin share, in IndexedDB: they stay over reloads, and a refresh token is used by one tab at a time.
// Not in localStorage: what one tab has written there another may read late, and a Web Lock does not change that (decision 0015).
import { type UseStore, createStore, del, get, set } from "idb-keyval";
import { turns } from "./memory-store.ts";
import type { TokenStore, Tokens } from "./token-keeper.ts";

/** `name` is that of the database, and of the lock. */
export function browserStore(name: string): TokenStore {
  const inThisTab = turns();
  let opened: UseStore | undefined;
  const store = (): UseStore => (opened ??= createStore(name, "tokens"));
  return {
    async read() {
      const tokens = await get<Tokens>("tokens", store());
      // What another version has written is nothing.
      return typeof tokens?.access === "string" && typeof tokens.askedAt === "number" ? tokens : undefined;
    },
    write: (tokens) => (tokens === undefined ? del("tokens", store()) : set("tokens", tokens, store())),
    inTurn: (run) => inThisTab(() => navigator.locks.request(name, run)),
  };
}
