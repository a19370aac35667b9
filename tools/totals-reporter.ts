// Vitest reporter that says how many tests passed, failed and were skipped, and for want of what; to the file RACEWAY_TOTALS or on the terminal.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Reporter, TestModule } from "vitest/node";
import { findService, missingMessage, serviceNames } from "./services.mjs";

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Errors outside of any test (while a module loads, in a hook of a suite, loose in the process) count as failed: no test shows them. */
export function countTotals(
  modules: readonly Pick<TestModule, "errors" | "children">[],
  unhandled: readonly unknown[],
): Totals {
  const totals = { passed: 0, failed: unhandled.length, skipped: 0 };
  for (const module of modules) {
    for (const group of [module, ...module.children.allSuites()]) if (group.errors().length > 0) totals.failed++;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed" || state === "skipped") totals[state]++;
      else totals.failed++; // failed, or still pending when the run ended
    }
  }
  return totals;
}

export default class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const { passed, failed, skipped } = countTotals(modules, unhandled);
    const line = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    for (const name of serviceNames)
      if (skipped > 0 && findService(name) === undefined) console.log(missingMessage(name));
    const file = process.env["RACEWAY_TOTALS"];
    if (!file) return console.log(line);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${line}\n`);
  }
}
