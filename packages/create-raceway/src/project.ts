// A new project: a template's files in a folder of its own, under its own name.
import { existsSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CreateFailure } from "./failure.ts";
import { makeFolder } from "./make-folder.ts";
import { type TemplateName, templateFiles } from "./templates.ts";

export interface Created {
  /** Absolute. */
  readonly folder: string;
  /** Name of the package. */
  readonly name: string;
  /** Files written, relative to the folder. */
  readonly files: readonly string[];
}

/** What may be in a folder that counts as empty: somebody began by making a repository. */
const harmless = new Set([".git", ".DS_Store", ".idea", ".vscode"]);

/**
 * Writes the template into `folder` (relative to `cwd`), which is made, or has to be empty. `name` is the package's; default: the folder's. Throws
 * {@link CreateFailure}: what was wrong to ask for before anything is written, what this machine does not do when it shows.
 */
export async function createProject(options: {
  readonly template: TemplateName;
  readonly folder: string;
  readonly cwd: string;
  readonly name?: string | undefined;
}): Promise<Created> {
  const folder = resolve(options.cwd, options.folder);
  const name = options.name ?? packageNameOf(folder);
  if (!/^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name))
    throw new CreateFailure(
      "usage",
      `${JSON.stringify(name)} is no name for a package: small letters, digits, "-", "_" and "."; give another with --name.`,
    );
  if (existsSync(folder) && !statSync(folder).isDirectory())
    throw new CreateFailure("usage", `${folder} is no folder. Name another one.`);
  if (existsSync(folder) && (await readdir(folder)).some((entry) => !harmless.has(entry)))
    throw new CreateFailure("usage", `${folder} is not empty. Name another folder, or clear this one.`);
  const files = await templateFiles(options.template);
  const { name: written } = JSON.parse(files.get("package.json")!) as { name: string };
  const made: { readonly folders: string[]; readonly files: string[] } = { folders: [], files: [] };
  try {
    for (const [path, text] of files) {
      const file = join(folder, path);
      makeFolder(dirname(file), made.folders);
      const own = text.replaceAll(written, name);
      await using handle = await open(file, "wx");
      made.files.push(file);
      await handle.writeFile(path === "package.json" ? withOwnVersion(own) : own);
    }
  } catch (error) {
    // Half a project would be in the way of the next try.
    for (const file of made.files) rmSync(file, { force: true });
    for (const one of made.folders.toReversed()) removeEmpty(one);
    const { message } = error as Error;
    throw new CreateFailure("tool", `${folder} cannot be written to: ${message}. Name another folder.`, {
      cause: error,
    });
  }
  return { folder, name, files: [...files.keys()] };
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Somebody else has put something there.
  }
}

/** "My Chat" → "my-chat". */
function packageNameOf(folder: string): string {
  return basename(folder)
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "") // "é" is "e"
    .toLowerCase()
    .replaceAll(/[^a-z0-9._~-]+/g, "-")
    .replaceAll(/^[-._]+|-+$/g, "");
}

/** Raceway's packages have one version, this one's. */
function withOwnVersion(manifest: string): string {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8")) as {
    version: string;
  };
  return manifest.replaceAll(/("@raceway\/[a-z-]+": ")\^[^"]*"/g, `$1^${version}"`);
}
