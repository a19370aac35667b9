// The server half: admits who shows a good key, and holds calls, subscriptions and publications to what the key is for.
import { createHash } from "node:crypto";
import { type ChannelInfo, type Plugin, definePlugin, fail, learn, middlewareReasons, principal } from "@raceway/core";
import { type ApiKey, usedKey } from "./key.ts";
import { type ApiKeyOptions, resolveApiKeyOptions } from "./options.ts";

export { type ApiKey, usedKey } from "./key.ts";
export type { ApiKeyOptions, FindKey } from "./options.ts";

learn(middlewareReasons); // the reasons of the errors below

/** Longer texts are no keys, and are not looked up. */
const MAX_KEY = 1_024;

/** Admits who shows a good API key, and provides the principal. Refuses with `credential_missing`, `credential_invalid` and `permission_denied`. */
export function apiKey(given: ApiKeyOptions): Plugin {
  const options = resolveApiKeyOptions(given); // configured: once, on the user's line
  return definePlugin({
    name: "api-key",
    provides: [principal, usedKey], // whoever requires one of these runs after this
    start({ clock }) {
      // Started: once per server. All state lives here, for one plugin may be in several servers.
      const found = new Map<string, { readonly key: ApiKey; readonly until: number }>();

      const find = async (digest: string): Promise<ApiKey | undefined> => {
        const known = found.get(digest);
        if (known !== undefined && clock.now() < known.until) return known.key;
        const key = await options.find(digest);
        // Only what was found is kept: there are no more entries than keys, however many wrong ones come.
        if (key === undefined) found.delete(digest);
        else found.set(digest, { key, until: clock.now() + options.rememberMs });
        return key;
      };

      return {
        // Used, by whoever comes in: a session that opens, resumes, moves to another transport or shows a fresh credential; each request at a native door.
        async session(opening) {
          const shown = opening.credential?.replace(/^bearer /i, "").trim() ?? "";
          if (shown === "") throw fail("credential_missing", { scheme: "an API key" });
          const key = shown.length > MAX_KEY ? undefined : await find(digestOf(shown));
          if (key === undefined) throw fail("credential_invalid", { detail: "there is no such API key" });
          opening.context.set(principal, { id: key.owner, method: "api-key" });
          opening.context.set(usedKey, key);
          opening.expiresIn(options.askAgainMs);
        },

        // Asked once per channel, at start. What it gives is called once per call; a channel that gets nothing pays nothing.
        call(channel) {
          if (!changesSomething(channel)) return undefined;
          return (next) =>
            async function apiKey(request) {
              if (!request.contextValues.get(usedKey).mayWrite) throw forReadingOnly(channel.path);
              return next(request);
            };
        },

        // Asked once per topic. Its subscriptions pass no interceptor, and handlers of all channels may publish to it.
        topic: ({ path }) => ({
          // Asked again when the session comes over another link, and when it shows a fresh credential: who may have changed.
          subscribe({ address, context }) {
            const { topics } = context.get(usedKey);
            if (topics !== undefined && !topics.some((begin) => address.startsWith(begin)))
              throw fail("permission_denied", { path, why: `the API key is not for topic ${address}` });
          },
          // The context of the call that publishes, if its handler passed it on; without, it is the server's own word.
          publish({ context }) {
            if (context !== undefined && !context.get(usedKey).mayWrite) throw forReadingOnly(path);
          },
        }),
      };
    },
  });
}

/** The schema says so of calls; who subscribes, or reads a feed, only reads. */
function changesSomething({ contract }: ChannelInfo): boolean {
  return contract.idempotency !== "no-side-effects" && contract.kind !== "feed" && contract.kind !== "topic";
}

function forReadingOnly(path: string): Error {
  return fail("permission_denied", { path, why: "the API key is for reading only" });
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
