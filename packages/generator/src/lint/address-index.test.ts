// Finding addresses that can be the same: as comparing each with each does, in far less time.
import fc from "fast-check";
import { expect, test } from "vitest";
import { AddressIndex } from "./address-index.ts";

const isField = (segment: string): boolean => segment.startsWith("{");

/** Each with each. */
function compared(addresses: readonly string[]): readonly (number | undefined)[] {
  const split = addresses.map((address) => address.split("/"));
  return split.map((mine, at) => {
    const first = split.findIndex(
      (other, before) =>
        before < at &&
        other.every((segment, place) => segment === mine[place] || isField(segment) || isField(mine[place]!)),
    );
    return first === -1 ? undefined : first;
  });
}

function indexed(addresses: readonly string[]): readonly (number | undefined)[] {
  const index = new AddressIndex<number>();
  return addresses.map((address, at) => index.add(address.split("/"), at));
}

test("finds what comparing each with each finds, and of several the first", () => {
  const segment = fc.constantFrom("a", "b", "ab", "{x}", "{y}");
  const addresses = fc
    .integer({ min: 1, max: 4 })
    .chain((length) => fc.array(fc.array(segment, { minLength: length, maxLength: length }), { maxLength: 40 }));
  fc.assert(
    fc.property(addresses, (all) => {
      const texts = all.map((segments) => segments.join("/"));
      expect(indexed(texts)).toEqual(compared(texts));
    }),
    { numRuns: 300 },
  );
});

test("a field overlaps every segment, and nothing else does", () => {
  expect(indexed(["rooms/{room}/x", "rooms/tea/{text}", "boards/{room}/x", "{any}/{thing}/y"])).toEqual([
    undefined,
    0,
    undefined,
    1,
  ]);
});

test("twenty thousand addresses are no matter", { timeout: 60_000 }, () => {
  const many = Array.from({ length: 10_000 }, (_, at) => [`a${at}/{x}/fixed`, `{x}/b${at}/other`]).flat();
  const found = indexed([...many, "a9999/{y}/fixed"]);
  expect(found.at(-1)).toBe(19_998);
  expect(found.findIndex((one) => one !== undefined)).toBe(20_000);
});
