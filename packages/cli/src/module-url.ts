// Where a module that a user names is.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "./context.ts";

/** A path, or else a package as the working folder sees it. Throws {@link UsageError} with the advice if there is neither. */
export function moduleUrl(module: string, cwd: string, advice: string): string {
  const path = resolve(cwd, module);
  if (existsSync(path)) return pathToFileURL(path).href;
  try {
    return pathToFileURL(createRequire(join(cwd, "package.json")).resolve(module)).href;
  } catch (error) {
    throw new UsageError(`There is no file or package ${module}. ${advice}`, { cause: error });
  }
}
