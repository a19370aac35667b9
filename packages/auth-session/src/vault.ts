// What a cookie's value stands for: who the session belongs to, from when and until when. Kept in a store of the application, or sealed in the value itself.
import { hash } from "node:crypto";
import { type Clock, type Logger, type Principal, type Random, fail } from "@raceway/core";
import { EncryptJWT, type JWTDecryptResult, errors, jwtDecrypt } from "jose";
import type { Key } from "./keys.ts";
import { invalid } from "./options.ts";

/** A session, as the application's store has it. Times are in milliseconds since 1970, or dates. */
export interface CookieSession {
  readonly principal: Principal;
  /** Sessions of a principal that were begun before a `revoke` are refused. */
  readonly createdAt: number | Date;
  /** Then it ends, at this moment, whatever is under way. */
  readonly expiresAt: number | Date;
}

/** What the vault tells of a cookie. */
export interface Opened {
  readonly principal: Principal;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Makes and reads the values of cookies; `Of`: what a session is begun with. */
export interface Vault<Of> {
  make(of: Of, createdAt: number, expiresAt: number, random: Random): Promise<string>;
  /** Throws `credential_invalid`, `credential_expired`, `keys_unavailable`. */
  open(value: string, host: { readonly clock: Clock; readonly log: Logger }): Promise<Opened>;
}

/** Longest name and value that all browsers keep (RFC 6265bis, section 5.6). */
export const COOKIE_BYTES = 4_096;

/** The value is the id of a session in a store of the application. */
export function storedSessions(
  lookup: (id: string) => CookieSession | undefined | Promise<CookieSession | undefined>,
): Vault<string> {
  return {
    async make(id) {
      if (!isId(id))
        throw invalid(
          "id",
          "what was given to issue",
          'a random id of 16 to 1,024 characters, without blanks or any of " , ; \\',
        );
      return id;
    },
    async open(id, { log }) {
      if (!isId(id)) throw fail("credential_invalid", { detail: "the cookie is no id of a session" });
      let session: CookieSession | undefined;
      try {
        session = await lookup(id);
      } catch (error) {
        log.error("the store of sessions failed", { error: String(error) });
        throw fail("keys_unavailable", { detail: "the store of sessions did not answer" });
      }
      if (session === undefined) throw fail("credential_invalid", { detail: "there is no such session, or no more" });
      const { principal, createdAt, expiresAt } = session;
      return { principal, createdAt: Number(createdAt), expiresAt: Number(expiresAt) };
    },
  };
}

/** What a cookie's value may consist of (RFC 6265, section 4.1.1). Shorter ids can be guessed. */
const isId = (id: unknown): id is string =>
  typeof id === "string" && /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{16,1024}$/.test(id);

interface Sealed {
  readonly who?: Principal;
}

/** The value is the session itself, encrypted and signed: a JSON Web Token, `dir` and A256GCM (RFC 7516), that nobody but these keys can open or make. */
export function sealedSessions(keys: readonly [Key, ...Key[]]): Vault<Principal> {
  const [newest] = keys;
  return {
    async make(principal, createdAt, expiresAt, random) {
      if (typeof principal?.id !== "string" || principal.id === "")
        throw invalid("principal", "what was given to issue", "a principal with an id");
      // The times have milliseconds; the number makes two cookies of one moment different sessions.
      return new EncryptJWT({
        who: principal,
        jti: Buffer.from(random.bytes(16)).toString("base64url"),
        iat: createdAt / 1_000,
        exp: expiresAt / 1_000,
      })
        .setProtectedHeader({ alg: "dir", enc: "A256GCM", kid: newest.id })
        .encrypt(newest.seal);
    },
    async open(value, { clock }) {
      let opened: JWTDecryptResult<Sealed>;
      try {
        opened = await jwtDecrypt<Sealed>(
          value,
          ({ kid }) => {
            const key = keys.find(({ id }) => id === kid);
            if (key === undefined) throw fail("credential_invalid", { detail: "the cookie's key is not known" });
            return key.seal;
          },
          {
            keyManagementAlgorithms: ["dir"],
            contentEncryptionAlgorithms: ["A256GCM"],
            requiredClaims: ["who", "iat", "exp", "jti"],
            currentDate: new Date(clock.wallNow()),
          },
        );
      } catch (error) {
        if (error instanceof errors.JWTExpired) throw fail("credential_expired");
        if (error instanceof errors.JOSEError)
          throw fail("credential_invalid", { detail: "the cookie was not made here" });
        throw error;
      }
      const { who, iat, exp } = opened.payload;
      return { principal: who!, createdAt: Math.round(iat! * 1_000), expiresAt: Math.round(exp! * 1_000) };
    },
  };
}

/** Name of a session under which it is ended and its tokens are signed: tells nothing of the cookie, so that it may be in a store that others read. */
export const sessionName = (value: string): string => hash("sha256", value, "base64url");
