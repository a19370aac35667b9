// Carries out a plan: everything is written beside its place first, and only then moved there.
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GenerateFailure, reasonText } from "../failure.ts";
import type { Plan } from "./plan.ts";

/** A full disk or a missing right ends in a `GenerateFailure` before any file has changed. */
export async function writePlan(folder: string, plan: Plan): Promise<void> {
  const writes = [...plan.changes, plan.manifest].filter(({ change }) => change === "added" || change === "changed");
  const temporary = writes.map(({ path }) => join(folder, `${path}.${process.pid}.tmp`));
  try {
    for (const [at, { path, after }] of writes.entries()) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      // Made anew: a link that stands there already would lead what is written elsewhere.
      await rm(temporary[at]!, { force: true });
      await writeFile(temporary[at]!, after, { flag: "wx" });
    }
    for (const [at, { path }] of writes.entries()) await rename(temporary[at]!, join(folder, path));
    for (const { path, change } of plan.changes) if (change === "deleted") await rm(join(folder, path));
  } catch (error) {
    await Promise.allSettled(temporary.map((path) => rm(path, { force: true }))); // what cannot be there cannot be removed
    throw new GenerateFailure("tool", `Could not write to ${folder}: ${reasonText(error)}.`, { cause: error });
  }
}
