// The server's side: who shows a token, until when it is good, and whether it was taken back.
import {
  type Host,
  type Opening,
  type Plugin,
  type Principal,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  principal,
} from "@raceway/core";
import type { JWTPayload } from "jose";
import { type IntrospectionOptions, Introspector } from "./introspection.ts";
import { type JwtOptions, jwtVerifier } from "./jwt.ts";
import { optionError } from "./option-error.ts";

learn(middlewareReasons);
export type { IntrospectionOptions } from "./introspection.ts";
export type { JwtOptions } from "./jwt.ts";

export interface TokenOptions extends JwtOptions {
  /** For opaque tokens (RFC 7662): the issuer is asked about each. Tokens that are no JWT go there; all of them if neither keys nor issuer are given. */
  readonly introspection?: IntrospectionOptions;
  /** What a token's claims make of its owner. Default: `sub` as the id, `scope` (or `scp`) as scopes, `roles` as roles. An empty id is refused. */
  readonly principal?: (claims: JWTPayload) => Principal;
  /** Asked at each opening, whether what is not yet expired was taken back. */
  readonly revoked?: (claims: JWTPayload) => boolean | Promise<boolean>;
  /** Lets those in who show no token, as nobody; who shows a wrong one is refused all the same. For servers with public channels. Default false. */
  readonly anonymous?: boolean;
  /** How long a `revoke` is remembered, in milliseconds: as long as tokens live at most. Default 86,400,000: a day. */
  readonly revokedMs?: number;
}

/** The plugin, and what a server does with it by hand. */
export interface TokenPlugin extends Plugin {
  /**
   * Ends all sessions and native streams of a principal now (`credential_revoked`), and refuses what was issued before this moment, on every server with the
   * same store. Tokens issued later are good. Sessions on other servers end when they next come by another link, or show a fresh token.
   */
  revoke(id: string): Promise<void>;
}

const KNOWN = new Set([
  "issuer",
  "audience",
  "jwksUri",
  "keys",
  "secret",
  "algorithms",
  "type",
  "clockToleranceMs",
  "maxAgeMs",
  "introspection",
  "principal",
  "revoked",
  "anonymous",
  "revokedMs",
]);
/** Longer tokens are not looked at. */
const MAX_TOKEN = 16_384;
const DAY_MS = 86_400_000;

/** Admits who shows a good bearer token, and provides the principal. Refuses with `credential_missing`, `credential_invalid`, `credential_expired`, `credential_revoked`; `keys_unavailable` while the issuer does not answer. */
export function token(options: TokenOptions): TokenPlugin {
  for (const option of Object.keys(options))
    if (!KNOWN.has(option)) throw fail("option_unknown", { part: "token", option, have: [...KNOWN].join(", ") });
  const hasKeys = [options.issuer, options.jwksUri, options.keys, options.secret].some((each) => each !== undefined);
  if (!hasKeys && options.introspection === undefined)
    throw optionError(
      "issuer",
      undefined,
      "an issuer, keys, or introspection: something that says which tokens are good",
    );
  const verifierOf = hasKeys ? jwtVerifier(options) : undefined;
  const whose = options.principal ?? principalOf;
  const { revokedMs = DAY_MS, anonymous = false } = options;
  if (!(revokedMs >= 0)) throw optionError("revokedMs", revokedMs, "milliseconds, 0 or more");
  const introspectorOf = options.introspection === undefined ? undefined : Introspector.maker(options.introspection);

  const open = new Map<string, Set<Opening>>();
  let host: Host | undefined;
  return {
    ...definePlugin({
      name: "token",
      provides: [principal],
      start(started) {
        host = started;
        const introspector = introspectorOf?.(started);
        const verify = verifierOf?.(started.clock);
        return {
          async session(opening) {
            const shown = opening.credential?.replace(/^bearer /i, "").trim() ?? "";
            if (shown === "") {
              if (anonymous) return;
              throw fail("credential_missing", { scheme: "a bearer token" });
            }
            if (shown.length > MAX_TOKEN) throw fail("credential_invalid", { detail: "it is too long for a token" });
            const opaque = verify === undefined || (introspector !== undefined && shown.split(".").length !== 3);
            const claims = opaque ? await introspector!.ask(shown) : await verify(shown);
            const who = whose(claims);
            if (who.id === "") throw fail("credential_invalid", { detail: "it names nobody" });
            await checkRevoked(started, who.id, claims, options.revoked);
            opening.context.set(principal, { method: "token", ...who });
            const now = started.clock.wallNow();
            if (claims.exp !== undefined)
              opening.expiresIn(claims.exp * 1_000 + (options.clockToleranceMs ?? 5_000) - now);
            remember(open, who.id, opening);
            if (opaque) introspector!.watch(shown, opening);
          },
        };
      },
    }),
    async revoke(id) {
      if (host === undefined) throw fail("app_not_started", { what: "token.revoke" });
      const until = String(host.clock.wallNow());
      await host.store.put(`revoked ${id}`, new TextEncoder().encode(until), { ttlMs: revokedMs });
      for (const opening of open.get(id) ?? []) opening.end(fail("credential_revoked"));
    },
  };
}

function remember(open: Map<string, Set<Opening>>, id: string, opening: Opening): void {
  if (opening.kind === "refresh" || opening.kind === "resume") {
    // The session is in there by its first opening, whose end is the session's.
    for (const each of open.get(id) ?? []) if (each.ended === opening.ended) return;
  }
  const all = open.get(id) ?? new Set();
  open.set(id, all.add(opening));
  const gone = (): void => {
    all.delete(opening);
    if (all.size === 0 && open.get(id) === all) open.delete(id);
  };
  if (opening.ended.aborted) gone();
  else opening.ended.addEventListener("abort", gone, { once: true });
}

async function checkRevoked(
  host: Host,
  id: string,
  claims: JWTPayload,
  revoked: TokenOptions["revoked"],
): Promise<void> {
  const at = await host.store.get(`revoked ${id}`);
  // To the second, as tokens are; one without a time of issue is older than everything.
  if (at !== undefined && (claims.iat ?? 0) <= Math.floor(Number(new TextDecoder().decode(at)) / 1_000))
    throw fail("credential_revoked");
  if ((await revoked?.(claims)) === true) throw fail("credential_revoked");
}

function principalOf(claims: JWTPayload): Principal {
  const { scope, scp, roles } = claims as { scope?: unknown; scp?: unknown; roles?: unknown };
  return { id: claims.sub ?? "", scopes: words(scope ?? scp), roles: words(roles), claims };
}

/** A list of strings, or one string with spaces (RFC 6749 section 3.3). */
function words(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.filter((each) => typeof each === "string");
  return typeof value === "string" ? value.split(" ").filter((each) => each !== "") : [];
}
