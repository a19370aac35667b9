// The server's side: who shows a token, until when it is good, and whether it was taken back.
import {
  type Plugin,
  type Principal,
  Revocations,
  checkOptionNames,
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
   * Takes back all tokens of a principal that were issued before this moment: ends his sessions and native streams with `credential_revoked`, here at once and on
   * all servers with the same store about a second later, and refuses the tokens everywhere. Tokens issued later are good.
   */
  revoke(id: string): Promise<void>;
}

const KNOWN = [
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
];
/** Longer tokens are not looked at. */
const MAX_TOKEN = 16_384;
const DAY_MS = 86_400_000;

/** Admits who shows a good bearer token, and provides the principal. Refuses with `credential_missing`, `credential_invalid`, `credential_expired`, `credential_revoked`; `keys_unavailable` while the issuer does not answer. */
export function token(options: TokenOptions): TokenPlugin {
  checkOptionNames("token", options, KNOWN);
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

  /** Of each server that runs with this plugin: mostly one. */
  const started = new Set<Revocations>();
  return {
    ...definePlugin({
      name: "token",
      provides: [principal],
      start(host) {
        const revocations = new Revocations(host, { name: "token", keptMs: revokedMs });
        started.add(revocations);
        const introspector = introspectorOf?.(host);
        const verifier = verifierOf?.(host.clock);
        return {
          ...(verifier?.healthy && { healthy: verifier.healthy }),
          async session(opening) {
            const shown = opening.credential?.replace(/^bearer /i, "").trim() ?? "";
            if (shown === "") {
              if (anonymous) return;
              throw fail("credential_missing", { scheme: "a bearer token" });
            }
            if (shown.length > MAX_TOKEN) throw fail("credential_invalid", { detail: "it is too long for a token" });
            const opaque = verifier === undefined || (introspector !== undefined && shown.split(".").length !== 3);
            const claims = opaque ? await introspector!.ask(shown) : await verifier.verify(shown);
            const who = whose(claims);
            if (who.id === "") throw fail("credential_invalid", { detail: "it names nobody" });
            await revocations.admit(opening, who.id, issuedAt(claims));
            if ((await options.revoked?.(claims)) === true) throw fail("credential_revoked");
            opening.context.set(principal, { method: "token", ...who });
            const now = host.clock.wallNow();
            if (claims.exp !== undefined)
              opening.expiresIn(claims.exp * 1_000 + (options.clockToleranceMs ?? 5_000) - now);
            if (opaque) introspector!.watch(shown, opening);
          },
          async [Symbol.asyncDispose]() {
            started.delete(revocations);
            revocations[Symbol.dispose]();
          },
        };
      },
    }),
    async revoke(id) {
      if (started.size === 0) throw fail("app_not_started", { what: "token.revoke" });
      await Promise.all([...started].map((revocations) => revocations.revoke(id)));
    },
  };
}

/** In milliseconds. To the second, as tokens are: one of the second of its revocation counts as older. One without a time of issue is older than everything. */
const issuedAt = (claims: JWTPayload): number => (claims.iat ?? 0) * 1_000;

function principalOf(claims: JWTPayload): Principal {
  const { scope, scp, roles } = claims as { scope?: unknown; scp?: unknown; roles?: unknown };
  return { id: claims.sub ?? "", scopes: words(scope ?? scp), roles: words(roles), claims };
}

/** A list of strings, or one string with spaces (RFC 6749 section 3.3). */
function words(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.filter((each) => typeof each === "string");
  return typeof value === "string" ? value.split(" ").filter((each) => each !== "") : [];
}
