// Values as TypeScript say the same value.
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Literal, literal } from "./literal.ts";

test("on one line if it fits, else a property a line", () => {
  const value = { kind: "topic", history: { maxEvents: 1000 }, list: ["a", "b"], none: undefined };
  expect(literal(value, 100, "")).toBe('{ kind: "topic", history: { maxEvents: 1000 }, list: ["a", "b"] }');
  expect(literal(value, 40, "  ")).toMatchInlineSnapshot(`
    "{
        kind: "topic",
        history: { maxEvents: 1000 },
        list: ["a", "b"],
      }"
  `);
  expect(literal({}, 0, "")).toBe("{}");
  expect(literal([], 0, "")).toBe("[]");
});

test("says the value, whatever it is and however it is broken into lines", () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string({
        unit: fc.constantFrom("a", '"', "'", "`", "$", "{", "\\", "\n", "\0", "\u2028", "\ud800", "é", "😀"),
      }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
      fc.boolean(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("new", "__proto__", "constructor")), tie("value"), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.nat(120), (given, room) => {
      const text = literal(given as Literal, room, "");
      expect(JSON.stringify(evaluate(`(${text})`))).toBe(JSON.stringify(given));
    }),
  );
});

// oxlint-disable-next-line no-eval -- what the text means to JavaScript is the question
const evaluate = (text: string): unknown => (0, eval)(text);
