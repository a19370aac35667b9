// The server's side: whose cookie came, whether a page of ours sent it, until when it is good, and whether it was taken back.
import {
  type Host,
  type Peer,
  type Plugin,
  type Principal,
  Revocations,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  principal,
  silentLogger,
  systemClock,
  systemRandom,
} from "@raceway/core";
import { cookieValues } from "./cookie-names.ts";
import { csrfToken, isCsrfToken, keysOf } from "./keys.ts";
import { PART, type SessionCookieTableOptions, invalid, resolveSessionCookie } from "./options.ts";
import { type RouteRequest, peerOf } from "./request.ts";
import { isOfOurPage } from "./site.ts";
import {
  COOKIE_BYTES,
  type CookieSession,
  type Made,
  type Opened,
  type Vault,
  type VaultHost,
  sealedSessions,
  storedSessions,
} from "./vault.ts";

learn(middlewareReasons);
export type { RouteRequest } from "./request.ts";
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
  readonly cookies: string[];
  /** The same token, for a page that is made with it. */
  readonly csrfToken: string;
  /** In milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The plugin, and what a server does with it by hand. `Of`: what a session is begun with, a principal, or the id of a session in a store. */
export interface SessionCookiePlugin<Of> extends Plugin {
  /** Begins a session, for `maxAgeMs` (default and at most: the option's). Throws `cookie_too_large`. */
  issue(of: Of, maxAgeMs?: number): Promise<IssuedCookie>;
  /**
   * Whose cookie came with a request to one of your own routes, by the same rules as everywhere, those about pages of other origins included; undefined if none came.
   * Throws what an opening is refused with.
   */
  authenticate(request: RouteRequest): Promise<CookieSession | undefined>;
  /** A fresh cookie for the same session, if `authenticate` lets this one in; undefined if none came. With `lookup`, have your store say a later `expiresAt`, too. */
  renew(request: RouteRequest, maxAgeMs?: number): Promise<IssuedCookie | undefined>;
  /** The CSRF token for whoever sent this `Cookie` header, for a page that is made with it; undefined if there is no session. */
  csrfToken(cookieHeader: string | undefined): Promise<string | undefined>;
  /**
   * Signs out whoever sent this `Cookie` header: what his session has open ends with `credential_revoked`, here at once and on all servers with the same store about a second
   * later, and its cookies are refused everywhere. Gives the lines for `Set-Cookie` that clear them.
   */
  end(cookieHeader: string | undefined): Promise<string[]>;
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
  const clock = systemClock();
  const attributes = `Path=/;${options.secure ? " Secure;" : ""} SameSite=${options.sameSite.replace(/^./, (first) => first.toUpperCase())}`;
  const lines = (value: string, token: string, seconds: number): string[] => [
    `${name}=${value}; Max-Age=${seconds}; ${attributes}; HttpOnly`,
    `${csrfName}=${token}; Max-Age=${seconds}; ${attributes}`,
  ];
  const newToken = (session: string): string => csrfToken(keys, session, systemRandom.bytes(16));
  const issued = async (
    make: (now: number, expiresAt: number) => Promise<Made>,
    ageMs: number,
  ): Promise<IssuedCookie> => {
    if (!(ageMs > 0 && ageMs <= maxAgeMs))
      throw invalid("maxAgeMs", String(ageMs), `a number above 0, up to ${maxAgeMs}, the option of the plugin (ms)`);
    const now = clock.wallNow();
    const expiresAt = now + ageMs;
    const { value, session } = await make(now, expiresAt);
    const bytes = name.length + value.length;
    if (bytes > COOKIE_BYTES) throw fail("cookie_too_large", { cookie: name, bytes, limit: COOKIE_BYTES });
    const token = newToken(session);
    return { cookies: lines(value, token, Math.ceil(ageMs / 1_000)), csrfToken: token, expiresAt };
  };

