// Option tables: what users give, checked on their own line.
import { describe, expect, it } from "vitest";
import { reasonOf } from "./errors.ts";
import { resolveOptions } from "./options.ts";

const table = {
  holdMs: { kind: "number", default: 25_000, min: 100, max: 300_000, unit: "ms" },
  on: { kind: "boolean", default: false },
  mode: { kind: "text", default: "long", values: ["long", "short"] },
  name: { kind: "text", default: "" },
  origins: { kind: "list", default: ["self"] },
} as const;
const resolve = (given: object): unknown => resolveOptions("poll", table, given);
const fault = (given: object): string => {
  try {
    resolve(given);
  } catch (error) {
    return `${reasonOf(error)}: ${(error as Error).message.replace(/^\[\w+\] /, "")}`;
  }
  return "none";
};

describe("options", () => {
  it("have their defaults where nothing is given, or undefined", () => {
    const defaults = { holdMs: 25_000, on: false, mode: "long", name: "", origins: ["self"] };
    expect(resolve({})).toEqual(defaults);
    expect(resolve({ holdMs: undefined, on: undefined })).toEqual(defaults);
  });

  it("are what is given, at both ends of the range", () => {
    expect(resolve({ holdMs: 100, on: true, mode: "short", name: "x", origins: [] })).toEqual({
      holdMs: 100,
      on: true,
      mode: "short",
      name: "x",
      origins: [],
    });
    expect(resolve({ holdMs: 300_000 })).toMatchObject({ holdMs: 300_000 });
  });

  it.each([
    [{ holdMs: 99 }, "option_invalid: poll: option holdMs is 99, expected a number from 100 to 300000 (ms)."],
    [{ holdMs: 300_001 }, "option_invalid: poll: option holdMs is 300001, expected a number from 100 to 300000 (ms)."],
    [{ holdMs: Number.NaN }, "option_invalid: poll: option holdMs is NaN, expected a number from 100 to 300000 (ms)."],
    [
      { holdMs: Infinity },
      "option_invalid: poll: option holdMs is Infinity, expected a number from 100 to 300000 (ms).",
    ],
    [{ holdMs: "500" }, 'option_invalid: poll: option holdMs is "500", expected a number from 100 to 300000 (ms).'],
    [{ holdMs: null }, "option_invalid: poll: option holdMs is null, expected a number from 100 to 300000 (ms)."],
    [{ on: 1 }, "option_invalid: poll: option on is 1, expected true or false."],
    [{ mode: "medium" }, 'option_invalid: poll: option mode is "medium", expected one of long, short.'],
    [{ name: 7 }, "option_invalid: poll: option name is 7, expected a string."],
    [{ origins: "self" }, 'option_invalid: poll: option origins is "self", expected a list of strings.'],
    [{ origins: [1] }, "option_invalid: poll: option origins is 1, expected a list of strings."],
    [{ holdms: 500 }, "option_unknown: poll: there is no option holdms; known: holdMs, on, mode, name, origins."],
    [{ toString: 500 }, "option_unknown: poll: there is no option toString; known: holdMs, on, mode, name, origins."],
    [{ name: 5n, mode: "x".repeat(100) }, "option_invalid: poll: option name is 5, expected a string."],
  ])("refuse %o", (given, expected) => {
    expect(fault(given)).toBe(expected);
  });

  it("shorten what they quote", () => {
    expect(fault({ mode: "x".repeat(1_000) })).toBe(
      `option_invalid: poll: option mode is "${"x".repeat(59)}…, expected one of long, short.`,
    );
  });

  it("never change what was given", () => {
    const given = Object.freeze({ holdMs: 500 });
    resolve(given);
    expect(given).toEqual({ holdMs: 500 });
  });
});
