// Options of the server's side: names, defaults and ranges from one place, and the checks of those that no table can express.
import type { ConnectError } from "@connectrpc/connect";
import { type OptionsOf, type ResolvedOptions, fail, resolveOptions } from "@raceway/core";
import { CSRF_COOKIE, CSRF_HEADER } from "./cookie-names.ts";

export const PART = "session-cookie";

export const sessionCookieTable = {
  /** Name of the session's cookie. */
  name: { kind: "text", default: "__Host-session" },
  /** Name of the cookie with the CSRF token, which pages can read. */
  csrfName: { kind: "text", default: CSRF_COOKIE as string },
  /** In which header of a call, or of a session's opening, the token is sent. */
  header: { kind: "text", default: CSRF_HEADER as string },
  /** Origins, such as "https://app.example", whose pages may use the visitor's cookie, beside the server's own. */
  origins: { kind: "list", default: [] },
  /** When browsers send the cookie: "lax" and "strict" from the same site only, "none" from everywhere. */
  sameSite: { kind: "text", default: "lax", values: ["lax", "strict", "none"] },
  /** Over TLS only; browsers make an exception for localhost. `false` is for development: then the names must be without prefix. */
  secure: { kind: "boolean", default: true },
  /** How long a cookie is good for, at most; so long a revocation is remembered. */
  maxAgeMs: { kind: "number", default: 28_800_000, min: 1_000, max: 34_560_000_000, unit: "ms" },
  /** Lets those in who show no cookie, as nobody. */
  anonymous: { kind: "boolean", default: false },
} as const;

export type SessionCookieTableOptions = OptionsOf<typeof sessionCookieTable>;
export type Resolved = ResolvedOptions<typeof sessionCookieTable>;

/** A token, as RFC 9110 section 5.6.2 and RFC 6265 section 4.1.1 have names. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Checks what was given and fills in the defaults. Throws `option_unknown` or `option_invalid`. */
export function resolveSessionCookie(given: SessionCookieTableOptions): Resolved {
  const options = resolveOptions(PART, sessionCookieTable, given);
  for (const option of ["name", "csrfName", "header"] as const) {
    const value = options[option];
    if (!TOKEN.test(value)) throw invalid(option, JSON.stringify(value), "a name of letters, digits and hyphens");
    if (option !== "header" && !options.secure && /^__(?:host|secure)-/i.test(value))
      throw invalid(option, JSON.stringify(value), `a name without prefix, since secure is false: browsers refuse it`);
  }
  if (options.name === options.csrfName)
    throw invalid("csrfName", JSON.stringify(options.csrfName), "another name than that of the session's cookie");
  if (options.sameSite === "none" && !options.secure)
    throw invalid("sameSite", '"none"', "lax or strict, since secure is false: browsers refuse it");
  for (const origin of options.origins)
    if (URL.parse(origin)?.origin !== origin)
      throw invalid("origins", JSON.stringify(origin), 'origins such as "https://app.example"; "*" is none');
  return options;
}

export function invalid(option: string, value: string, expected: string): ConnectError {
  return fail("option_invalid", { part: PART, option, value, expected });
}
