// A folder that is to be there, and those on the way to it.
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Throws as `mkdirSync` does. Its own `recursive` never comes back where the system refuses a new folder as if its parent were missing, which /proc does
 * (Node 24).
 */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  for (let at = path; !existsSync(at) && at !== dirname(at); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) {
    try {
      mkdirSync(folder);
    } catch (error) {
      // Somebody else was quicker.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !existsSync(folder)) throw error;
    }
  }
}
