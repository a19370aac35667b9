// `raceway.config.ts`: what a project generates, so that `raceway generate` needs no arguments.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import type { AcceptedFinding, BreakingRule, GenerateOptions } from "@raceway/generator";
import { UsageError } from "./context.ts";
import { isFile } from "./is-file.ts";
import { loadModule } from "./load-module.ts";

export type GenerateJob = Omit<GenerateOptions, "check" | "cwd" | "compiler" | "progress" | "signal">;

/** The default export of the configuration file. */
export interface RacewayConfig {
  /** One entry per output folder; paths are relative to the file. Each is written as a whole or not at all. */
  readonly generate: readonly GenerateJob[];
  /** For `raceway breaking`. */
  readonly breaking?: {
    /** Findings that may be: shown as accepted, with the reason, and no errors. An entry that fits nothing any more is told. */
    readonly accept?: readonly AcceptedFinding[];
  };
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
  if (!isFile(join(folder, name))) throw new UsageError(`${name} is no file. Move it away.`);
  const url = pathToFileURL(join(folder, name)).href;
  const loaded = await loadModule(url, name, folder).catch((error: unknown) => {
    throw new UsageError((error as Error).message, { cause: error });
  });
  return checked(name, folder, loaded["default"]);
}

/** What there is to generate; undefined if there is no configuration. Throws a {@link UsageError} if it names nothing: a check that looks at nothing would find all well. */
export async function readJobs(folder: string): Promise<readonly GenerateJob[] | undefined> {
  const config = await readConfig(folder);
  if (config?.generate.length === 0)
    throw new UsageError("raceway.config.ts generates nothing: give generate an entry, as { inputs, out }.");
  return config?.generate;
}

const known: { readonly [K in keyof GenerateJob]-?: (value: unknown) => boolean } = {
  inputs: isStrings,
  out: (value) => typeof value === "string" && value !== "",
  protoPath: isStrings,
  importExtension: (value) => value === "js" || value === "ts" || value === "none",
  targets: (value) => Array.isArray(value) && value.every((one) => typeof one === "string" || isTarget(one)),
  keepOptions: isStrings,
};

async function checked(name: string, folder: string, value: unknown): Promise<RacewayConfig> {
  const jobs = typeof value === "object" && value !== null && "generate" in value ? value.generate : undefined;
  if (!Array.isArray(jobs)) throw new UsageError(`${name} has to export { generate: [{ inputs, out }] } as default.`);
  for (const [at, job] of (jobs as unknown[]).entries()) {
    const entries = typeof job === "object" && job !== null ? Object.entries(job) : [];
    const has = (property: string): boolean => entries.some(([key, one]) => key === property && one !== undefined);
    if (!has("inputs") || !has("out")) throw new UsageError(`${name}: generate[${at}] needs inputs and out.`);
    for (const [key, one] of entries) {
      if (!Object.hasOwn(known, key))
        throw new UsageError(
          `${name}: generate[${at}] has no option ${key}; known are ${Object.keys(known).join(", ")}.`,
        );
      if (one !== undefined && !known[key as keyof GenerateJob](one))
        throw new UsageError(`${name}: generate[${at}].${key} is ${shown(one)}, which cannot be.`);
    }
  }
  checkFolders(name, folder, jobs as readonly GenerateJob[]);
  for (const key of Object.keys(value as object))
    if (key !== "generate" && key !== "breaking")
      throw new UsageError(`${name} has no option ${key}; known are generate, breaking.`);
  const { breaking } = value as { readonly breaking?: unknown };
  const generate = jobs as readonly GenerateJob[];
  return breaking === undefined ? { generate } : { generate, breaking: await checkedBreaking(name, breaking) };
}

/** What one entry makes and another one does not would be deleted by that. */
function checkFolders(name: string, folder: string, jobs: readonly GenerateJob[]): void {
  const seen = new Map<string, number>();
  for (const [at, { out }] of jobs.entries()) {
    const path = resolve(folder, out);
    const same = seen.get(path);
    if (same !== undefined)
      throw new UsageError(
        `${name}: generate[${same}] and generate[${at}] both write to ${out}. Name all inputs and targets of a folder in one entry, or give each entry a folder of its own.`,
      );
    seen.set(path, at);
  }
}

async function checkedBreaking(name: string, value: unknown): Promise<NonNullable<RacewayConfig["breaking"]>> {
  const { accept = [], ...others } = isObject(value) ? value : { accept: undefined, "": value };
  const [other] = Object.keys(others);
  if (other !== undefined || !Array.isArray(accept))
    throw new UsageError(`${name}: breaking has to be { accept: [{ rule, at, why }] }.`);
  const { breakingRules } = await import("@raceway/generator"); // which takes its time, so not for whoever does not need it
  const rules = Object.keys(breakingRules);
  return { accept: accept.map((entry: unknown, at) => checkedEntry(`${name}: breaking.accept[${at}]`, entry, rules)) };
}

function checkedEntry(where: string, entry: unknown, rules: readonly string[]): AcceptedFinding {
  const { rule, at, why, ...others } = isObject(entry) ? entry : {};
  const [other] = Object.keys(others);
  if (other !== undefined) throw new UsageError(`${where} has no option ${other}; known are rule, at, why.`);
  if (typeof rule !== "string" || !rules.includes(rule))
    throw new UsageError(`${where}.rule is ${JSON.stringify(rule)}; rules are ${rules.join(", ")}.`);
  if (typeof at !== "string" || at === "")
    throw new UsageError(`${where}.at has to be what the finding is about, as "chat.v1.RoomService/Messages".`);
  if (typeof why !== "string" || why.trim() === "") throw new UsageError(`${where}.why has to say why it may break.`);
  return { rule: rule as BreakingRule, at, why };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** As its author wrote it: `[ [Function: openapi] ]` is one that was not called. */
function shown(value: unknown): string {
  return inspect(value, { depth: 1, breakLength: Infinity, compact: true });
}

function isTarget(value: unknown): boolean {
  return isObject(value) && typeof value["name"] === "string" && typeof value["generate"] === "function";
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
