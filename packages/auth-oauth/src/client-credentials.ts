// A program that comes in as itself, with no user (RFC 6749 section 4.4): its token is fetched once for all connections, and anew before it ends.
import { learn, oauthReasons } from "@raceway/core";
import { clientCredentialsGrantRequest, processClientCredentialsResponse } from "oauth4webapi";
import { type ClientAuthOptions, clientAuth, clientAuthOptions } from "./client-auth.ts";
import { Issuer, type IssuerOptions } from "./issuer.ts";
import { memoryStore } from "./memory-store.ts";
import { checkNames, checkText, optionError } from "./option-error.ts";
import { TokenKeeper, tokensOf } from "./token-keeper.ts";
import { type TokenSource, tokenSource } from "./token-source.ts";
import { SharedWorld } from "./world.ts";

learn(oauthReasons);

export interface ClientCredentialsOptions extends IssuerOptions, ClientAuthOptions {
  /** What the token is to be good for, with spaces between. Default: what the issuer gives without being asked. */
  readonly scope?: string;
  /** For which service it is to be (RFC 8707): becomes its `aud`, at issuers that know this parameter. */
  readonly resource?: string;
  /** What this issuer wants beside it, as `audience` for some. Does not replace what is sent anyway. */
  readonly parameters?: Readonly<Record<string, string>>;
}

const PART = "client-credentials";
const NAMES = ["issuer", "allowInsecure", ...clientAuthOptions, "scope", "resource", "parameters"];

/**
 * Shows a token that this program gets from the issuer by its own credentials. One plugin may be used by many connections: they share the token. While the issuer
 * fails the connections wait, at most a minute from try to try (`issuer_failed`), and a token that is still good is used; what it refuses is final (`issuer_refused`).
 */
export function clientCredentials(options: ClientCredentialsOptions): TokenSource {
  checkNames(PART, options, NAMES);
  const { clientId, scope, resource, parameters } = options;
  const issuer = new Issuer(PART, options);
  const authenticate = clientAuth(PART, options);
  checkText(PART, "scope", scope, true);
  if (resource !== undefined && !URL.canParse(resource)) throw optionError(PART, "resource", resource, "a URL");
  const asked = {
    ...parameters,
    ...(scope !== undefined && { scope }),
    ...(resource !== undefined && { resource }),
  };
  const world = new SharedWorld();
  const keeper = new TokenKeeper(memoryStore(), world, async () => {
    const { clock } = world;
    const askedAt = clock.wallNow();
    const server = await issuer.metadata(clock);
    try {
      const client = { client_id: clientId };
      const response = await clientCredentialsGrantRequest(server, client, authenticate, asked, issuer.request);
      return tokensOf(await processClientCredentialsResponse(server, client, response), askedAt);
    } catch (cause) {
      throw issuer.error(cause);
    }
  });
  return tokenSource(PART, world, (besides) => keeper.access(besides));
}
