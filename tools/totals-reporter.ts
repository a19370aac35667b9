// Vitest reporter that says how many tests passed, failed (by their names) and were skipped (for want of what); to the file RACEWAY_TOTALS or on the terminal.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import type { SerializedError } from "vitest";
import type { Reporter, TestModule } from "vitest/node";
import { findService, missingMessage, serviceNames } from "./services.mjs";

export interface Totals {
  readonly passed: number;
  /** One entry each: where, and the first line of what it said. */
  readonly failures: readonly string[];
  readonly skipped: number;
}

/** Errors outside of any test (while a module loads, in a hook of a suite, loose in the process) count as failed: no test shows them. */
export function countTotals(
  modules: readonly Pick<TestModule, "moduleId" | "errors" | "children">[],
  unhandled: readonly SerializedError[],
): Totals {
  let passed = 0;
  let skipped = 0;
  const failures: string[] = [];
  const fails = (where: string, errors: readonly SerializedError[] | undefined): void =>
    void failures.push(`${where}: ${errors?.[0]?.message.split("\n")[0] ?? "still running at the end"}`);
  for (const error of unhandled) fails("outside of any test", [error]);
  for (const module of modules) {
    const file = relative(process.cwd(), module.moduleId);
    if (module.errors().length > 0) fails(file, module.errors());
    for (const suite of module.children.allSuites())
      if (suite.errors().length > 0) fails(`${file} > ${suite.fullName}`, suite.errors());
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result();
      if (state === "passed") passed++;
      else if (state === "skipped") skipped++;
      else fails(`${file} > ${test.fullName}`, errors);
    }
  }
  return { passed, failures, skipped };
}

export default class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const { passed, failures, skipped } = countTotals(modules, unhandled);
    const line = `${passed} passed, ${failures.length} failed, ${skipped} skipped`;
    for (const name of serviceNames)
      if (skipped > 0 && findService(name) === undefined) console.log(missingMessage(name));
    const file = process.env["RACEWAY_TOTALS"];
    if (!file) return console.log(line);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, [line, ...failures, ""].join("\n"));
  }
}
