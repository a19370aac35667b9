// JSON Web Tokens: whose signature counts, and which claims are accepted (RFC 7519, RFC 8725).
import { ConnectError } from "@connectrpc/connect";
import { type Clock, fail } from "@raceway/core";
import { type JSONWebKeySet, type JWTPayload, type JWTVerifyOptions, createLocalJWKSet, errors, jwtVerify } from "jose";
import { type Ask, type Keys, remoteKeys } from "./keys.ts";
import { optionError } from "./option-error.ts";
import { VerifiedTokens } from "./verified.ts";

export interface JwtOptions {
  /** Who may have issued a token: its `iss`. With nothing else given, its keys are found by OpenID Connect discovery. */
  readonly issuer?: string | readonly string[];
  /** For whom a token must be meant: its `aud`. Required with keys: a token for another service is none for this one. */
  readonly audience?: string | readonly string[];
  /** Where the issuer's keys are: a JSON Web Key Set, fetched when first needed, at most every 30 s, and kept through outages for an hour. A function finds it out when it is first needed, and is asked again, at most once a second, until it does. */
  readonly jwksUri?: string | URL | (() => Promise<string | URL>);
  /** The keys themselves. */
  readonly keys?: JSONWebKeySet;
  /** A shared secret of at least 32 bytes, for HS256. Text counts as its UTF-8. */
  readonly secret?: Uint8Array | string;
  /** Accepted signatures. Default: all asymmetric ones; with `secret`: HS256. The two kinds never mix: that is how RS256 keys are taken for secrets. */
  readonly algorithms?: readonly string[];
  /** The header's `typ`, "at+jwt" for RFC 9068 access tokens. Default: any. */
  readonly type?: string;
  /** How far clocks may be apart, in milliseconds; 0 to 300,000, default 5,000. */
  readonly clockToleranceMs?: number;
  /** A token may have been issued so long ago at most, in milliseconds. Default: as long as it says itself. */
  readonly maxAgeMs?: number;
}

const ASYMMETRIC = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
const SYMMETRIC = ["HS256", "HS384", "HS512"];

export interface Verifier {
  /** Checks a token; throws `credential_invalid`, `credential_expired`, `keys_unavailable`. */
  verify(token: string): Promise<JWTPayload>;
  /** Are there keys to check with? Absent: there always are. */
  readonly healthy: Keys["healthy"];
}

/** Checks the options at once; the rest when the server starts. */
export function jwtVerifier(options: JwtOptions): (clock: Clock) => Verifier {
  const { issuer, audience, type, clockToleranceMs = 5_000, maxAgeMs, secret } = options;
  if (audience === undefined || audience.length === 0)
    throw optionError("audience", audience, "the name of this service in the tokens' aud claim");
  if (!(clockToleranceMs >= 0 && clockToleranceMs <= 300_000))
    throw optionError("clockToleranceMs", clockToleranceMs, "a number from 0 to 300000 (ms)");
  if (maxAgeMs !== undefined && !(maxAgeMs > 0)) throw optionError("maxAgeMs", maxAgeMs, "a number above 0 (ms)");
  const known = secret === undefined ? ASYMMETRIC : SYMMETRIC;
  const algorithms = options.algorithms ?? (secret === undefined ? ASYMMETRIC : ["HS256"]);
  for (const algorithm of algorithms)
    if (!known.includes(algorithm)) throw optionError("algorithms", algorithm, `some of ${known.join(", ")}`);
  if (algorithms.length === 0) throw optionError("algorithms", "", `some of ${known.join(", ")}`);
  const keys = keysOf(options);
  const checks: JWTVerifyOptions = {
    algorithms: [...algorithms],
    audience: list(audience),
    clockTolerance: clockToleranceMs / 1_000,
    ...(issuer !== undefined && { issuer: list(issuer) }),
    ...(type !== undefined && { typ: type }),
    ...(maxAgeMs !== undefined && { maxTokenAge: maxAgeMs / 1_000 }),
  };
  return (clock) => {
    const { get, healthy } = keys(clock);
    const verified = new VerifiedTokens(clock, clockToleranceMs, maxAgeMs);
    return {
      healthy,
      async verify(token) {
        const known = verified.get(token);
        if (known !== undefined) return known;
        try {
          const given = { ...checks, currentDate: new Date(clock.wallNow()) };
          const { payload } = await jwtVerify(token, get, given);
          verified.add(token, payload);
          return payload;
        } catch (error) {
          throw refusalOf(error);
        }
      },
    };
  };
}

const list = (names: string | readonly string[]): string[] => (typeof names === "string" ? [names] : [...names]);

function keysOf(options: JwtOptions): (clock: Clock) => Keys {
  const { issuer, jwksUri, keys, secret } = options;
  if ([jwksUri, keys, secret].filter((each) => each !== undefined).length > 1)
    throw optionError("keys", undefined, "one of jwksUri, keys and secret, not several");
  if (secret !== undefined) {
    const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
    if (!(bytes instanceof Uint8Array)) throw optionError("secret", secret, "bytes, or text");
    if (bytes.length < 32) throw optionError("secret", bytes.length, "at least 32 random bytes (RFC 7518 section 3.2)");
    return () => ({ get: () => bytes });
  }
  if (keys !== undefined) {
    try {
      const local = createLocalJWKSet(keys);
      return () => ({ get: local });
    } catch {
      throw optionError("keys", "", "a JSON Web Key Set: { keys: [...] }");
    }
  }
  if (jwksUri !== undefined) {
    const find = async (): Promise<string> => String(typeof jwksUri === "function" ? await jwksUri() : jwksUri);
    return (clock) => remoteKeys(find, clock);
  }
  const [first, ...more] = issuer === undefined ? [] : list(issuer);
  if (first === undefined || more.length > 0)
    throw optionError("jwksUri", undefined, "where the keys are, since they can be discovered for exactly one issuer");
  if (!URL.canParse(first))
    throw optionError("issuer", undefined, "an https: URL, where its keys are found; or keys, jwksUri or a secret");
  const find = async (ask: Ask): Promise<string> => {
    const { jwks_uri: uri, issuer: says } = (await ask(
      `${first.replace(/\/$/, "")}/.well-known/openid-configuration`,
    )) as {
      jwks_uri?: unknown;
      issuer?: unknown;
    };
    if (says !== first || typeof uri !== "string") throw new Error("its discovery document is another issuer's");
    return uri;
  };
  return (clock) => remoteKeys(find, clock);
}

/** What is wrong with the token, in words that hold nothing of it. */
function refusalOf(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof errors.JWTExpired) return fail("credential_expired");
  const detail =
    error instanceof errors.JWTClaimValidationFailed
      ? `its claim "${["iss", "aud", "nbf", "iat", "exp", "typ"].includes(error.claim) ? error.claim : "?"}" is not accepted`
      : error instanceof errors.JWSSignatureVerificationFailed
        ? "its signature does not fit"
        : error instanceof errors.JOSEAlgNotAllowed
          ? "its algorithm is not allowed"
          : error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys
            ? "its key is not known"
            : error instanceof errors.JWTInvalid ||
                error instanceof errors.JWSInvalid ||
                error instanceof errors.JOSENotSupported
              ? "it is no JSON Web Token that is taken here"
              : undefined;
  if (detail !== undefined) return fail("credential_invalid", { detail });
  return fail("keys_unavailable", {
    detail: error instanceof errors.JWKSTimeout ? "no answer in time" : "it did not answer as it should",
  });
}
