// The end of a call with an error, whatever the error is made of: handlers and plugins throw what they like.
import type { ConnectError } from "@connectrpc/connect";
import type { Logger } from "@raceway/core";
import { type Call, type HeaderField, type WireStatus, headerFields, statusOf } from "@raceway/core/internal";
import { shownError } from "./shown-error.ts";

/** What the log shows of an error that cannot be sent, in characters. */
const MOST_LOGGED = 1_000;

const encoder = new TextEncoder();

/**
 * Ends a call with an error. If that cannot be sent (its headers are beyond the limits, its text and details beyond those of a message, its details are no
 * messages), the call ends with what is wrong with it, and the log has the error. Never throws.
 */
export function endCall(
  call: Call,
  error: ConnectError,
  log: Logger,
  path: string,
  headers: {
    readonly header?: readonly HeaderField[] | undefined;
    readonly trailer?: readonly HeaderField[] | undefined;
  } = {},
): void {
  if (call.over) return;
  try {
    const status = statusOf(error);
    call.session.checkMessage({ length: sizeOf(status) });
    call.finish(status, headers.header, [...(headers.trailer ?? []), ...headerFields(error.metadata)]);
  } catch (unfit) {
    log.error("an error cannot be sent", { channel: path, error: error.rawMessage.slice(0, MOST_LOGGED) });
    call.finish(statusOf(shownError(unfit, log, path)));
  }
}

/** In bytes, as a link of text has it but for base64. */
function sizeOf({ message, details }: WireStatus): number {
  const text = encoder.encode(JSON.stringify(message)).length;
  return details.reduce((sum, { typeUrl, value }) => sum + typeUrl.length + value.length, text);
}
