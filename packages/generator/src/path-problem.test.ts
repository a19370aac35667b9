// Names of files that not every system takes, and what is said of them.
import fc from "fast-check";
import { expect, test } from "vitest";
import { foldedPath, pathProblem } from "./path-problem.ts";

test("what is wrong with a name is said, without anything that cannot be seen", () => {
  const said = [
    "",
    "/a",
    "a//b",
    "../a",
    "a/.",
    "a\\b",
    "C:a",
    "a?",
    "nul",
    "Aux.txt",
    "lpt1 .x",
    "a.",
    "b /a",
    "a\u2028b",
    "a\0",
    "a#b",
    "%41",
    "a\u202e/x.",
  ].map((path) => `${JSON.stringify(path)}: ${pathProblem(path)}`);
  expect(said.join("\n")).toMatchInlineSnapshot(`
    """: it is empty
    "/a": it begins at the root
    "a//b": it has a folder without a name
    "../a": it has .. in it
    "a/.": it has . in it
    "a\\\\b": it has \\, which names cannot have on Windows
    "C:a": it has :, which names cannot have on Windows
    "a?": it has ?, which names cannot have on Windows
    "nul": "nul" is a device on Windows
    "Aux.txt": "Aux.txt" is a device on Windows
    "lpt1 .x": "lpt1 .x" is a device on Windows
    "a.": "a." ends with a blank or a dot, which Windows leaves out
    "b /a": "b " ends with a blank or a dot, which Windows leaves out
    "a b": it has a sign that cannot be seen
    "a\\u0000": it has a sign that cannot be seen
    "a#b": it has #, which means something else in imports of JavaScript
    "%41": it has %, which means something else in imports of JavaScript
    "a‮/x.": it has a sign that cannot be seen"
  `);
});

test("ordinary names are fine, in every script", () => {
  for (const path of [
    "a.ts",
    "chat/v1/room_pb.ts",
    "it's.md",
    "über/größe.ts",
    "聊天/房间.ts",
    "𝕳.ts",
    "console.ts",
    "com10.ts",
    "...x",
    ".git-like",
    "a b.ts",
    "-o",
    "$&",
    "~",
  ])
    expect(pathProblem(path), path).toBeUndefined();
});

test("a name without a problem has no way up, no root and no end of a line, whatever it is", () => {
  const parts = fc.array(
    fc.oneof(fc.constantFrom("..", ".", "a", "\u2029", "\r", "con"), fc.string({ maxLength: 4 })),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(parts, (names) => {
      const path = names.join("/");
      if (pathProblem(path) !== undefined) return;
      expect(path.split("/")).not.toContain("..");
      expect(path).not.toMatch(/^\/|[\r\n\u2028\u2029\\:]/);
    }),
  );
});

test("names that differ in case or in the way accents are written are folded into one", () => {
  expect(foldedPath("R\u00e9sum\u00e9.TS")).toBe(foldedPath("re\u0301sume\u0301.ts"));
  expect(foldedPath("\u212a")).toBe(foldedPath("k"));
  expect(foldedPath("a")).not.toBe(foldedPath("\u00e4"));
});
