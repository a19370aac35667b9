// Known values of FNV-1a with 64 bits (Fowler, Noll, Vo: test vectors of the reference implementation).
import { expect, it } from "vitest";
import { fingerprint } from "./fingerprint.ts";

it.each([
  ["", "cbf29ce484222325"],
  ["a", "af63dc4c8601ec8c"],
  ["foobar", "85944171f73967e8"],
])("of %j is %s", (text, expected) => {
  expect(fingerprint(new TextEncoder().encode(text))).toBe(expected);
});
