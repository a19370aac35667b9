// The server's side: whose cookie came, whether a page of ours sent it, until when it is good, and whether it was taken back.
import {
  type Principal,
  type Plugin,
  Revocations,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  principal,
  systemClock,
  systemRandom,
} from "@raceway/core";
import { cookieValues } from "./cookie-names.ts";
import { csrfToken, isCsrfToken, keysOf } from "./keys.ts";
import { PART, type SessionCookieTableOptions, invalid, resolveSessionCookie } from "./options.ts";
import { isOfOurPage } from "./site.ts";
import { COOKIE_BYTES, type CookieSession, type Vault, sealedSessions, sessionName, storedSessions } from "./vault.ts";

learn(middlewareReasons);
export type { CookieSession } from "./vault.ts";

export interface SealedCookieOptions extends SessionCookieTableOptions {
  /** Secrets of at least 32 random bytes. The first one seals cookies and signs CSRF tokens, all of them open: put a new one in front, and take the old one away when no cookie of it lives any more. */
  readonly keys: readonly (string | Uint8Array)[];
}
export interface StoredCookieOptions extends SealedCookieOptions {
  /** Finds a session in your own store by the id that is in the cookie; asked at each opening. What it throws refuses with `keys_unavailable`. */
  readonly lookup: (id: string) => CookieSession | undefined | Promise<CookieSession | undefined>;
}

