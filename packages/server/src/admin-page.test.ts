// Pages of a list that changes: in order, none too long, and what stays is seen once.
import fc from "fast-check";
import { expect, it } from "vitest";
import { page } from "./admin-page.ts";

const nameOf = (name: string): string => name;
const light = { weigh: () => 1, budget: Infinity };

it("what is there all the time is listed once and in order, whatever comes and goes", () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 40 });
  fc.assert(
    fc.property(names, names, fc.integer({ min: 1, max: 7 }), (staying, passing, size) => {
      const seen: string[] = [];
      let after = "";
      for (let round = 0; ; round++) {
        const visitors = passing.filter((_, at) => (at + round) % 2 === 0);
        const { items, next } = page(new Set([...visitors, ...staying]), nameOf, { ...light, after, size });
        expect(items.length).toBeLessThanOrEqual(size);
        seen.push(...items);
        if (next === "") break;
        expect(next > after).toBe(true);
        after = next;
      }
      expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => (a < b ? -1 : 1)));
      expect(staying.filter((name) => !seen.includes(name))).toEqual([]);
    }),
  );
});

it("has 100 items if nothing is said, and never more than 1,000", () => {
  const all = Array.from({ length: 2_500 }, (_, at) => String(at).padStart(4, "0"));
  expect(page(all, nameOf, { ...light, after: "", size: 0 }).items).toEqual(all.slice(0, 100));
  const huge = page(all.toReversed(), nameOf, { ...light, after: "0099", size: 0xffff_ffff });
  expect(huge.items).toEqual(all.slice(100, 1_100));
  expect(huge.next).toBe("1099");
});

it("is cut where it would weigh too much, but for the first item", () => {
  const heavy = { weigh: (name: string) => name.length, budget: 10, size: 9 };
  const all = ["a", "bbbbb", "cccc", "d", "eeeeeeeeeeeeeeeeeeeee", "f"];
  const pages: (readonly string[])[] = [];
  for (let after = ""; ;) {
    const { items, next } = page(all, nameOf, { ...heavy, after });
    pages.push(items);
    if (next === "") break;
    after = next;
  }
  expect(pages).toEqual([["a", "bbbbb", "cccc"], ["d"], ["eeeeeeeeeeeeeeeeeeeee"], ["f"]]);
});
