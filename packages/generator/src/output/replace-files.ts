// Files that change together: all are written beside their places first, and only then moved there.
import { chmodSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder } from "./make-folder.ts";

export interface Replacement {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  /** Permissions; the system's default unless given. */
  readonly mode?: number;
}

/**
 * A full disk or a missing right is thrown before any file has changed. It does not give way to anything else meanwhile: a file takes a
 * tenth of a millisecond so, and ten times as long if each step of it waits for its turn.
 */
export function replaceFiles(files: readonly Replacement[]): void {
  const temporary = files.map(({ path }) => `${path}.${process.pid}.tmp`);
  try {
    for (const folder of new Set(files.map(({ path }) => dirname(path)))) makeFolder(folder);
    for (const [at, { text, mode }] of files.entries()) {
      // Made anew: a link that stands there already would lead what is written elsewhere.
      rmSync(temporary[at]!, { force: true });
      writeFileSync(temporary[at]!, text, { flag: "wx" });
      if (mode !== undefined) chmodSync(temporary[at]!, mode);
    }
    for (const [at, { path }] of files.entries()) renameSync(temporary[at]!, path);
  } catch (error) {
    for (const path of temporary) removeIfThere(path);
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What cannot be there cannot be removed.
  }
}
