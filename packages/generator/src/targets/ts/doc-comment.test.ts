// Doc comments hold whatever a schema says.
import fc from "fast-check";
import { expect, test } from "vitest";
import { docComment } from "./doc-comment.ts";

test("one line, several lines, none", () => {
  expect(docComment(["Says it."])).toEqual(["/** Says it. */"]);
  expect(docComment(["One.", "", "  Two."])).toEqual(["/**", " * One.", " *", " *   Two.", " */"]);
  expect(docComment([])).toEqual([]);
  expect(docComment(["x".repeat(111)])).toHaveLength(3);
});

test("what is deprecated says so, once", () => {
  expect(docComment([], true)).toEqual(["/** @deprecated */"]);
  expect(docComment(["Old."], true)).toEqual(["/**", " * Old.", " *", " * @deprecated", " */"]);
  expect(docComment(["@deprecated since 2"], true)).toEqual(["/** @deprecated since 2 */"]);
});

test("no text ends the comment before its end", () => {
  const text = fc.array(
    fc.array(fc.constantFrom("*", "/", "\\", " ", "a", "**/", "*/")).map((parts) => parts.join("")),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(text, fc.boolean(), (lines, deprecated) => {
      const comment = docComment(lines, deprecated).join("\n");
      expect(comment.startsWith("/**")).toBe(true);
      expect(comment.indexOf("*/", 2)).toBe(comment.length - 2);
    }),
  );
});
