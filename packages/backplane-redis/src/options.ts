// Options of the Redis store: type, range and default from one place.
import { type OptionsOf, type ResolvedOptions, fail, resolveOptions } from "@raceway/core";

export const redisStoreTable = {
  /** "redis://user:password@host:port/number", or "rediss://" for TLS. */
  url: { kind: "text", default: "" },
  /** What all keys begin with, and a colon, so that applications may share a server. */
  prefix: { kind: "text", default: "raceway" },
  /** How long the server may take to answer, and to be connected to when the app starts. */
  timeoutMs: { kind: "number", default: 2_000, min: 10, max: 60_000, unit: "ms" },
} as const;

export type RedisStoreOptions = OptionsOf<typeof redisStoreTable> & { readonly url: string };
export type ResolvedRedisStore = ResolvedOptions<typeof redisStoreTable>;

/** Throws `option_invalid`. The URL may hold a password, so it is not shown. */
export function resolveRedisStore(given: RedisStoreOptions): ResolvedRedisStore {
  const options = resolveOptions("redis-store", redisStoreTable, given);
  if (!/^rediss?:\/\//.test(options.url) || !URL.canParse(options.url)) {
    const expected = "redis://host:port, or rediss:// for TLS";
    throw fail("option_invalid", { part: "redis-store", option: "url", value: "what was given", expected });
  }
  return options;
}
