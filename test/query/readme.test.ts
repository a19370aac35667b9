// The README of @raceway/query is what it says: its page compiles as it stands there, in fifteen lines beside imports.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generate } from "@raceway/generator";
import { expect, it } from "vitest";
import { CodeFolder } from "../generator/type-check.ts";

const readme = readFileSync(join(import.meta.dirname, "../../packages/query/README.md"), "utf8");

/** Its page, without the first line, which names the file. */
const page = /```tsx\n\/\/ app\.tsx\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";

it("has a page that compiles strictly, in fifteen lines", { timeout: 60_000 }, async () => {
  using folder = new CodeFolder();
  const schemas = join(import.meta.dirname, "../schemas");
  const { diagnostics } = await generate({
    inputs: [join(schemas, "chat")],
    protoPath: [schemas],
    out: join(folder.path, "gen"),
    importExtension: "ts",
    targets: ["es", "ts", "query"],
  });
  expect(diagnostics).toEqual([]);
  expect(page).toContain("roomQueries(");
  folder.write("app.tsx", page);
  expect(folder.typeErrors({ jsx: "react-jsx", declaration: false, isolatedDeclarations: false })).toEqual([]);
  const own = page.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("import "));
  expect(own.length).toBeLessThanOrEqual(15);
});
