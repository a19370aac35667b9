// The authorization code grant with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 9700) for a public client: the way to the issuer, what comes back, and its renewal.
import type { ConnectError } from "@connectrpc/connect";
import { errorInfo, fail } from "@raceway/core";
import {
  type Client,
  None,
  OperationProcessingError,
  RESPONSE_IS_NOT_CONFORM,
  RESPONSE_IS_NOT_JSON,
  PARSE_ERROR,
  UnsupportedOperationError,
  authorizationCodeGrantRequest,
  calculatePKCECodeChallenge,
  expectNoNonce,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  processAuthorizationCodeResponse,
  processRefreshTokenResponse,
  processRevocationResponse,
  refreshTokenGrantRequest,
  revocationRequest,
  validateAuthResponse,
} from "oauth4webapi";
import type { Issuer, IssuerOptions } from "./issuer.ts";
import { checkText, optionError } from "./option-error.ts";
import { type Tokens, tokensOf } from "./token-keeper.ts";
import type { Transaction } from "./transaction.ts";
import type { SharedWorld } from "./world.ts";

export interface AuthorizationOptions extends IssuerOptions {
  /** What the issuer knows this client by. It has no secret: a page cannot keep one. */
  readonly clientId: string;
  /** Where the issuer sends the browser back, exactly as it is registered there. An address for this alone: other uses of `code` and `state` in it would be taken for answers. */
  readonly redirectUri: string;
  /** What the token is to be good for, with spaces between. With "openid", the default, the issuer also says who the user is. "offline_access" is what many issuers want for refresh tokens. */
  readonly scope?: string;
  /** For which service the access token is to be (RFC 8707): becomes its `aud`, at issuers that know this parameter. */
  readonly resource?: string;
  /** Where the issuer sends the browser after a sign-out there, as it is registered. Default: the issuer says something itself. */
  readonly signedOutUri?: string;
  /** What this issuer wants beside it, such as `audience`. Does not replace what is sent anyway. */
  readonly parameters?: Readonly<Record<string, string>>;
}
export const authorizationOptions = [
  "issuer",
  "allowInsecure",
  "clientId",
  "redirectUri",
  "scope",
  "resource",
  "signedOutUri",
  "parameters",
] as const;

/** Of what oauth4webapi throws: no answer that means anything. The rest is an answer that is not what it ought to be. */
const NO_ANSWER = new Set<unknown>([RESPONSE_IS_NOT_CONFORM, RESPONSE_IS_NOT_JSON, PARSE_ERROR]);
/** OpenID Connect Core 3.1.2.6: a user would have had to be asked. */
const INTERACTION = new Set([
  "login_required",
  "interaction_required",
  "consent_required",
  "account_selection_required",
]);

export class AuthorizationCode {
  readonly #issuer: Issuer;
  readonly #world: SharedWorld;
  readonly #options: AuthorizationOptions;
  readonly #scope: string;
  readonly #client: Client;

  /** Checks the options at once; throws `option_invalid`. */
  constructor(part: string, issuer: Issuer, world: SharedWorld, options: AuthorizationOptions) {
    const { clientId, redirectUri, scope = "openid", resource, signedOutUri } = options;
    checkText(part, "clientId", clientId);
    checkText(part, "scope", scope);
    for (const [name, uri] of Object.entries({ redirectUri, resource, signedOutUri }))
      if ((uri !== undefined || name === "redirectUri") && (!URL.canParse(uri!) || uri!.includes("#")))
        throw optionError(part, name, uri, "a URL without a fragment"); // RFC 6749 section 3.1.2, RFC 8707 section 2
    if (!issuer.isSafe(new URL(redirectUri)) && redirectUri.startsWith("http"))
      throw optionError(part, "redirectUri", redirectUri, "an https URL, or a loopback address");
    this.#issuer = issuer;
    this.#world = world;
    this.#options = options;
    this.#scope = scope;
    this.#client = { client_id: clientId };
  }

