// The parser stays behind its interface: one folder imports it, and is imported when it is needed.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const sources = join(import.meta.dirname, "../..");
const files = globSync("**/*.ts", { cwd: sources })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => !path.endsWith(".test.ts"));

test("ts-morph is imported by the readers of code alone, and those only when they are needed", () => {
  const parser: string[] = [];
  const readers: string[] = [];
  for (const path of files) {
    const text = readFileSync(join(sources, path), "utf8");
    if (/from "ts-morph"/.test(text)) parser.push(path);
    if (path.startsWith("handlers/code/")) continue;
    // Types are gone at run time.
    for (const [statement] of text.matchAll(
      /^import (?!type\b)[^;]*"[^"]*\/code\/[^"]*";|import\("[^"]*\/code\/[^"]*"\)/gm,
    ))
      readers.push(`${path}: ${statement}`);
  }
  expect(parser.length).toBeGreaterThan(0);
  expect(parser.filter((path) => !path.startsWith("handlers/code/"))).toEqual([]);
  expect(readers).toEqual([
    'handlers/check-handlers.ts: import("./code/read-code.ts")',
    'handlers/scaffold-handlers.ts: import("./code/read-code.ts")',
  ]);
});
