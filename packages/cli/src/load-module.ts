// A module of the user's, imported; what fails in it is told with the module's name, and the place if that is known.
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { installAdvice } from "./install-advice.ts";

/** `shown` is how the user names it. Rejects with an `Error` that has no stack to read: what, where, and what to do if that is known. */
export async function loadModule(url: string, shown: string, cwd: string): Promise<Readonly<Record<string, unknown>>> {
  const never = Promise.withResolvers<never>();
  // Nothing is left that could happen, and the module is still being loaded: it would end the process without a word.
  const stuck = (): void =>
    never.reject(new Error("it waits at its top level (await) for something that never happens."));
  process.once("beforeExit", stuck);
  try {
    return (await Promise.race([import(url), never.promise])) as Readonly<Record<string, unknown>>;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${shown} cannot be loaded: ${message}${placeOf(error, cwd)}${installAdvice(error, cwd)}`, {
      cause: error,
    });
  } finally {
    process.off("beforeExit", stuck);
  }
}

/** " (src/server.ts:3:7)": the first line of the user's own in the stack. V8 keeps the place of some mistakes to itself. */
function placeOf(error: unknown, cwd: string): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  // A loader that maps sources has paths where Node has URLs.
  for (const [, file = "", at] of stack.matchAll(/((?:file:\/\/|\/|[A-Z]:\\)[^\s()]+?)((?::\d+)+)(?=[\s)]|$)/g)) {
    const path = relative(cwd, file.startsWith("file:") ? fileURLToPath(file) : file);
    if (!path.startsWith("..") && !path.includes("node_modules")) return ` (${path}${at})`;
  }
  return "";
}
