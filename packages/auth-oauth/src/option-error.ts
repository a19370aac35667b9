// What is wrong with an option, as an error on the user's own line.
import type { ConnectError } from "@connectrpc/connect";
import { fail } from "@raceway/core";

/** Secrets are options, too: what was given is not shown. */
export function optionError(part: string, option: string, given: unknown, expected: string): ConnectError {
  return fail("option_invalid", {
    part,
    option,
    value: given === undefined ? "undefined" : "what was given",
    expected,
  });
}

/** Throws `option_unknown` for what is none of the names. The same as `checkOptionNames` of core, which would add to a page's bundle here. */
export function checkNames(part: string, given: object, names: readonly string[]): void {
  for (const option of Object.keys(given))
    if (!names.includes(option)) throw fail("option_unknown", { part, option, have: names.join(", ") });
}

/** Throws `option_invalid` for what is neither a text with something in it nor, where that may be, undefined. */
export function checkText(part: string, option: string, given: unknown, optional = false): void {
  if (optional && given === undefined) return;
  if (typeof given !== "string" || given === "") throw optionError(part, option, given, "a text that is not empty");
}
