// Encryption in a page, with WebCrypto: what a client needs.
import { type Plugin, systemRandom } from "@raceway/core";
import {
  type EncryptionOptions,
  type VaultOptions,
  encryptionPlugin,
  keyBytes,
  makeVault,
} from "./encryption-options.ts";
import type { Cipher, Vault } from "./sealed-message.ts";

export type { Place, Vault } from "./sealed-message.ts";

/** 32 random bytes, or a CryptoKey for AES-GCM, which need not be extractable. */
export type EncryptionKey = Uint8Array | CryptoKey;

/** As in Node, for clients. Throws `option_invalid`. */
export function encryption(options: EncryptionOptions<EncryptionKey>): Plugin {
  return encryptionPlugin(vault(options), options);
}

/** As in Node; its methods answer with promises. */
export function vault({ keys, seal }: VaultOptions<EncryptionKey>): Vault {
  return makeVault({ keys, ...(seal !== undefined && { seal }) }, cipherOf, (length) => systemRandom.bytes(length));
}

function cipherOf(option: string, given: EncryptionKey): Cipher {
  const importing =
    given instanceof CryptoKey
      ? Promise.resolve(given)
      : crypto.subtle.importKey("raw", keyBytes(option, given), "AES-GCM", false, ["encrypt", "decrypt"]);
  importing.catch(() => {}); // each message that needs it hears of it
  const parameters = (iv: Uint8Array<ArrayBuffer>, additionalData: Uint8Array<ArrayBuffer>): AesGcmParams => ({
    name: "AES-GCM",
    iv,
    additionalData,
  });
  return {
    seal: async (nonce, data, plain) =>
      new Uint8Array(await crypto.subtle.encrypt(parameters(nonce, data), await importing, new Uint8Array(plain))),
    open: async (nonce, data, sealed) =>
      new Uint8Array(await crypto.subtle.decrypt(parameters(nonce, data), await importing, new Uint8Array(sealed))),
  };
}
