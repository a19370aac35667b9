// Check of a project's schemas against a server: whether the services that both have are of one version.
import { schemaVersion } from "@raceway/core";
import { compileModel, GenerateFailure } from "@raceway/generator";
import { registryAsGenerated } from "../compiled-schemas.ts";
import { type GenerateJob, readConfig } from "../config.ts";
import { UsageError } from "../context.ts";
import { type Finding, fine, leftOut, warning } from "./check.ts";

/** Channels of a negotiation document: the version of the schema of each, and what it is, by its path. */
export type ServedVersions = Readonly<Record<string, { readonly hash?: string; readonly kind?: string }>>;

const CHECK = "schemas";

/** `url` is for what to do. */
export async function checkSchemaVersions(cwd: string, served: ServedVersions, url: string): Promise<Finding> {
  let own: ReadonlyMap<string, OwnService> | undefined;
  try {
    own = await servicesIn(cwd);
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof GenerateFailure)) throw error;
    return leftOut(CHECK, error.message);
  }
  if (own === undefined) return leftOut(CHECK, "there is no raceway.config.ts here");
  const differences: string[] = [];
  let common = 0;
  for (const [name, { version, kinds }] of own) {
    const there = Object.entries(served).filter(([path]) => path.startsWith(`/${name}/`));
    if (there.length === 0) continue;
    common++;
    const hash = String(there[0]![1].hash);
    if (hash !== version)
      differences.push(
        `${name} is of version ${version} here, and ${/^\w{1,32}$/.test(hash) ? hash : "unknown"} there`,
      );
    const missing: string[] = [];
    for (const [method, kind] of kinds) {
      const there = Object.hasOwn(served, `/${name}/${method}`) ? served[`/${name}/${method}`] : undefined;
      if (there === undefined) missing.push(`${name}/${method}`);
      // Options are not part of a version.
      else if (there.kind !== kind)
        differences.push(
          `${name}/${method} is a ${kind} here, and ${/^[a-z]{1,20}$/.test(there.kind ?? "") ? `a ${there.kind}` : "unknown"} there`,
        );
    }
    if (missing.length > 0) differences.push(`the server has no ${missing.join(", ")}`);
  }
  if (common === 0) return leftOut(CHECK, "the server serves no service of this project");
  if (differences.length === 0)
    return fine(CHECK, `${common} service${common === 1 ? " is" : "s are"} of the same version here and on the server`);
  const mend = `deploy what is older; raceway breaking --against ${url} says what breaks, if the server gives its schemas.`;
  return warning(CHECK, differences.join("; "), mend);
}

interface OwnService {
  readonly version: string;
  /** Of its methods, by their names. */
  readonly kinds: ReadonlyMap<string, string>;
}

/** By full names; undefined if there is no configuration. */
async function servicesIn(cwd: string): Promise<ReadonlyMap<string, OwnService> | undefined> {
  const config = await readConfig(cwd);
  if (config === undefined) return undefined;
  const jobs = new Map<string, GenerateJob>(
    config.generate.map((job) => [JSON.stringify([job.inputs, job.protoPath, job.keepOptions]), job]),
  );
  const found = new Map<string, OwnService>();
  for (const { inputs, protoPath, keepOptions } of jobs.values()) {
    const given = { inputs, cwd, ...(protoPath && { protoPath }), ...(keepOptions && { keepOptions }) };
    const { input } = await compileModel(given);
    if (input === undefined) throw new UsageError("the schemas have errors, which raceway lint says");
    const registry = registryAsGenerated(input.context.descriptors);
    for (const { typeName, channels } of input.model.files.flatMap((file) => file.services)) {
      const [first] = registry.getService(typeName)!.methods;
      const kinds = new Map<string, string>(channels.map(({ name, contract }) => [name, contract.kind]));
      if (first !== undefined) found.set(typeName, { version: schemaVersion(first), kinds });
    }
  }
  return found;
}
