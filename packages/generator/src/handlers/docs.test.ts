// docs/handlers.md and the rules say the same, in both directions.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { handlerRules } from "./handler-rules.ts";

test("every rule is documented with the sentence it has in the code, and no other", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../../docs/handlers.md"), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (.*?) +\|$/gm)].map(([, rule, sentence]) => [rule, sentence]);
  expect(Object.fromEntries(rows)).toEqual(handlerRules);
});
