// What to install where a module lacks a package: all that its project names, or that one.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** ". Its dependencies are not installed: run npm install in ../pigeon", or which package to add; "" for other errors. */
export function installAdvice(error: unknown, cwd: string): string {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") return "";
  const [, name, importer] = /^Cannot find package '([^']+)' imported from (.+)$/.exec(error.message) ?? [];
  const manifest = importer === undefined ? undefined : manifestAbove(importer);
  if (name === undefined || manifest === undefined) return "";
  const folder = relative(cwd, manifest.folder);
  const there = folder === "" ? "" : ` in ${folder}`;
  const manager = managerOf(manifest.folder);
  if (manifest.dependencies.includes(name))
    return `. Its dependencies are not installed: run ${manager} install${there}`;
  const add = manager === "npm" ? "install" : "add";
  return `. ${join(folder, "package.json")} has no such dependency: run ${manager} ${add} ${name}${there}`;
}

interface Manifest {
  readonly folder: string;
  readonly dependencies: readonly string[];
}

/** The nearest package.json that a file belongs to. */
function manifestAbove(file: string): Manifest | undefined {
  for (let at = dirname(file); at !== dirname(at); at = dirname(at)) {
    const path = join(at, "package.json");
    if (!existsSync(path)) continue;
    try {
      const all = JSON.parse(readFileSync(path, "utf8")) as Readonly<Record<string, object | undefined>>;
      const kinds = ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"];
      return { folder: at, dependencies: kinds.flatMap((kind) => Object.keys(all[kind] ?? {})) };
    } catch {
      return undefined; // whoever installs is told of it
    }
  }
  return undefined;
}

/** By the lockfile; in a workspace that is in a folder above. */
function managerOf(folder: string): string {
  const locks = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "package-lock.json": "npm",
  } as const;
  for (let at = folder; ; at = dirname(at)) {
    const lock = Object.entries(locks).find(([file]) => existsSync(join(at, file)));
    if (lock !== undefined) return lock[1];
    if (at === dirname(at)) return "npm";
  }
}
