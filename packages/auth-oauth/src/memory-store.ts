// Tokens in memory: gone with the page or the process, and out of reach of what reads files and storages.
import type { TokenStore, Tokens } from "./token-keeper.ts";

export function memoryStore(): TokenStore {
  let kept: Tokens | undefined;
  return {
    read: async () => kept,
    async write(tokens) {
      kept = tokens;
    },
    inTurn: turns(),
  };
}

/** Runs one after the other, in this page or process. */
export function turns(): TokenStore["inTurn"] {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const next = last.then(run);
    last = next.catch(() => {});
    return next;
  };
}
