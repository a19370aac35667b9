// Where a module that a user names is.
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "./context.ts";

/** A path, or else a package as the working folder sees it. Throws {@link UsageError} with the advice if there is neither. */
export function moduleUrl(module: string, cwd: string, advice: string): string {
  const path = resolve(cwd, module);
  const found = isFile(path) ? path : packageFile(module, cwd);
  if (found !== undefined) return pathToFileURL(found).href;
  const what = existsSync(path) ? `${module} is no file.` : `There is no file or package ${module}.`;
  throw new UsageError(`${what} ${advice}`);
}

/** Undefined if there is none. */
function packageFile(module: string, cwd: string): string | undefined {
  try {
    const file = createRequire(join(cwd, "package.json")).resolve(module);
    return isFile(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** A pipe or a device would be waited for, or read without an end. */
function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