  /** What to remember, and where to go. */
  async begin(
    returnTo: string | undefined,
    silent: boolean,
    more: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly transaction: Transaction; readonly url: string }> {
    const { clientId, redirectUri, resource, parameters } = this.#options;
    const url = await this.#issuer.endpoint(this.#world.clock, "authorization_endpoint");
    const hasOpenId = this.#scope.split(" ").includes("openid");
    const transaction: Transaction = {
      state: generateRandomState(),
      nonce: hasOpenId ? generateRandomNonce() : undefined,
      verifier: generateRandomCodeVerifier(),
      returnTo,
      silent,
    };
    const asked = {
      ...parameters,
      ...more,
      ...(silent && { prompt: "none" }),
      ...(resource !== undefined && { resource }),
      response_type: "code",
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: this.#scope,
      state: transaction.state,
      ...(transaction.nonce !== undefined && { nonce: transaction.nonce }),
      code_challenge: await calculatePKCECodeChallenge(transaction.verifier),
      code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    return { transaction, url: url.href };
  }

  /** It is the issuer that sent the browser to this address, or somebody who wants to be taken for it. */
  isAnswer(url: URL): boolean {
    const { protocol, host, pathname } = new URL(this.#options.redirectUri);
    const has = (name: string): boolean => url.searchParams.has(name);
    const isThere = url.protocol === protocol && url.host === host && url.pathname === pathname;
    return isThere && has("state") && (has("code") || has("error"));
  }

  /** The tokens for an answer; undefined if it says, to a silent question, that the user would have to be asked. */
  async finish(answer: URLSearchParams, { state, nonce, verifier, silent }: Transaction): Promise<Tokens | undefined> {
    const { redirectUri } = this.#options;
    const askedAt = this.#world.clock.wallNow();
    const server = await this.#issuer.metadata(this.#world.clock);
    try {
      // Its `iss` (RFC 9207), its state, and then whether it is an error: a mix-up of issuers ends here, before the code goes anywhere.
      const checked = validateAuthResponse(server, this.#client, answer, state);
      const { request } = this.#issuer;
      const response = await authorizationCodeGrantRequest(
        server,
        this.#client,
        None(),
        checked,
        redirectUri,
        verifier,
        {
          ...request,
          additionalParameters: this.#forResource,
        },
      );
      // The ID token came from the issuer itself over TLS, so its claims are checked and its signature need not be (OpenID Connect Core 3.1.3.7).
      const processed = await processAuthorizationCodeResponse(server, this.#client, response, {
        expectedNonce: nonce ?? expectNoNonce,
        requireIdToken: nonce !== undefined,
      });
      return tokensOf(processed, askedAt);
    } catch (cause) {
      const error = this.#errorOf(cause);
      if (silent && INTERACTION.has(errorInfo(error)?.metadata["error"] ?? "")) return undefined;
      throw error;
    }
  }

  /** Fresh tokens for those that end. Rejects with `issuer_failed`, `issuer_refused`; `sign_in_required` and `sign_in_invalid` if it is over. */
  async renew(kept: Tokens | undefined): Promise<Tokens> {
    const { clock } = this.#world;
    if (kept === undefined) throw this.#required("it has not happened yet, or was undone");
    if (kept.refresh === undefined) {
      // Nothing is to be done about it: good to its end.
      if (clock.wallNow() < (kept.endsAt ?? Infinity)) return kept;
      throw this.#required("it is over, and there is no refresh token to renew it");
    }
    const askedAt = clock.wallNow();
    const server = await this.#issuer.metadata(clock);
    let tokens: Tokens;
    try {
      const response = await refreshTokenGrantRequest(server, this.#client, None(), kept.refresh, {
        ...this.#issuer.request,
        additionalParameters: this.#forResource,
      });
      tokens = tokensOf(await processRefreshTokenResponse(server, this.#client, response), askedAt, kept);
    } catch (cause) {
      const error = this.#issuer.error(cause);
      if (errorInfo(error)?.metadata["error"] !== "invalid_grant") throw error;
      throw this.#required("the issuer has ended it");
    }
    if (tokens.claims?.sub !== kept.claims?.sub) throw this.#invalid("the fresh ID token is another user's"); // OpenID Connect Core 12.2
    return tokens;
  }

  /** Takes back what was issued, where the issuer lets one (RFC 7009). Rejects with `issuer_failed`, `issuer_refused`. */
  async revoke({ access, refresh }: Tokens): Promise<void> {
    const server = await this.#issuer.metadata(this.#world.clock);
    if (server.revocation_endpoint === undefined) return;
    try {
      // The refresh token first: what was issued by it mostly goes with it.
      for (const [token, hint] of [
        [refresh, "refresh_token"],
        [access, "access_token"],
      ] as const) {
        if (token === undefined) continue;
        const response = await revocationRequest(server, this.#client, None(), token, {
          ...this.#issuer.request,
          additionalParameters: { token_type_hint: hint },
        });
        await processRevocationResponse(response);
      }
    } catch (cause) {
      const error = this.#issuer.error(cause);
      // Tokens that end by themselves, which the issuer cannot take back (RFC 7009 section 2.2.1).
      if (errorInfo(error)?.metadata["error"] !== "unsupported_token_type") throw error;
    }
  }

  /** Where a user signs out of the issuer itself (OpenID Connect RP-Initiated Logout); undefined if there is no such place. */
  async wayOut({ idToken }: Tokens): Promise<string | undefined> {
    const { clientId, signedOutUri } = this.#options;
    const { end_session_endpoint: endpoint } = await this.#issuer.metadata(this.#world.clock);
    if (endpoint === undefined) return undefined;
    const url = new URL(endpoint);
    url.searchParams.set("client_id", clientId);
    if (idToken !== undefined) url.searchParams.set("id_token_hint", idToken);
    if (signedOutUri !== undefined) url.searchParams.set("post_logout_redirect_uri", signedOutUri);
    return url.href;
  }

  /** No sign-in of ours has this state. */
  stranger(): ConnectError {
    return this.#invalid("no sign-in that began here waits for it");
  }

  get #forResource(): Record<string, string> {
    const { resource } = this.#options;
    return resource === undefined ? {} : { resource };
  }

  #errorOf(cause: unknown): ConnectError {
    const isWrong =
      cause instanceof UnsupportedOperationError ||
      (cause instanceof OperationProcessingError && !NO_ANSWER.has(cause.code));
    return isWrong ? this.#invalid(cause.message) : this.#issuer.error(cause);
  }
  #invalid(detail: string): ConnectError {
    return fail("sign_in_invalid", { issuer: this.#issuer.id, detail });
  }
  #required(detail: string): ConnectError {
    return fail("sign_in_required", { issuer: this.#issuer.id, detail });
  }
}
