// Diffs of what is added: read by people, and by git.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Insertion, insert, weave } from "./insertion.ts";
import { unifiedDiff } from "./unified-diff.ts";

test("shows what is added, with the lines around it", () => {
  const text = "a\nb\nc\nd\ne\nf {}\n";
  const added = [
    { at: text.indexOf("c"), text: "new\n" },
    { at: text.indexOf("}"), text: "\n  more\n" },
  ];
  expect(unifiedDiff("src/a.ts", text, added, false)).toMatchInlineSnapshot(`
    "--- a/src/a.ts
    +++ b/src/a.ts
    @@ -1,6 +1,9 @@
     a
     b
    +new
     c
     d
     e
    -f {}
    +f {
    +  more
    +}
    "
  `);
  expect(unifiedDiff("src/a.ts", text, [], false)).toBe("");
});

const line = fc.constantFrom("a", "b {}", "  c", "", "d,");
const eol = fc.constantFrom("\n", "\r\n");
const texts = fc
  .tuple(fc.array(fc.tuple(line, eol), { maxLength: 30 }), fc.constantFrom("", "end"))
  .map(([lines, end]) => lines.map((one) => one.join("")).join("") + end);

test("git applies them, and gets the same file", () => {
  const folder = mkdtempSync(join(tmpdir(), "raceway-diff-"));
  try {
    const insertions = fc.array(fc.tuple(fc.nat(), fc.constantFrom("x", "\ny", "z\n", "\r\n  w,\r\n")), {
      minLength: 1,
      maxLength: 4,
    });
    const cases = fc.sample(fc.tuple(texts, insertions), { numRuns: 60, seed: 1 });
    let patch = "";
    const expected = new Map<string, string>();
    for (const [index, [text, some]] of cases.entries()) {
      const name = `f${index}.txt`;
      const added: readonly Insertion[] = some.map(([at, one]) => ({ at: at % (text.length + 1), text: one }));
      expected.set(name, insert(text, added));
      if (text !== "") writeFileSync(join(folder, name), text);
      patch += unifiedDiff(name, text, added, text === "");
    }
    const done = spawnSync("git", ["apply", "--whitespace=nowarn", "-"], {
      cwd: folder,
      input: patch,
      encoding: "utf8",
    });
    expect(done.stderr).toBe("");
    for (const [name, text] of expected) expect(readFileSync(join(folder, name), "utf8"), name).toBe(text);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("white space becomes a part of what takes its place, and is never taken away", () => {
  expect(insert("{ a }", weave(3, " ", ",\n  b,\n"))).toBe("{ a,\n  b,\n}");
  expect(insert("{}", weave(1, "", "\n  b\n"))).toBe("{\n  b\n}");
  expect(insert("{ a \t}", weave(3, " \t", ",\n  b\n"))).toBe("{ a \t,\n  b\n}");
});
