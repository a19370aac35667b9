// How a confidential client shows the issuer who it is: a secret, or a signature with its own key (`private_key_jwt`, RFC 7523).
import {
  type AuthorizationServer,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  type CryptoKey as PrivateCryptoKey,
  PrivateKeyJwt,
} from "oauth4webapi";
import { optionError } from "./option-error.ts";

/** A private key as JSON (RFC 7517), with `alg`: ES256, ES384, ES512, RS256 and so on, PS256 and so on, EdDSA or Ed25519. Its `kid` goes along. */
export interface PrivateJwk {
  readonly kty?: string;
  readonly alg: string;
  readonly kid?: string;
  readonly crv?: string;
  readonly d?: string;
  readonly [member: string]: unknown;
}

export interface ClientAuthOptions {
  /** What the issuer knows this client by. */
  readonly clientId: string;
  /** The secret that was agreed with the issuer. This or `privateKey`. */
  readonly clientSecret?: string;
  /** Where the secret goes. Default: into the header `Authorization`, unless the issuer's metadata has only the body. */
  readonly authMethod?: "client_secret_basic" | "client_secret_post";
  /** The key whose public half the issuer has. A `CryptoKey` may be one that cannot be exported. */
  readonly privateKey?: PrivateCryptoKey | PrivateJwk;
}
export const clientAuthOptions = ["clientId", "clientSecret", "authMethod", "privateKey"] as const;

/** Checks the options at once; throws `option_invalid`. */
export function clientAuth(part: string, options: ClientAuthOptions, prefix = ""): ClientAuth {
  const { clientId, clientSecret, privateKey, authMethod } = options;
  const wrong = (option: string, given: unknown, expected: string): Error =>
    optionError(part, `${prefix}${option}`, given, expected);
  if (typeof clientId !== "string" || clientId === "") throw wrong("clientId", clientId, "a text that is not empty");
  if ((clientSecret === undefined) === (privateKey === undefined))
    throw wrong("clientSecret", clientSecret, "one of clientSecret and privateKey");
  if (privateKey !== undefined) {
    if (authMethod !== undefined) throw wrong("authMethod", authMethod, "a clientSecret for it");
    return byKey(privateKey, wrong);
  }
  if (typeof clientSecret !== "string" || clientSecret === "")
    throw wrong("clientSecret", clientSecret, "a text that is not empty");
  if (authMethod !== undefined && authMethod !== "client_secret_basic" && authMethod !== "client_secret_post")
    throw wrong("authMethod", authMethod, '"client_secret_basic" or "client_secret_post"');
  const [inHeader, inBody] = [ClientSecretBasic(clientSecret), ClientSecretPost(clientSecret)];
  return (issuer, ...rest) =>
    ((authMethod ?? methodOf(issuer)) === "client_secret_post" ? inBody : inHeader)(issuer, ...rest);
}

/** RFC 8414 section 2: without a list it is the header. */
function methodOf({ token_endpoint_auth_methods_supported: has }: AuthorizationServer): string {
  return has === undefined || has.includes("client_secret_basic") ? "client_secret_basic" : "client_secret_post";
}

function byKey(
  key: PrivateCryptoKey | PrivateJwk,
  wrong: (option: string, given: unknown, expected: string) => Error,
): ClientAuth {
  if (key instanceof CryptoKey) {
    if (key.type !== "private") throw wrong("privateKey", key, "a private key, not a public or a secret one");
    return PrivateKeyJwt(key);
  }
  const algorithm = typeof key.alg === "string" ? algorithmOf(key) : undefined;
  if (algorithm === undefined || typeof key.d !== "string")
    throw wrong("privateKey", key, "a private key as a CryptoKey, or as a JSON Web Key with alg");
  let imported: Promise<ClientAuth> | undefined;
  return async (...request) => {
    // Imported when it is first needed, for that takes a promise.
    imported ??= crypto.subtle.importKey("jwk", key as JsonWebKey, algorithm, false, ["sign"]).then(
      (made) => PrivateKeyJwt({ key: made, ...(key.kid !== undefined && { kid: key.kid }) }),
      () => {
        throw wrong("privateKey", key, "a key that is whole, and fits its alg");
      },
    );
    await (
      await imported
    )(...request);
  };
}

/** RFC 7518 section 3.1, RFC 8037. */
function algorithmOf({
  alg,
  crv,
}: PrivateJwk): RsaHashedImportParams | EcKeyImportParams | { name: "Ed25519" } | undefined {
  const hash = `SHA-${alg.slice(2)}`;
  if (/^RS(256|384|512)$/.test(alg)) return { name: "RSASSA-PKCS1-v1_5", hash };
  if (/^PS(256|384|512)$/.test(alg)) return { name: "RSA-PSS", hash };
  const curve = { ES256: "P-256", ES384: "P-384", ES512: "P-521" }[alg];
  if (curve !== undefined) return crv === curve ? { name: "ECDSA", namedCurve: curve } : undefined;
  return (alg === "EdDSA" || alg === "Ed25519") && crv === "Ed25519" ? { name: "Ed25519" } : undefined;
}
