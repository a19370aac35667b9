// What callers see of an error that a handler, or a plugin, threw.
import { ConnectError } from "@connectrpc/connect";
import { type Logger, fail } from "@raceway/core";

/** Any error as one that may be shown: what is not a ConnectError stays in the log. */
export function shownError(error: unknown, log: Logger, path: string): ConnectError {
  if (error instanceof ConnectError) return error;
  log.error("handler failed", {
    channel: path,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return fail("handler_failed");
}

/** What a handler gave, as bytes. If it does not fit its type that is the handler's fault and not the caller's, so what is thrown is for the log. */
export function written<T>(codec: { encode(message: T): Uint8Array }, message: T): Uint8Array {
  try {
    return codec.encode(message);
  } catch (cause) {
    throw new TypeError(ConnectError.from(cause).rawMessage, { cause });
  }
}
