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
