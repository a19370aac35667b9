// What a cookie's value stands for: who the session belongs to, from when and until when. Kept in a store of the application, or sealed in the value itself.
import { hash } from "node:crypto";
import { type Host, type Principal, fail, systemRandom } from "@raceway/core";
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

/** What a vault tells of a cookie. */
export interface Opened {
  readonly principal: Principal;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Names the session through all its cookies, and tells nothing of them: it may be in a store that others read. */
  readonly session: string;
}
/** The value of a cookie, and the name of its session. */
export interface Made {
  readonly value: string;
  readonly session: string;
}
export type VaultHost = Pick<Host, "clock" | "log">;

/** Makes and reads the values of cookies; `Of`: what a session is begun with. */
export interface Vault<Of> {
  make(of: Of, createdAt: number, expiresAt: number): Promise<Made>;
  /** A fresh value for the same session. */
  renew(value: string, opened: Opened, expiresAt: number): Promise<Made>;
  /** Throws `credential_invalid`, `credential_expired`, `keys_unavailable`. */
  open(value: string, host: VaultHost): Promise<Opened>;
  /** Of which session a cookie is; undefined if it is none, or has expired. */
  sessionOf(value: string, host: VaultHost): Promise<string | undefined>;
}

/** Longest name and value that all browsers keep (RFC 6265bis, section 5.6). */
export const COOKIE_BYTES = 4_096;

/** The value is the id of a session in a store of the application. */
export function storedSessions(
  lookup: (id: string) => CookieSession | undefined | Promise<CookieSession | undefined>,
): Vault<string> {
  const made = (id: string): Made => ({ value: id, session: hash("sha256", id, "base64url") });
  return {
    async make(id) {
      if (!isId(id))
        throw invalid(
          "id",
          "what was given to issue",
          'a random id of 16 to 1,024 characters, without blanks or any of " , ; \\',
        );
      return made(id);
    },
    renew: (id) => Promise.resolve(made(id)),
    async open(id, { log }) {
      if (!isId(id)) throw fail("credential_invalid", { detail: "the cookie is no id of a session" });
      let found: CookieSession | undefined;
      try {
        found = await lookup(id);
      } catch (error) {
        log.error("the store of sessions failed", { error: String(error) });
        throw fail("keys_unavailable", { detail: "the store of sessions did not answer" });
      }
      if (found === undefined) throw fail("credential_invalid", { detail: "there is no such session, or no more" });
      const [createdAt, expiresAt] = [Number(found.createdAt), Number(found.expiresAt)];
      if (!Number.isFinite(createdAt) || !Number.isFinite(expiresAt)) {
        // It would never end, and nobody could take it back.
        log.error("the store of sessions gave one without createdAt or expiresAt");
        throw fail("credential_invalid", { detail: "its session has no times" });
      }
      return { principal: found.principal, createdAt, expiresAt, session: made(id).session };
    },
    sessionOf: (id) => Promise.resolve(isId(id) ? made(id).session : undefined),
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
  const seal = async (who: Principal, session: string, createdAt: number, expiresAt: number): Promise<Made> => {
    const claims = { who, jti: session, iat: createdAt / 1_000, exp: expiresAt / 1_000 }; // with milliseconds
    const header = { alg: "dir", enc: "A256GCM", kid: newest.id };
    return { value: await new EncryptJWT(claims).setProtectedHeader(header).encrypt(newest.seal), session };
  };
  const open = async (value: string, { clock }: VaultHost): Promise<Opened> => {
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
    const { who, iat, exp, jti } = opened.payload;
    return {
      principal: who!,
      createdAt: Math.round(iat! * 1_000),
      expiresAt: Math.round(exp! * 1_000),
      session: jti!,
    };
  };
  return {
    async make(principal, createdAt, expiresAt) {
      if (typeof principal?.id !== "string" || principal.id === "")
        throw invalid("principal", "what was given to issue", "a principal with an id");
      const session = Buffer.from(systemRandom.bytes(16)).toString("base64url");
      return seal(principal, session, createdAt, expiresAt);
    },
    renew: (_, { principal, session, createdAt }, expiresAt) => seal(principal, session, createdAt, expiresAt),
    open,
    sessionOf: (value, host) =>
      open(value, host).then(
        ({ session }) => session,
        () => undefined,
      ),
  };
}
