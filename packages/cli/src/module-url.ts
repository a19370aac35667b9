// Where a module that a user names is.
import { existsSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { UsageError } from "./context.ts";
import { isFile } from "./is-file.ts";

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
  for (const resolved of [required, imported]) {
    try {
      const file = resolved(module, join(cwd, "package.json"));
      if (isFile(file)) return file;
    } catch {
      // The other way may find it.
    }
  }
  return undefined;
}

function required(module: string, from: string): string {
  return createRequire(from).resolve(module);
}

/** Also a package whose `exports` are for `import` alone. Node resolves so for this file only, unless a hook says for which. */
function imported(module: string, from: string): string {
  const parentURL = pathToFileURL(from).href;
  const hooks = registerHooks({
    resolve: (specifier, context, next) => next(specifier, specifier === module ? { ...context, parentURL } : context),
  });
  try {
    return fileURLToPath(import.meta.resolve(module));
  } finally {
    hooks.deregister();
  }
}
