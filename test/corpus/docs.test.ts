// The page about the corpus has the APIs that there are, and says that all of them hold.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { apis } from "./apis.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/corpus.md"), "utf8");
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.slice(1, -1).split("|"))
  .map((cells) => cells.map((cell) => cell.trim()));

test("docs/corpus.md has a row for each API, and for no other", () => {
  const named = rows.slice(1, -1).filter(([name]) => !/^-+$/.test(name!));
  expect(named.map(([name, publisher]) => `${publisher} ${name}`)).toEqual(
    apis.map(({ name, publisher }) => `${publisher} ${name}`),
  );
  const [count, publishers] = rows.at(-1)!;
  expect(count).toBe(`${apis.length} APIs`);
  expect(publishers).toBe(`${new Set(apis.map(({ publisher }) => publisher)).size} publishers`);
});

test("`--quick` takes five APIs of five publishers", () => {
  const quick = apis.filter((api) => api.quick === true);
  expect(quick.length).toBe(5);
  expect(new Set(quick.map(({ publisher }) => publisher)).size).toBe(5);
});
