// Reasons of sign-in by OAuth 2 and OpenID Connect, as clients give them.
import { Code } from "@connectrpc/connect";

/** Reasons are permanent; a retired one stays, marked. */
export const oauthReasons = {
  issuer_failed: {
    code: Code.Unavailable as Code,
    message: (v: { issuer: string; detail: string; retryAfterMs?: number }): string =>
      `Issuer ${v.issuer} failed: ${v.detail}. Nothing was issued; it is asked again later.`,
  },
  issuer_refused: {
    code: Code.Unauthenticated as Code,
    message: (v: { issuer: string; error: string; detail: string }): string =>
      `Issuer ${v.issuer} refused with "${v.error}": ${v.detail}. Look at the client's id, credentials, scopes and redirect URIs there.`,
  },
  sign_in_required: {
    code: Code.Unauthenticated as Code,
    message: (v: { issuer: string; detail: string }): string =>
      `Nobody is signed in at ${v.issuer}: ${v.detail}. Call begin() of signIn.`,
  },
  sign_in_invalid: {
    code: Code.Unauthenticated as Code,
    message: (v: { issuer: string; detail: string }): string =>
      `What came back as a sign-in at ${v.issuer} was not taken: ${v.detail}. Begin anew; if it comes again, somebody else made it up.`,
  },
} as const;
