// Files that change together: all are written beside their places first, and only then moved there.
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

export interface Replacement {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  /** Permissions; the system's default unless given. */
  readonly mode?: number;
}

/** A full disk or a missing right is thrown before any file has changed. */
export async function replaceFiles(files: readonly Replacement[]): Promise<void> {
  const temporary = files.map(({ path }) => `${path}.${process.pid}.tmp`);
  try {
    for (const [at, { path, text, mode }] of files.entries()) {
      await mkdir(dirname(path), { recursive: true });
      // Made anew: a link that stands there already would lead what is written elsewhere.
      await rm(temporary[at]!, { force: true });
      await writeFile(temporary[at]!, text, { flag: "wx" });
      if (mode !== undefined) await chmod(temporary[at]!, mode);
    }
    for (const [at, { path }] of files.entries()) await rename(temporary[at]!, path);
  } catch (error) {
    await Promise.allSettled(temporary.map((path) => rm(path, { force: true }))); // what cannot be there cannot be removed
    throw error;
  }
}
