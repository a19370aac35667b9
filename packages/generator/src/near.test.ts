// The name that somebody meant.
import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearest } from "./near.ts";

test("finds the name that was meant", () => {
  const known = ["address", "history", "conflation"];
  expect(nearest("adress", known)).toBe("address");
  expect(nearest("hsitory", known)).toBe("history");
  expect(nearest("ADDRESS", known)).toBe("address");
});

test("guesses nothing when no name is near", () => {
  expect(nearest("retention", ["address", "history"])).toBeUndefined();
  expect(nearest("x", ["address"])).toBeUndefined();
  expect(nearest("x", [])).toBeUndefined();
});

test("counts a swap of neighbours once", () => {
  expect(editDistance("ab", "ba")).toBe(1);
  expect(editDistance("kitten", "sitting")).toBe(3);
});

test("distance is symmetric, zero for the same text only, and at most the longer length", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      expect(distance).toBe(editDistance(b, a));
      expect(distance === 0).toBe(a === b);
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
  );
});
