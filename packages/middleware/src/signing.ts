// Signatures: a client signs what it sends, a server lets through what was signed with a known key, in time, and comes for the first time.
import {
  type KeyObject,
  createHmac,
  createPrivateKey,
  createPublicKey,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";
import type { Interceptor } from "@connectrpc/connect";
import { type Plugin, resolveOptions } from "@raceway/core";
import { checkChannelNames } from "./channel-settings.ts";
import { replyInterceptor, replySignerPlugin, replyVerifierPlugin } from "./replies.ts";
import type { Signs } from "./signer.ts";
import {
  type ReplyVerifierOptions,
  type SignerOptions,
  type VerifierOptions,
  checkKeyId,
  invalid,
  resolveReplies,
  resolveSigner,
  secretBytes,
  signerPlugin,
  signingInterceptor,
  verifierOptions,
} from "./signing-options.ts";
import { type Verifies, verifierPlugin } from "./verifier.ts";

export { signedBy } from "./verifier.ts";

/** An HMAC-SHA-256 secret, or an Ed25519 key: PKCS #8 in PEM, or Node's own. */
export type SigningKey = { readonly id: string } & (
  | { readonly secret: Uint8Array | string }
  | { readonly privateKey: string | KeyObject }
);
/** The same secret, or the Ed25519 key's public half: SPKI in PEM, or Node's own. */
export type VerifyingKey = { readonly secret: Uint8Array | string } | { readonly publicKey: string | KeyObject };

/** Client: signs each call, anew for each attempt. Throws `option_invalid`. */
export function signer(options: SignerOptions<SigningKey>): Plugin {
  return signerPlugin(resolveSigner(options, prepareSigning));
}

/** For a Connect client without Raceway, which comes to a native door: `createGrpcTransport({ interceptors: [signatures({ key })] })`. */
export function signatures(options: SignerOptions<SigningKey>): Interceptor {
  return signingInterceptor(resolveSigner(options, prepareSigning));
}

/**
 * Server: refuses calls, subscriptions and messages of streams that are not signed (`signature_missing`), with an unknown key (`signature_key_unknown`) or otherwise than they say
 * (`signature_invalid`), too early or late (`signature_expired`), or that came before (`signature_replayed`; nonces are in the host's store, so all nodes with one store know them).
 */
export function verifier({ keys, ...rest }: VerifierOptions<VerifyingKey>): Plugin {
  const options = resolveOptions("verifier", verifierOptions, rest);
  checkChannelNames("verifier", "unsigned", options.unsigned);
  const known = new Map<string, Verifies>();
  for (const [id, key] of Object.entries(keys ?? {})) {
    checkKeyId("verifier", "keys", id);
    known.set(id, prepareVerifying(id, key));
  }
  if (known.size === 0) throw invalid("verifier", "keys", "empty", "at least one key by its id");
  return verifierPlugin(known, options);
}

/**
 * Server: signs what it answers to clients that ask for it (`replyVerifier`): single answers in a header, streams message by message, each bound to its call. Throws `option_invalid`.
 */
export function replySigner(options: SignerOptions<SigningKey>): Plugin {
  const { key, unsigned } = resolveSigner(options, prepareSigning);
  return replySignerPlugin(key, unsigned);
}

/** Client: takes only answers that a server signed for this call, with one of these keys (`reply_unsigned`, `reply_forged`). Errors are not signed. Throws `option_invalid`. */
export function replyVerifier(options: ReplyVerifierOptions<VerifyingKey>): Plugin {
  const { known, unsigned } = resolveReplies(options, prepareVerifying);
  return replyVerifierPlugin(known, unsigned);
}

/** The same for a Connect client without Raceway, at a native door: `createConnectTransport({ interceptors: [verifiedReplies({ keys })] })`. */
export function verifiedReplies(options: ReplyVerifierOptions<VerifyingKey>): Interceptor {
  const { known, unsigned } = resolveReplies(options, prepareVerifying);
  return replyInterceptor(known, unsigned);
}

function prepareSigning(key: SigningKey): Signs {
  checkKeyId("signer", "key.id", key.id);
  if ("secret" in key) {
    const secret = secretBytes("signer", "key.secret", key.secret);
    return { id: key.id, sign: (bytes) => createHmac("sha256", secret).update(bytes).digest() };
  }
  const privateKey = ed25519("signer", "key.privateKey", () =>
    typeof key.privateKey === "string" ? createPrivateKey(key.privateKey) : key.privateKey,
  );
  return { id: key.id, sign: (bytes) => sign(null, bytes, privateKey) };
}

function prepareVerifying(id: string, key: VerifyingKey): Verifies {
  if ("secret" in key) {
    const secret = secretBytes("verifier", `keys["${id}"].secret`, key.secret);
    return (bytes, value) => {
      const expected = createHmac("sha256", secret).update(bytes).digest();
      return value.length === expected.length && timingSafeEqual(value, expected);
    };
  }
  const publicKey = ed25519("verifier", `keys["${id}"].publicKey`, () =>
    typeof key.publicKey === "string" ? createPublicKey(key.publicKey) : key.publicKey,
  );
  return (bytes, value) => value.length === 64 && verify(null, bytes, publicKey, value);
}

function ed25519(part: string, option: string, read: () => KeyObject): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = read();
  } catch {
    // what it was is nobody's business
  }
  if (key?.asymmetricKeyType !== "ed25519")
    throw invalid(part, option, "no such key", "an Ed25519 key, as PEM or KeyObject");
  return key;
}
