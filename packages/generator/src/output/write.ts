// Carries out a plan.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { GenerateFailure, reasonText } from "../failure.ts";
import type { Plan } from "./plan.ts";
import { replaceFiles } from "./replace-files.ts";

/** A full disk or a missing right ends in a `GenerateFailure` before any file has changed. */
export async function writePlan(folder: string, plan: Plan): Promise<void> {
  const writes = [...plan.changes, plan.manifest].filter(({ change }) => change === "added" || change === "changed");
  try {
    replaceFiles(writes.map(({ path, after }) => ({ path: join(folder, path), text: after })));
    for (const { path, change } of plan.changes) if (change === "deleted") await rm(join(folder, path));
  } catch (error) {
    throw new GenerateFailure("tool", `Could not write to ${folder}: ${reasonText(error)}.`, { cause: error });
  }
}
