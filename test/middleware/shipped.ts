// Every plugin that this repository ships, found by what packages export: whoever adds one is told where it is missing.
import { readFile, readdir } from "node:fs/promises";
import { matchesGlob } from "node:path";

/** Packages on @raceway/core that hold no middleware. One that is not named here has nothing but plugins, or says below what else it has. */
const others = ["client", "server", "testkit", "testing", "generator", "cli", "query", "transport-*", "backplane-*"];

/** What packages of middleware export beside plugins: "package/entry#name", and what it is. */
const notPlugins: Readonly<Record<string, string>> = {
  "auth-session/client#csrfInterceptor": "sends the token for Connect clients without Raceway",
  "middleware/encryption#vault": "seals and opens by hand",
  "middleware/logging#pinoLogger": "makes a pino logger fit for `log`",
  "middleware/signing#signatures": "signs for Connect clients without Raceway",
  "middleware/signing#verifiedReplies": "takes signed answers only, for Connect clients without Raceway",
  "telemetry/server#spanOf": "gives the span of a call to its handler",
  "validate/standard-schema#standardSchema": "a message as a Standard Schema, for forms",
};

const packages = new URL("../../packages/", import.meta.url);

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, Target>>;
}
type Target = string | { readonly [condition: string]: Target };

/** Names of all shipped plugins, as "package/entry#factory", sorted. */
export async function shippedPlugins(): Promise<readonly string[]> {
  const names: string[] = [];
  for (const folder of await readdir(packages)) {
    if (others.some((pattern) => matchesGlob(folder, pattern))) continue;
    const text = await readFile(new URL(`${folder}/package.json`, packages), "utf8").catch(() => undefined);
    if (text === undefined) continue; // what is left of a package of another branch
    const { dependencies = {}, exports } = JSON.parse(text) as Manifest;
    if (dependencies["@raceway/core"] === undefined) continue; // nobody can make a plugin without
    for (const [entry, target] of Object.entries(exports)) {
      if (entry === "./package.json") continue;
      const module = (await import(new URL(`${folder}/${sourceOf(target)}`, packages).href)) as Record<string, unknown>;
      for (const [name, value] of Object.entries(module))
        if (typeof value === "function") names.push(`${folder}/${entry.slice(2)}#${name}`);
    }
  }
  const stale = Object.keys(notPlugins).filter((name) => !names.includes(name));
  if (stale.length > 0) throw new Error(`There is no ${stale.join(", ")} any more: take it out of notPlugins.`);
  return names.filter((name) => notPlugins[name] === undefined).toSorted();
}

/** The source of an entry in Node. */
function sourceOf(target: Target): string {
  if (typeof target === "string") return target;
  return sourceOf(target["@raceway/source"] ?? target["default"]!);
}
