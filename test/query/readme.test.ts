// The README of @raceway/query is what it says: its page compiles as it stands there, in fifteen lines beside imports.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generate } from "@raceway/generator";
import { expect, it } from "vitest";
import { CodeFolder } from "../generator/type-check.ts";

const readme = readFileSync(join(import.meta.dirname, "../../packages/query/README.md"), "utf8");

/** Code blocks after each other, without the first line of those that name their file. */
const blocks = Array.from(readme.matchAll(/```tsx?\n(?:\/\/ \S+\n)?([\s\S]*?)```/g), ([, code]) => code!);

it("has code that compiles strictly, and a page in fifteen lines", { timeout: 60_000 }, async () => {
  const [page = "", ...expressions] = blocks;
  expect(expressions.length).toBeGreaterThan(0);
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
  folder.write("app.tsx", page);
  const given =
    'import type { RoomQueries } from "./gen/chat/v1/room.query.ts";\ndeclare const rooms: RoomQueries, room: string;\n';
  expressions.forEach((code, at) => folder.write(`expressions-${at}.ts`, given + code));
  expect(folder.typeErrors({ jsx: "react-jsx", declaration: false, isolatedDeclarations: false })).toEqual([]);
  const own = page.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("import "));
  expect(own.length).toBeLessThanOrEqual(15);
});
