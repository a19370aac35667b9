// The header Cache-Control (RFC 9111, 5.2): what it says about whether an answer may be kept, and for how long.

export interface CacheControl {
  /** May be kept, and given again without asking. */
  readonly keeps: boolean;
  /** Not for others than who asked. */
  readonly isPrivate: boolean;
  /** For so long; Infinity if nothing is said. */
  readonly maxAgeMs: number;
}

const SILENT: CacheControl = { keeps: true, isPrivate: false, maxAgeMs: Infinity };
/** A name, and a value as a token or in quotes. */
const DIRECTIVE = /([\w!#$%&'*+.^`|~-]+)(?:=(?:"([^"]*)"|([^\s,"]*)))?/g;

/** What is not understood says nothing; an age that is none is over (RFC 9111, 4.2.1). Of several ages the shortest counts. */
export function readCacheControl(value: string | null): CacheControl {
  if (value === null) return SILENT;
  let { keeps, isPrivate, maxAgeMs } = SILENT;
  for (const [, name, quoted, token] of value.matchAll(DIRECTIVE)) {
    switch (name!.toLowerCase()) {
      case "no-store":
      case "no-cache":
        keeps = false;
        break;
      case "private":
        isPrivate = true;
        break;
      case "max-age": {
        const seconds = quoted ?? token ?? "";
        maxAgeMs = Math.min(maxAgeMs, /^\d+$/.test(seconds) ? Number(seconds) * 1_000 : 0);
        break;
      }
    }
  }
  return { keeps, isPrivate, maxAgeMs };
}

/** Whole seconds, rounded down: whoever keeps it keeps it no longer than we would. */
export function writeCacheControl(ms: number, isPublic: boolean): string {
  return `${isPublic ? "public" : "private"}, max-age=${Math.floor(ms / 1_000)}`;
}
