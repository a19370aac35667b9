// What is wrong with an option of `token`, as an error on the user's own line.
import type { ConnectError } from "@connectrpc/connect";
import { fail } from "@raceway/core";

/** Secrets are options, too: the value is shown only if it is none. */
export function optionError(option: string, value: unknown, expected: string): ConnectError {
  const shown = typeof value === "number" || value === undefined ? String(value) : "what was given";
  return fail("option_invalid", { part: "token", option, value: shown, expected });
}