  /** The session of a request, and its cookie; undefined if none came. Whether it was taken back is still to be asked. */
  const opened = async (
    peer: Peer,
    token: string | null | undefined,
    host: VaultHost,
    isKnownPage: boolean,
  ): Promise<{ readonly value: string; readonly session: Opened } | undefined> => {
    const value = valueOf(peer.header("cookie"), name);
    if (value === undefined) return undefined;
    const isProven = isKnownPage || isOfOurPage(peer, origins);
    if (!isProven && !token)
      throw fail("cross_site_refused", { detail: `does not say which page sent it, without the token in ${header}` });
    const session = await vault.open(value, host);
    if (!isProven && !isCsrfToken(keys, session.session, token!))
      throw fail("cross_site_refused", { detail: `has a token in ${header} that is not this session's` });
    if (session.principal.id === "") throw fail("credential_invalid", { detail: "it names nobody" });
    return { value, session };
  };

  /** Each server that runs with this plugin: mostly one. */
  const started = new Map<Host, Revocations>();
  const running = (what: string): readonly [Host, Revocations] => {
    const [first] = started;
    if (first === undefined) throw fail("app_not_started", { what: `sessionCookie.${what}` });
    return first;
  };
  const takeBack = async (what: string, id: string): Promise<void> => {
    running(what);
    await Promise.all([...started.values()].map((revocations) => revocations.revoke(id)));
  };
  const admitted = async (what: string, request: RouteRequest): ReturnType<typeof opened> => {
    const [host, revocations] = running(what);
    const peer = peerOf(request);
    const found = await opened(peer, peer.header(header.toLowerCase()), host, false);
    if (found === undefined) return undefined;
    const { principal: who, session, createdAt, expiresAt } = found.session;
    if (expiresAt <= host.clock.wallNow()) throw fail("credential_expired");
    await revocations.check(byPrincipal(who.id), createdAt);
    await revocations.check(bySession(session), 0);
    return found;
  };

  return {
    ...definePlugin({
      name: PART,
      provides: [principal],
      start(host) {
        const revocations = new Revocations(host, { name: PART, keptMs: maxAgeMs });
        started.set(host, revocations);
        return {
          async session(opening) {
            // Who refreshes does so over a link that has passed the rules about pages already.
            const token = opening.headers.get(header);
            const found = await opened(opening.peer, token, host, opening.kind === "refresh");
            if (found === undefined) {
              if (anonymous) return;
              throw fail("credential_missing", { scheme: `the cookie ${name}` });
            }
            const { principal: who, session, createdAt, expiresAt } = found.session;
            await revocations.admit(opening, byPrincipal(who.id), createdAt);
            await revocations.admit(opening, bySession(session), 0);
            opening.context.set(principal, { method: PART, ...who });
            opening.expiresIn(expiresAt - host.clock.wallNow());
          },
          async [Symbol.asyncDispose]() {
            started.delete(host);
            revocations[Symbol.dispose]();
          },
        };
      },
    }),
    issue: (of, ageMs = maxAgeMs) => issued((now, expiresAt) => vault.make(of, now, expiresAt), ageMs),
    authenticate: async (request) => (await admitted("authenticate", request))?.session,
    async renew(request, ageMs = maxAgeMs) {
      const found = await admitted("renew", request);
      return found && issued((_, expiresAt) => vault.renew(found.value, found.session, expiresAt), ageMs);
    },
    async csrfToken(cookieHeader) {
      const [value] = cookieValues(cookieHeader, name);
      const session = value === undefined ? undefined : await vault.sessionOf(value, { clock, log: silentLogger });
      return session === undefined ? undefined : newToken(session);
    },
    async end(cookieHeader) {
      const [host] = running("end");
      for (const value of new Set(cookieValues(cookieHeader, name))) {
        const session = await vault.sessionOf(value, host);
        if (session !== undefined) await takeBack("end", bySession(session));
      }
      return lines("", "", 0);
    },
    revoke: (id) => takeBack("revoke", byPrincipal(id)),
  };
}

const byPrincipal = (id: string): string => `principal ${id}`;
const bySession = (session: string): string => `session ${session}`;

/** Throws if there are two: one of them was planted by somebody, and nobody can tell which. */
function valueOf(header: string | undefined, name: string): string | undefined {
  const [value, ...more] = new Set(cookieValues(header, name));
  if (more.length > 0) throw fail("credential_invalid", { detail: `two different cookies ${name} came` });
  if (value !== undefined && value.length > COOKIE_BYTES)
    throw fail("credential_invalid", { detail: "the cookie is longer than any that was made here" });
  return value === "" ? undefined : value;
}
