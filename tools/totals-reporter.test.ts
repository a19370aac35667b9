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

test("counts tests by how they ended", async () => {
  const source = `test("a", () => expect(1).toBe(1)); test("b", () => expect(1).toBe(2)); test.skip("c", () => expect(1).toBe(1));`;
  expect(await totalsOf(source)).toEqual({ passed: 1, failed: 1, skipped: 1 });
});

test("counts a hook of a suite that throws as failed, though no test did", async () => {
  const source = `describe("s", () => { beforeAll(() => { throw new Error("hook"); }); test("a", () => expect(1).toBe(1)); });`;
  expect(await totalsOf(source)).toMatchObject({ passed: 0, failed: 1 });
});

test("counts a module that does not load as failed", async () => {
  expect(await totalsOf(`throw new Error("load");`)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("counts an error that no test caught as failed", async () => {
  const source = `test("a", async () => { expect(1).toBe(1); queueMicrotask(() => { throw new Error("loose"); }); await new Promise((done) => setImmediate(done)); });`;
  expect(await totalsOf(source)).toEqual({ passed: 1, failed: 1, skipped: 0 });
});
