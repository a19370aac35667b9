// What transports that go by HTTP requests need besides: names of links, reasons in headers, refusals, and what to make of failures.
import type { ConnectError } from "@connectrpc/connect";
import { readAnswer } from "./http-batches.ts";
import type { Random } from "./random.ts";
import type { HttpExchange } from "./transport.ts";

/** Name of a link: 128 bits that nobody can guess, as 32 hexadecimal digits. Whoever knows it has the link, so it is never in a URL. */
export function linkName(random: Random): string {
  let name = "";
  for (const byte of random.bytes(16)) name += byte.toString(16).padStart(2, "0");
  return name;
}
export function isLinkName(text: string | undefined): text is string {
  return text !== undefined && /^[0-9a-f]{32}$/.test(text);
}

/** Longest reason that is passed on. */
const REASON_LENGTH = 300;

/** Why a link is closed, percent-encoded for a header; "" if in good order. */
export function writeReason(error: ConnectError | undefined): string {
  return error === undefined ? "" : encodeURIComponent(error.rawMessage.slice(0, REASON_LENGTH).toWellFormed());
}
/** What `writeReason` made, as part of a sentence. */
export function readReason(text: string): string {
  try {
    return decodeURIComponent(text).slice(0, REASON_LENGTH).replace(/\.$/, "");
  } catch {
    return "for a reason that cannot be read";
  }
}

/** Codes of Connect with the statuses that refusals of a transport use. */
const REFUSALS = {
  invalid_argument: 400,
  permission_denied: 403,
  not_found: 404,
  unimplemented: 405,
  deadline_exceeded: 408,
  resource_exhausted: 413,
  unavailable: 503,
} as const;
export type Refusal = keyof typeof REFUSALS;

/** Answers with a code and a sentence in the form in which clients of Connect read errors. `status` where the code's usual one does not fit. */
export function refuseExchange(
  exchange: HttpExchange,
  code: Refusal,
  message: string,
  headers: Readonly<Record<string, string>>,
  status: number = REFUSALS[code],
): void {
  const body = new TextEncoder().encode(`${JSON.stringify({ code, message })}\n`);
  exchange.reply(status, { ...headers, "content-type": "application/json", "cache-control": "no-store" }, body);
}

/** Answers that a proxy or a busy server gives, and that another try may mend. */
const PASSING: ReadonlySet<number> = new Set([408, 409, 425, 429, 500, 502, 503, 504]);
export function mayPass(status: number): boolean {
  return PASSING.has(status);
}

/** Largest refusal that is read. */
const REFUSAL_BYTES = 65_536;

/** What a refusal says, for people. Never rejects. */
export async function readRefusal(response: Response): Promise<string> {
  const status = `the server answered ${response.status}`;
  try {
    const said = JSON.parse(new TextDecoder().decode(await readAnswer(response, REFUSAL_BYTES))) as {
      readonly message?: unknown;
    } | null;
    return typeof said?.message === "string"
      ? `${status}: ${said.message.slice(0, REASON_LENGTH).replace(/\.$/, "")}`
      : status;
  } catch {
    return status; // not ours: a proxy's page, or cut off
  }
}

/** What a rejected `fetch` says, for people; Node hides the cause one level down. */
export function fetchFailure(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return (cause === undefined ? message : `${message} (${cause})`).slice(0, REASON_LENGTH);
}