/** A session that was begun: what the answer to the sign-in has to carry. */
export interface IssuedCookie {
  /** Lines for `Set-Cookie`: the session, which no page can read, and the CSRF token, which pages can. */
  readonly cookies: readonly string[];
  /** The same token, for a page that is made with it. */
  readonly csrfToken: string;
  /** In milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The plugin, and what a server does with it by hand. `Of`: what a session is begun with, a principal, or the id of a session in a store. */
export interface SessionCookiePlugin<Of> extends Plugin {
  /** Begins a session, or goes on with one in a fresh cookie, for `maxAgeMs` (default and at most: the option's). Throws `cookie_too_large`. */
  issue(of: Of, maxAgeMs?: number): Promise<IssuedCookie>;
  /** The CSRF token for whoever sent this `Cookie` header, for a page that is made with it; undefined if the cookie is not in it. */
  csrfToken(cookieHeader: string | undefined): string | undefined;
  /**
   * Signs out whoever sent this `Cookie` header: what it has open ends with `credential_revoked`, here at once and on all servers with the same store about a second later,
   * and the cookie is refused everywhere. Gives the lines for `Set-Cookie` that clear both cookies.
   */
  end(cookieHeader: string | undefined): Promise<readonly string[]>;
  /** The same for all sessions of a principal that were begun before this moment. */
  revoke(id: string): Promise<void>;
}

/** Admits by session cookie, from pages of this server and of `origins`, and provides the principal. Refuses with `credential_missing`, `credential_invalid`, `credential_expired`, `credential_revoked`, `cross_site_refused`; `keys_unavailable` while `lookup` fails. */
export function sessionCookie(options: StoredCookieOptions): SessionCookiePlugin<string>;
export function sessionCookie(
  options: SealedCookieOptions & { readonly lookup?: never },
): SessionCookiePlugin<Principal>;
export function sessionCookie(
  options: SealedCookieOptions & { readonly lookup?: StoredCookieOptions["lookup"] },
): SessionCookiePlugin<string> | SessionCookiePlugin<Principal> {
  const { lookup, ...rest } = options;
  if (lookup === undefined) return pluginOf(rest, sealedSessions(keysOf(rest.keys)));
  if (typeof lookup !== "function") throw invalid("lookup", typeof lookup, "a function");
  return pluginOf(rest, storedSessions(lookup));
}

function pluginOf<Of>({ keys: secrets, ...rest }: SealedCookieOptions, vault: Vault<Of>): SessionCookiePlugin<Of> {
  const options = resolveSessionCookie(rest);
  const keys = keysOf(secrets);
  const { name, csrfName, header, origins, anonymous, maxAgeMs } = options;
  const attributes = `Path=/;${options.secure ? " Secure;" : ""} SameSite=${options.sameSite.replace(/^./, (first) => first.toUpperCase())}`;
  const lines = (value: string, token: string, seconds: number): readonly string[] => [
    `${name}=${value}; Max-Age=${seconds}; ${attributes}; HttpOnly`,
    `${csrfName}=${token}; Max-Age=${seconds}; ${attributes}`,
  ];
  const newToken = (value: string): string => csrfToken(keys, sessionName(value), systemRandom.bytes(16));
  const clock = systemClock();

  /** Of each server that runs with this plugin: mostly one. */
  const started = new Set<Revocations>();
  const takeBack = async (what: string, id: string): Promise<void> => {
    if (started.size === 0) throw fail("app_not_started", { what });
    await Promise.all([...started].map((revocations) => revocations.revoke(id)));
  };
  return {
    ...definePlugin({
      name: PART,
      provides: [principal],
      start(host) {
        const revocations = new Revocations(host, { name: PART, keptMs: maxAgeMs });
        started.add(revocations);
        return {
          async session(opening) {
            const value = valueOf(opening.peer.header("cookie"), name);
            if (value === undefined) {
              if (anonymous) return;
              throw fail("credential_missing", { scheme: `the cookie ${name}` });
            }
            // Who refreshes does so over a link that has passed this already.
            if (opening.kind !== "refresh" && !isOfOurPage(opening.peer, origins)) {
              const token = opening.headers.get(header);
              if (token === null)
                throw fail("cross_site_refused", {
                  detail: `does not say which page sent it, without the token in ${header}`,
                });
              if (!isCsrfToken(keys, sessionName(value), token))
                throw fail("cross_site_refused", { detail: `has a token in ${header} that is not this session's` });
            }
            const { principal: who, createdAt, expiresAt } = await vault.open(value, host);
            if (who.id === "") throw fail("credential_invalid", { detail: "it names nobody" });
            await revocations.admit(opening, byPrincipal(who.id), createdAt);
            await revocations.admit(opening, bySession(value), 0);
            opening.context.set(principal, { method: PART, ...who });
            opening.expiresIn(expiresAt - host.clock.wallNow());
          },
          async [Symbol.asyncDispose]() {
            started.delete(revocations);
            revocations[Symbol.dispose]();
          },
        };
      },
    }),
    async issue(of, ageMs = maxAgeMs) {
      if (!(ageMs > 0 && ageMs <= maxAgeMs))
        throw invalid("maxAgeMs", String(ageMs), `a number above 0, up to ${maxAgeMs}, the option of the plugin (ms)`);
      const now = clock.wallNow();
      const expiresAt = now + ageMs;
      const value = await vault.make(of, now, expiresAt, systemRandom);
      const bytes = name.length + value.length;
      if (bytes > COOKIE_BYTES) throw fail("cookie_too_large", { cookie: name, bytes, limit: COOKIE_BYTES });
      const token = newToken(value);
      return { cookies: lines(value, token, Math.ceil(ageMs / 1_000)), csrfToken: token, expiresAt };
    },
    csrfToken(cookieHeader) {
      const [value] = cookieValues(cookieHeader, name);
      return value === undefined ? undefined : newToken(value);
    },
    async end(cookieHeader) {
      for (const value of new Set(cookieValues(cookieHeader, name)))
        await takeBack("sessionCookie.end", bySession(value));
      return lines("", "", 0);
    },
    revoke: (id) => takeBack("sessionCookie.revoke", byPrincipal(id)),
  };
}

const byPrincipal = (id: string): string => `principal ${id}`;
const bySession = (value: string): string => `session ${sessionName(value)}`;

/** Throws if there are two: one of them was planted by somebody, and nobody can tell which. */
function valueOf(header: string | undefined, name: string): string | undefined {
  const [value, ...more] = new Set(cookieValues(header, name));
  if (more.length > 0) throw fail("credential_invalid", { detail: `two different cookies ${name} came` });
  if (value !== undefined && value.length > COOKIE_BYTES)
    throw fail("credential_invalid", { detail: "the cookie is longer than any that was made here" });
  return value === "" ? undefined : value;
}
