// The output folder as it is: what is in it, and that a path stays in it.
import { type Stats, existsSync, lstatSync, readFileSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { pathProblem } from "../path-problem.ts";

export interface OutputFolder {
  /** Absolute. */
  readonly path: string;
  /** Whether a path, relative and divided by "/", is inside, whatever links lead out of the folder. */
  holds(path: string): boolean;
  /** What is at a path; undefined for nothing. Lines end in "\n": git on Windows may write what we wrote with ends of its own. */
  read(path: string): Existing | undefined;
}

/** "other": a folder, a link or anything else that is not a plain file, at the path or on the way to it. */
export type Existing = { readonly kind: "file"; readonly text: string } | { readonly kind: "other" };

export function openOutputFolder(path: string): OutputFolder {
  const root = realFolder(path);
  const inside = new Map<string, boolean>();
  return {
    path,
    holds(file) {
      if (pathProblem(file) !== undefined) return false;
      const folder = dirname(join(path, file));
      let known = inside.get(folder);
      if (known === undefined) {
        const way = relative(root, realFolder(folder));
        known = way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
        inside.set(folder, known);
      }
      return known;
    },
    read(file) {
      const stats = statsOf(join(path, file));
      if (stats === undefined || stats === "blocked") return stats && { kind: "other" };
      if (!stats.isFile()) return { kind: "other" };
      return { kind: "file", text: readFileSync(join(path, file), "utf8").replaceAll("\r\n", "\n") };
    },
  };
}

/** The nearest folder that is there decides where a new one would be. */
function realFolder(path: string): string {
  let at = path;
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  return realpathSync(at);
}

function statsOf(path: string): Stats | "blocked" | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return "blocked";
    throw error;
  }
}
