// Whether a path leads to a file: a pipe or a device would be waited for, or read without an end.
import { statSync } from "node:fs";

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
