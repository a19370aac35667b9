// A package that is too big to be a dependency: fetched by npm once, held against its checksum, and of it the schemas alone are kept.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

export interface FetchedPackage {
  readonly version: string;
  /** SHA-512 of the package's file, in base64, as `npm view NAME dist.integrity` has it behind "sha512-". */
  readonly sha512: string;
  /** The folder in the package that is kept. */
  readonly kept: string;
}

const cache = join(import.meta.dirname, "../../node_modules/.cache/corpus");

/** Where the package is; throws if it cannot be fetched, or is not the one that is meant. */
export function fetchPackage(name: string, { version, sha512, kept }: FetchedPackage): string {
  const folder = join(cache, `${name.replaceAll("/", "+")}@${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const workshop = mkdtempSync(join(cache, "tmp-"));
  try {
    run(workshop, "npm", "pack", `${name}@${version}`, "--ignore-scripts", "--silent");
    const [file] = readdirSync(workshop);
    const found = createHash("sha512")
      .update(readFileSync(join(workshop, file!)))
      .digest("base64");
    if (found !== sha512) throw new Error(`${name}@${version} has SHA-512 ${found}, expected ${sha512}.`);
    run(workshop, "tar", "-xzf", file!, `package/${kept}`);
    renameSync(join(workshop, "package"), folder); // whole, or not at all
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
  return folder;
}

function run(cwd: string, command: string, ...args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${error?.message ?? stderr.trim()}`);
}
