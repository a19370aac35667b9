// Every lint rule that is off has its reason in docs/decisions/0005, and no reason outlives its rule.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

test("the table of rules that are off names those of .oxlintrc.json", () => {
  const { rules } = JSON.parse(read(".oxlintrc.json")) as { rules: Record<string, unknown> };
  const off = Object.keys(rules).filter((rule) => rules[rule] === "off");
  const table = read("docs/decisions/0005-which-lint-rules-are-off.md")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`(.+?)`/g)].map(([, rule = ""]) => rule));
  expect(off.length).toBeGreaterThan(0);
  expect(table.toSorted()).toEqual(off.toSorted());
});
