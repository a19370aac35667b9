// A folder that is to be there, and those on the way to it; as in @raceway/generator, which this package is installed without.
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Adds those that were missing to `made`, the outer ones first. Throws as `mkdirSync` does, whose own `recursive` never comes back where the system refuses a
 * new folder as if its parent were missing, which /proc does (Node 24).
 */
export function makeFolder(path: string, made: string[]): void {
  const missing: string[] = [];
  for (let at = path; !existsSync(at) && at !== dirname(at); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) {
    try {
      mkdirSync(folder);
      made.push(folder);
    } catch (error) {
      // Somebody else was quicker.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !existsSync(folder)) throw error;
    }
  }
}
