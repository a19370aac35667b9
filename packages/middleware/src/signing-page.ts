// Signing in a page, with WebCrypto; what verifies is in Node's entry.
import type { Interceptor } from "@connectrpc/connect";
import type { Plugin } from "@raceway/core";
import type { Signs } from "./signer.ts";
import {
  type SignerOptions,
  checkKeyId,
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

function prepare(key: SigningKey): Signs {
  checkKeyId("signer", "key.id", key.id);
  const isSecret = "secret" in key;
  const importing = isSecret
    ? importSecret(secretBytes("signer", "key.secret", key.secret))
    : importPrivate(key.privateKey);
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

function importSecret(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

async function importPrivate(key: string | CryptoKey): Promise<CryptoKey> {
  if (typeof key !== "string") return key;
  const text = key.replaceAll(/-----[^-]+-----|\s/g, "");
  const der = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return crypto.subtle.importKey("pkcs8", der, "Ed25519", false, ["sign"]);
}
