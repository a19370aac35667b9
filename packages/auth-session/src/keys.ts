// The keys that seal cookies and sign CSRF tokens, made of the secrets of the options: the first one makes, all of them open.
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { invalid } from "./options.ts";

export interface Key {
  /** Tells which key it was, and nothing of it. */
  readonly id: string;
  /** For A256GCM. */
  readonly seal: Uint8Array;
  /** For HMAC-SHA-256. */
  readonly sign: Uint8Array;
}

/** As long as the keys made of it: shorter ones can be guessed sooner than those. */
const LEAST_BYTES = 32;
const SALT = "raceway session cookie";

/** Throws `option_invalid`, which never shows a secret. */
export function keysOf(secrets: readonly (string | Uint8Array)[]): readonly [Key, ...Key[]] {
  if (!Array.isArray(secrets) || secrets.length === 0)
    throw invalid("keys", "none", "a list of secrets, the newest first");
  return secrets.map((secret: unknown) => {
    const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
    if (!(bytes instanceof Uint8Array) || bytes.length < LEAST_BYTES)
      throw invalid("keys", "what was given", `secrets of at least ${LEAST_BYTES} random bytes`);
    const made = (purpose: string, length: number): Uint8Array =>
      new Uint8Array(hkdfSync("sha256", bytes, SALT, purpose, length)); // RFC 5869
    return { id: Buffer.from(made("id", 6)).toString("base64url"), seal: made("seal", 32), sign: made("sign", 32) };
  }) as unknown as readonly [Key, ...Key[]];
}

/** The CSRF token of a session: random, and signed together with what names the session, as OWASP's signed double submit has it. */
export function csrfToken([{ sign }]: readonly [Key, ...Key[]], session: string, random: Uint8Array): string {
  const nonce = Buffer.from(random).toString("base64url");
  return `${macOf(sign, session, nonce).toString("base64url")}.${nonce}`;
}

/** Takes as long for a wrong token as for a right one. */
export function isCsrfToken(keys: readonly Key[], session: string, token: string): boolean {
  const [mac = "", nonce = "", more] = token.split(".");
  const given = Buffer.from(mac, "base64url");
  if (more !== undefined || nonce === "" || token.length > 200) return false;
  return keys.some(({ sign }) => {
    const wanted = macOf(sign, session, nonce);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

/** With lengths, so that no part of one can pass for a part of the other. */
const macOf = (key: Uint8Array, session: string, nonce: string): Buffer =>
  createHmac("sha256", key).update(`${session.length}!${session}!${nonce.length}!${nonce}`).digest();
