// What an issuer did wrong, or did not allow, as an error of the catalogue: without the answer itself, for that may hold tokens.
import { ConnectError } from "@connectrpc/connect";
import { fail } from "@raceway/core";
import { AuthorizationResponseError, ResponseBodyError, WWWAuthenticateChallengeError } from "oauth4webapi";

/** RFC 6749 sections 4.1.2.1 and 5.2, and what issuers say beside it: it may go well next time. */
const PASSING = new Set(["server_error", "temporarily_unavailable", "slow_down", "too_many_requests"]);
/** Of what an issuer says so much is repeated. */
const MAX_TEXT = 200;

/** `issuer_failed` if it may go well next time, `issuer_refused` if it may not. What is an error of the catalogue stays what it is. */
export function issuerError(issuer: string, error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const response = responseOf(error);
  const status = response?.status ?? 0;
  const code = codeOf(error);
  if (code !== undefined && !PASSING.has(code) && status < 500 && status !== 429)
    return fail("issuer_refused", { issuer, error: plain(code), detail: plain(descriptionOf(error)) });
  const waitMs = secondsOf(response) * 1_000;
  return fail("issuer_failed", {
    issuer,
    detail: detailOf(error, code, status),
    ...(waitMs > 0 && { retryAfterMs: waitMs }),
  });
}

/** An error code of OAuth's. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof ResponseBodyError || error instanceof AuthorizationResponseError) return error.error;
  // RFC 6749 section 5.2: a token endpoint answers so to a client that it does not know, and to nothing else.
  if (error instanceof WWWAuthenticateChallengeError) return error.cause[0]?.parameters.error ?? "invalid_client";
  return undefined;
}

function descriptionOf(error: unknown): string {
  if (error instanceof ResponseBodyError || error instanceof AuthorizationResponseError)
    return error.error_description ?? "it does not say why";
  return "it does not take the client's id and credentials";
}

function responseOf(error: unknown): Response | undefined {
  if (error instanceof ResponseBodyError || error instanceof WWWAuthenticateChallengeError) return error.response;
  return error instanceof Error && error.cause instanceof Response ? error.cause : undefined;
}

function detailOf(error: unknown, code: string | undefined, status: number): string {
  if (code !== undefined) return `it says "${plain(code)}"`;
  if (status > 0 && status !== 200) return `it answered with status ${status}`;
  if (error instanceof Error && error.name === "TimeoutError") return "it did not answer in time";
  // `fetch` rejects with a TypeError when it got no answer, in a page also when the issuer does not allow the page's origin.
  if (error instanceof TypeError && !("code" in error)) return "it cannot be reached";
  return `it did not answer as it should (${error instanceof Error ? plain(error.message) : "for an unknown reason"})`;
}

/** RFC 9110 section 10.2.3, in its form of seconds; 0 if there is none. */
function secondsOf(response: Response | undefined): number {
  const text = response?.headers.get("retry-after") ?? "";
  return /^\d{1,6}$/.test(text) ? Number(text) : 0;
}

/** Strangers write it, people read it: printable ASCII (RFC 6749 appendix A.7), and not too long. */
const plain = (text: string): string => text.replaceAll(/[^\x20-\x7E]/g, "?").slice(0, MAX_TEXT);
