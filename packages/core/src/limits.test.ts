// Limits: defaults, ranges, and what is refused.
import { describe, expect, it } from "vitest";
import { reasonOf } from "./errors.ts";
import { limitTable, resolveLimits } from "./limits.ts";

describe("limits", () => {
  it.each(Object.entries(limitTable))(
    "%s has a default in its range, and the unit that its name says",
    (name, { kind, default: value, min, max, unit }) => {
      expect(kind).toBe("number");
      expect(Number.isInteger(value) && Number.isInteger(min) && Number.isInteger(max)).toBe(true);
      expect(min).toBeGreaterThanOrEqual(0); // zero is "none allowed", and nothing is unlimited
      expect(value).toBeGreaterThanOrEqual(min);
      expect(value).toBeLessThanOrEqual(max);
      expect(Number.isFinite(max)).toBe(true);
      if (name.endsWith("Ms")) expect(unit).toBe("ms");
      else if (/Bytes|^writeBuffer$/.test(name)) expect(unit).toBe("bytes");
      else expect(unit).toBe("count");
    },
  );

  it("are the defaults, but for what is given", () => {
    const limits = resolveLimits({ calls: 1, resumeMs: 0 });
    expect(limits).toEqual({
      ...Object.fromEntries(Object.entries(limitTable).map(([name, limit]) => [name, limit.default])),
      calls: 1,
      resumeMs: 0,
    });
    expect(resolveLimits()).toEqual(resolveLimits({}));
  });

  it("are refused out of range or by a wrong name, on the line that gives them", () => {
    const fault = (given: object): string => {
      try {
        resolveLimits(given);
      } catch (error) {
        return `${reasonOf(error)}: ${(error as Error).message}`;
      }
      return "none";
    };
    expect(fault({ calls: -1 })).toBe(
      "option_invalid: [invalid_argument] limits: option calls is -1, expected a number from 0 to 1000000 (count).",
    );
    expect(fault({ calls: Infinity })).toContain("option calls is Infinity");
    expect(fault({ call: 1 })).toMatch(
      /^option_unknown: \[invalid_argument\] limits: there is no option call; known: messageBytes, /,
    );
  });

  it("fit together: a message fits a batch, a window holds a message, silence is longer than nothing", () => {
    const limits = resolveLimits();
    expect(limits.batchBytes).toBeGreaterThan(limits.messageBytes + limits.headerBytes);
    expect(limits.windowBytes).toBeGreaterThanOrEqual(limits.messageBytes);
    expect(limits.helloBytes).toBeLessThan(limits.batchBytes);
    expect(limits.framesBurst).toBeGreaterThanOrEqual(limits.framesPerSecond);
  });
});
