// The totals that a run reports, from real runs of Vitest over files written for the purpose.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startVitest } from "vitest/node";
import { countTotals, type Totals } from "./totals-reporter.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs one file of tests, in this process's own Vitest, quietly. */
async function totalsOf(source: string): Promise<Totals> {
  const cache = join(root, "node_modules/.cache"); // inside the workspace, so that `vitest` resolves
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "totals-"));
  writeFileSync(join(folder, "some.test.ts"), `import { beforeAll, describe, expect, test } from "vitest";\n${source}`);
  let totals: Totals | undefined;
  const exitCode = process.exitCode;
  try {
    const vitest = await startVitest([], {
      root: folder,
      config: false,
      watch: false,
      reporters: [{ onTestRunEnd: (modules, unhandled) => void (totals = countTotals(modules, unhandled)) }],
    });
    await vitest?.close();
  } finally {
    process.exitCode = exitCode; // the inner run's failure is wanted here
    rmSync(folder, { recursive: true });
  }
  if (!totals) throw new Error("The inner run did not end.");
  return totals;
}

test("counts tests by how they ended, and names those that failed with what they said", async () => {
  const source = `describe("s", () => { test("a", () => expect(1).toBe(1)); test("b", () => { throw new Error("said\\nmore"); }); test.skip("c", () => expect(1).toBe(1)); });`;
  const { passed, failures, skipped } = await totalsOf(source);
  expect([passed, skipped]).toEqual([1, 1]);
  expect(failures).toEqual([expect.stringMatching(/^node_modules\/.*some\.test\.ts > s > b: said$/)]);
});

test("counts a hook of a suite that throws as failed, though no test did", async () => {
  const source = `describe("s", () => { beforeAll(() => { throw new Error("hook"); }); test("a", () => expect(1).toBe(1)); });`;
  const { passed, failures } = await totalsOf(source);
  expect(passed).toBe(0);
  expect(failures).toEqual([expect.stringContaining("> s: hook")]);
});

test("counts a module that does not load as failed", async () => {
  const { passed, failures, skipped } = await totalsOf(`throw new Error("load");`);
  expect([passed, skipped]).toEqual([0, 0]);
  expect(failures).toEqual([expect.stringContaining("some.test.ts: load")]);
});

test("counts an error that no test caught as failed", async () => {
  const source = `test("a", async () => { expect(1).toBe(1); queueMicrotask(() => { throw new Error("loose"); }); await new Promise((done) => setImmediate(done)); });`;
  expect(await totalsOf(source)).toEqual({ passed: 1, failures: ["outside of any test: loose"], skipped: 0 });
});
