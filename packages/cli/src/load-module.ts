// A module of the user's, imported; what fails in it is told with the module's name, and the place if that is known.
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

/** `shown` is how the user names it. Rejects with an `Error` that has no stack to read: what, and where. */
export async function loadModule(url: string, shown: string, cwd: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(url)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${shown} cannot be loaded: ${message}${placeOf(error, cwd)}`, { cause: error });
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
