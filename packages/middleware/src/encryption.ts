// Encryption end to end: events are sealed before they reach the log, calls before they reach a link, and opened by those who have the key.
import { createCipheriv, createDecipheriv } from "node:crypto";
import { type Plugin, systemRandom } from "@raceway/core";
import { concat } from "./canonical.ts";
import {
  type EncryptionOptions,
  type VaultOptions,
  encryptionPlugin,
  keyBytes,
  makeVault,
} from "./encryption-options.ts";
import type { Cipher, Vault } from "./sealed-message.ts";

export type { Place, Vault } from "./sealed-message.ts";

const ALGORITHM = "aes-256-gcm";
const TAG_BYTES = 16;

/**
 * On a server: seals what is published, opens requests, seals responses; on a client the other way round. Only for messages whose type has a field of type `raceway.v1.Sealed`.
 * Whoever opens takes nothing that is not sealed. Throws `option_invalid`.
 */
export function encryption(options: EncryptionOptions<Uint8Array>): Plugin {
  return encryptionPlugin(vault(options), options);
}

/** Seals and opens messages by hand: for those who seal in a client what a server passes on without reading it. Throws `option_invalid`. */
export function vault({ keys, seal }: VaultOptions<Uint8Array>): Vault {
  return makeVault({ keys, ...(seal !== undefined && { seal }) }, cipherOf, (length) => systemRandom.bytes(length));
}

function cipherOf(option: string, given: Uint8Array): Cipher {
  const key = keyBytes(option, given);
  return {
    seal(nonce, data, plain) {
      const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(data);
      return concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(nonce, data, sealed) {
      const end = sealed.length - TAG_BYTES;
      if (end < 0) throw new RangeError("shorter than its tag");
      const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }).setAAD(data);
      decipher.setAuthTag(sealed.subarray(end));
      return concat([decipher.update(sealed.subarray(0, end)), decipher.final()]); // none of it before all was found good
    },
  };
}
