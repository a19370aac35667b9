// Reasons of the shipped middleware. Those that have none of it do not load them.
import { Code } from "@connectrpc/connect";

/** Reasons are permanent; a retired one stays, marked. */
export const middlewareReasons = {
  // Who is it?
  credential_missing: {
    code: Code.Unauthenticated as Code,
    message: (v: { scheme: string }): string => `No credential came. Send ${v.scheme}.`,
  },
  credential_invalid: {
    code: Code.Unauthenticated as Code,
    message: (v: { detail: string }): string => `The credential is not valid: ${v.detail}. Get a fresh one.`,
  },
  credential_expired: {
    code: Code.Unauthenticated as Code,
    message: (): string =>
      "The credential has expired. Get a fresh one; connections with a bearer do so by themselves.",
  },
  credential_revoked: {
    code: Code.Unauthenticated as Code,
    message: (): string => "The credential was revoked. Sign in again.",
  },
  principal_changed: {
    code: Code.Unauthenticated as Code,
    message: (): string => "The fresh credential is another principal's. Open a new session for it.",
  },
} as const;
