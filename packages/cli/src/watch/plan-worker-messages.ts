// What the watch and its workers say to each other; plain data, since it goes between threads.
import type { Diagnostic, FileChange, Plan } from "@raceway/generator";
import type { GenerateArguments } from "../commands/generate.ts";

export interface WatchInput {
  readonly args: GenerateArguments;
  readonly cwd: string;
}

export interface WorkerInput extends WatchInput {
  /** Nobody waits for it: where threads have a priority, it steps back. */
  readonly background: boolean;
}

/** "edits" plans what edits of files (absolute paths) change, "whole" all; "stop" ends the worker, in the midst of either. */
export type Order = { readonly kind: "edits"; readonly paths: readonly string[] } | { readonly kind: "whole" | "stop" };

export interface JobFacts {
  readonly out: string;
  /** Absolute folders of schemas, each with whether all below it counts. */
  readonly folders: ReadonlyMap<string, boolean>;
}

export type JobPlan =
  | "unchanged"
  | "whole"
  | {
      readonly folder: string;
      readonly diagnostics: readonly Diagnostic[];
      /** Absolute paths of the schema files that took part. */
      readonly read: readonly string[];
      /** Absent if there are errors; without the files that stay as they are. */
      readonly plan?: Plan;
    }
  /** It could not be planned: no schemas, a tool that does not work. */
  | { readonly failure: string };

export type Report =
  /** Once, first. `modules` are the files of the configuration. */
  | { readonly kind: "ready"; readonly jobs: readonly JobFacts[]; readonly modules: readonly string[] }
  | { readonly kind: "refused"; readonly message: string; readonly usage: boolean; readonly modules: readonly string[] }
  /** After each order; one plan per job. */
  | { readonly kind: "planned"; readonly plans: readonly JobPlan[] }
  | { readonly kind: "progress"; readonly text: string };

/** Only what changes goes between threads: texts of a thousand files that stay as they are take their time. */
export function changesOnly(plan: Plan): Plan {
  return { ...plan, changes: plan.changes.filter(({ change }: FileChange) => change !== "unchanged") };
}
