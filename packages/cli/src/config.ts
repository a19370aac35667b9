// `raceway.config.ts`: what a project generates, so that `raceway generate` needs no arguments.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { GenerateOptions } from "@raceway/generator";
import { UsageError } from "./context.ts";

export type GenerateJob = Omit<GenerateOptions, "check" | "cwd" | "compiler" | "progress" | "signal">;

/** The default export of the configuration file. */
export interface RacewayConfig {
  /** One entry per output folder; paths are relative to the file. Each is written as a whole or not at all. */
  readonly generate: readonly GenerateJob[];
}

export const configNames: readonly string[] = [
  "raceway.config.ts",
  "raceway.config.mts",
  "raceway.config.js",
  "raceway.config.mjs",
];

/** Undefined if there is none. */
export async function readConfig(folder: string): Promise<RacewayConfig | undefined> {
  const name = configNames.find((one) => existsSync(join(folder, one)));
  if (name === undefined) return undefined;
  const loaded = (await import(pathToFileURL(join(folder, name)).href)) as { readonly default?: unknown };
  return checked(name, loaded.default);
}

const known: { readonly [K in keyof GenerateJob]-?: (value: unknown) => boolean } = {
  inputs: isStrings,
  out: (value) => typeof value === "string",
  protoPath: isStrings,
  importExtension: (value) => value === "js" || value === "ts" || value === "none",
  targets: Array.isArray,
  keepOptions: isStrings,
};

function checked(name: string, value: unknown): RacewayConfig {
  const jobs = typeof value === "object" && value !== null && "generate" in value ? value.generate : undefined;
  if (!Array.isArray(jobs)) throw new UsageError(`${name} has to export { generate: [{ inputs, out }] } as default.`);
  for (const [at, job] of (jobs as unknown[]).entries()) {
    const entries = typeof job === "object" && job !== null ? Object.entries(job) : [];
    const has = (property: string): boolean => entries.some(([key]) => key === property);
    if (!has("inputs") || !has("out")) throw new UsageError(`${name}: generate[${at}] needs inputs and out.`);
    for (const [key, one] of entries) {
      if (!Object.hasOwn(known, key))
        throw new UsageError(
          `${name}: generate[${at}] has no option ${key}; known are ${Object.keys(known).join(", ")}.`,
        );
      if (one !== undefined && !known[key as keyof GenerateJob](one))
        throw new UsageError(`${name}: generate[${at}].${key} is ${JSON.stringify(one)}, which cannot be.`);
    }
  }
  return { generate: jobs as readonly GenerateJob[] };
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
