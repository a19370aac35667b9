// Checks of what is installed: Node, versions of our packages, and of the libraries that there may be only one of.
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Finding, fine, leftOut, wrong } from "./check.ts";

/** As in `engines` of all packages. */
const NODE = 24;

/** Types and context keys of two copies do not know each other. */
const only = ["@bufbuild/protobuf", "@connectrpc/connect", "@raceway/core"];

export function checkNode(version: string): Finding {
  const major = Number(/^v?(\d+)/.exec(version)?.[1] ?? 0);
  if (major >= NODE) return fine("node", `Node ${version}`);
  return wrong("node", `Node ${version} is too old`, `install Node ${NODE} or newer.`);
}

interface Installed {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
}

/** The packages of @raceway that a folder can import are of one version. */
export function checkVersions(cwd: string): Finding {
  const packages = racewayPackages(cwd);
  if (packages.length === 0) return leftOut("packages", "no package of @raceway is installed here");
  const versions = Map.groupBy(packages, ({ version }) => version);
  if (versions.size === 1)
    return fine("packages", `${packages.length} packages of @raceway, all ${packages[0]!.version}`);
  const list = [...versions]
    .map(([version, some]) => `${version}: ${some.map(({ name }) => name).join(", ")}`)
    .join("; ");
  return wrong(
    "packages",
    `packages of @raceway have different versions (${list})`,
    "install one version of all of them.",
  );
}

/** Of libraries whose types meet, each package gets the same copy. */
export function checkCopies(cwd: string): readonly Finding[] {
  const packages = racewayPackages(cwd);
  return only.flatMap((name) => {
    const copies = new Map<string, Installed>();
    for (const folder of [cwd, ...packages.map((one) => one.folder)]) {
      const found = packageFrom(folder, name);
      if (found !== undefined) copies.set(found.folder, found);
    }
    if (copies.size === 0) return [];
    if (copies.size === 1) return [fine(name, `one copy, ${[...copies.values()][0]!.version}`)];
    const list = [...copies.values()].map(({ version, folder }) => `${version} in ${folder}`).join(", ");
    return [
      wrong(
        name,
        `there are ${copies.size} copies of ${name}: ${list}`,
        "have one version only: remove your own of another version, or deduplicate (npm dedupe, pnpm dedupe).",
      ),
    ];
  });
}

function racewayPackages(cwd: string): readonly Installed[] {
  const found = new Map<string, Installed>();
  for (let at = cwd; ; at = dirname(at)) {
    const scope = join(at, "node_modules/@raceway");
    if (existsSync(scope)) {
      for (const name of readdirSync(scope).toSorted()) {
        const one = read(realpathSync(join(scope, name)));
        if (one !== undefined && !found.has(one.name)) found.set(one.name, one);
      }
    }
    if (dirname(at) === at) return [...found.values()];
  }
}

/** As a module in the folder would get it. */
function packageFrom(folder: string, name: string): Installed | undefined {
  for (const path of createRequire(join(folder, "package.json")).resolve.paths(name) ?? []) {
    const at = join(path, name);
    if (existsSync(join(at, "package.json"))) return read(realpathSync(at));
  }
  return undefined;
}

function read(folder: string): Installed | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Installed;
    return { name, version, folder };
  } catch {
    return undefined; // a folder without a package is none
  }
}
