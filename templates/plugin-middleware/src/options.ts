// The server's options: one table gives types, defaults and checks; what no table can hold is checked by hand, to the same errors.
import { type OptionsOf, type ResolvedOptions, fail, resolveOptions } from "@raceway/core";
import type { ApiKey } from "./key.ts";

const apiKeyOptions = {
  /** What `find` said of a key is taken for true for so long, so that it is not asked for each request at a native door. */
  rememberMs: { kind: "number", default: 10_000, min: 0, max: 3_600_000, unit: "ms" },
  /** A session has to show its key again after so long: one that was taken back is out by then. */
  askAgainMs: { kind: "number", default: 3_600_000, min: 1_000, max: 86_400_000, unit: "ms" },
} as const;

/** Finds a key in your database, by the SHA-256 of what was shown, in hex: then nobody who reads the database can use a key. Undefined: there is none. */
export type FindKey = (digest: string) => ApiKey | undefined | Promise<ApiKey | undefined>;

export type ApiKeyOptions = OptionsOf<typeof apiKeyOptions> & { readonly find: FindKey };
export type ResolvedApiKeyOptions = ResolvedOptions<typeof apiKeyOptions> & { readonly find: FindKey };

/** Throws `option_invalid` or `option_unknown`, on the line of whoever wrote them. */
export function resolveApiKeyOptions({ find, ...rest }: ApiKeyOptions): ResolvedApiKeyOptions {
  const options = resolveOptions("api-key", apiKeyOptions, rest);
  if (typeof find !== "function")
    throw fail("option_invalid", { part: "api-key", option: "find", value: String(find), expected: "a function" });
  return { ...options, find };
}
