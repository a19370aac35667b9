// The server's side: `token` of @raceway/auth-token, with all that the issuer says of itself found by discovery.
import { ConnectError } from "@connectrpc/connect";
import { type IntrospectionOptions, type TokenOptions, type TokenPlugin, token } from "@raceway/auth-token/server";
import { type Clock, type Stations, errorInfo, fail, learn, oauthReasons } from "@raceway/core";
import { type ClientAuthOptions, clientAuth, clientAuthOptions } from "./client-auth.ts";
import { type Endpoint, Issuer, type IssuerOptions } from "./issuer.ts";
import { checkNames, optionError } from "./option-error.ts";

learn(oauthReasons);
export type { ClientAuthOptions, PrivateJwk } from "./client-auth.ts";
export type { TokenPlugin } from "@raceway/auth-token/server";

/** How tokens are asked about that are no JSON Web Tokens (RFC 7662): where, the issuer says; this server shows who it is. */
export interface OAuthIntrospection extends ClientAuthOptions, Pick<IntrospectionOptions, "cacheMs" | "recheckMs"> {}

export interface OAuthOptions
  extends IssuerOptions, Omit<TokenOptions, "issuer" | "audience" | "jwksUri" | "keys" | "secret" | "introspection"> {
  /** For whom a token must be meant: its `aud`, or one of several. A token for another service, or an ID token, is none for this one. */
  readonly audience: string | readonly string[];
  /** For opaque tokens. Without it, what is no JSON Web Token is refused. */
  readonly introspection?: OAuthIntrospection;
}

const PART = "oauth";
/** Seen to here; the rest is for `token`. */
const OWN = ["issuer", "allowInsecure", "audience", "introspection"];
const PASSED = ["algorithms", "type", "clockToleranceMs", "maxAgeMs", "principal", "revoked", "anonymous", "revokedMs"];
const INTROSPECTION = [...clientAuthOptions, "cacheMs", "recheckMs"];

/**
 * Admits who shows a good token of this issuer, as `token` does, and provides the principal. The issuer's keys and endpoints are found by discovery (OpenID Connect, or
 * RFC 8414) when the server starts, and again when somebody comes until the issuer answers; until then everybody is refused with `keys_unavailable`, nobody let in on trust.
 */
export function oauth(options: OAuthOptions): TokenPlugin {
  checkNames(PART, options, [...OWN, ...PASSED]);
  const { issuer: _, allowInsecure: __, introspection, ...passed } = options;
  const issuer = new Issuer(PART, options);
  /** Of the server that started first; of several, times of different clocks do not compare. */
  let clock: Clock | undefined;
  const endpoint = async (name: Endpoint): Promise<URL> => {
    try {
      return await issuer.endpoint(clock!, name);
    } catch (error) {
      throw fail("keys_unavailable", { detail: errorInfo(error)?.metadata["detail"] ?? "discovery failed" });
    }
  };
  const plugin = asOwn(() =>
    token({
      ...passed,
      issuer: issuer.id,
      jwksUri: () => endpoint("jwks_uri"),
      ...(introspection !== undefined && {
        introspection: {
          ...introspecting(introspection, options.audience),
          url: () => endpoint("introspection_endpoint"),
          authenticate: authenticating(introspection),
        },
      }),
    }),
  );
  function authenticating(given: OAuthIntrospection): NonNullable<IntrospectionOptions["authenticate"]> {
    const authenticate = clientAuth(PART, given, "introspection.");
    return async (body, headers) => {
      const server = await issuer.metadata(clock!); // it was found: its endpoint was asked for before
      try {
        await authenticate(server, { client_id: given.clientId }, body, headers);
      } catch {
        throw fail("keys_unavailable", {
          detail: "this server cannot show the issuer who it is; look at introspection",
        });
      }
    };
  }
  return {
    ...plugin,
    name: PART,
    async start(host): Promise<Stations> {
      clock ??= host.clock;
      issuer.metadata(clock).catch((error: unknown) => {
        host.log.error("nobody is let in before the issuer answers", { error: ConnectError.from(error).rawMessage });
      });
      return plugin.start(host);
    },
  };
}

function introspecting(
  given: OAuthIntrospection,
  audience: string | readonly string[],
): Pick<IntrospectionOptions, "clientId" | "audience" | "cacheMs" | "recheckMs"> {
  if (typeof given !== "object" || given === null)
    throw optionError(PART, "introspection", given, "an object with clientId, and clientSecret or privateKey");
  checkNames(`${PART}.introspection`, given, INTROSPECTION);
  const { clientId, cacheMs, recheckMs } = given;
  return {
    clientId,
    audience,
    ...(cacheMs !== undefined && { cacheMs }),
    ...(recheckMs !== undefined && { recheckMs }),
  };
}

/** What `token` does not like of the options that it is passed is wrong with ours. */
function asOwn<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    const { option = "", value = "", expected = "" } = errorInfo(error)?.metadata ?? {};
    throw option === "" ? error : fail("option_invalid", { part: PART, option, value, expected });
  }
}
