// Signing in a page, with WebCrypto; what verifies is in Node's entry.
import type { Interceptor } from "@connectrpc/connect";
import type { Plugin } from "@raceway/core";
import { type ChecksReply, replyInterceptor, replyVerifierPlugin } from "./replies.ts";
import type { Signs } from "./signer.ts";
import {
  type ReplyVerifierOptions,
  type SignerOptions,
  checkKeyId,
  resolveReplies,
  resolveSigner,
  secretBytes,
  signerPlugin,
  signingInterceptor,
} from "./signing-options.ts";

/** An HMAC-SHA-256 secret, or an Ed25519 key: PKCS #8 in PEM, or a CryptoKey that signs. */
export type SigningKey = { readonly id: string } & (
  | { readonly secret: Uint8Array | string }
  | { readonly privateKey: string | CryptoKey }
);

/** Signs each call of a connection. Throws `option_invalid`; a key that the browser cannot use ends the calls that it was to sign. */
export function signer(options: SignerOptions<SigningKey>): Plugin {
  return signerPlugin(resolveSigner(options, prepare));
}

/** For a Connect client without Raceway, which comes to a native door: `createConnectTransport({ interceptors: [signatures({ key })] })`. */
export function signatures(options: SignerOptions<SigningKey>): Interceptor {
  return signingInterceptor(resolveSigner(options, prepare));
}

/** The same secret, or the Ed25519 key's public half: SPKI in PEM, or a CryptoKey that verifies. */
export type VerifyingKey = { readonly secret: Uint8Array | string } | { readonly publicKey: string | CryptoKey };

/** Takes only answers that a server signed for this call, with one of these keys (`reply_unsigned`, `reply_forged`). Errors are not signed. Throws `option_invalid`. */
export function replyVerifier(options: ReplyVerifierOptions<VerifyingKey>): Plugin {
  const { known, unsigned } = resolveReplies(options, prepareVerifying);
  return replyVerifierPlugin(known, unsigned);
}

/** The same for a Connect client without Raceway, at a native door: `createConnectTransport({ interceptors: [verifiedReplies({ keys })] })`. */
export function verifiedReplies(options: ReplyVerifierOptions<VerifyingKey>): Interceptor {
  const { known, unsigned } = resolveReplies(options, prepareVerifying);
  return replyInterceptor(known, unsigned);
}

function prepareVerifying(id: string, key: VerifyingKey): ChecksReply {
  const isSecret = "secret" in key;
  const importing = isSecret
    ? importSecret(secretBytes("reply-verifier", `keys["${id}"].secret`, key.secret), "verify")
    : importPem(key.publicKey, "spki", "verify");
  importing.catch(() => {}); // each call that needs it hears of it
  const algorithm = isSecret ? "HMAC" : "Ed25519";
  return async (bytes, value) => crypto.subtle.verify(algorithm, await importing, new Uint8Array(value), bytes);
}

function prepare(key: SigningKey): Signs {
  checkKeyId("signer", "key.id", key.id);
  const isSecret = "secret" in key;
  const importing = isSecret
    ? importSecret(secretBytes("signer", "key.secret", key.secret), "sign")
    : importPem(key.privateKey, "pkcs8", "sign");
  importing.catch(() => {}); // each call that needs it hears of it
  const algorithm = isSecret ? "HMAC" : "Ed25519";
  // Signatures are given out in the order in which they were asked for, so that calls stay in theirs.
  let last: Promise<unknown> = Promise.resolve();
  return {
    id: key.id,
    sign(bytes) {
      const made = importing.then((imported) => crypto.subtle.sign(algorithm, imported, bytes));
      const inTurn = Promise.all([made, last]).then(([value]) => new Uint8Array(value));
      last = inTurn.catch(() => {});
      return inTurn;
    },
  };
}

function importSecret(secret: Uint8Array<ArrayBuffer>, use: "sign" | "verify"): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, [use]);
}

async function importPem(
  key: string | CryptoKey,
  format: "pkcs8" | "spki",
  use: "sign" | "verify",
): Promise<CryptoKey> {
  if (typeof key !== "string") return key;
  const text = key.replaceAll(/-----[^-]+-----|\s/g, "");
  const der = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return crypto.subtle.importKey(format, der, "Ed25519", false, [use]);
}
