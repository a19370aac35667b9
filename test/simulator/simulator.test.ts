// The simulator as a test: some hundred seeds keep every promise, a seed is a world of its own, and planted faults are found.
import { plantNames, type PlantName, type Rule } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { faultNames } from "./settings.ts";
import { simulate } from "./simulate.ts";

const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

/** More on demand: `RACEWAY_SEEDS=5000 npx vitest run test/simulator`, or `pnpm simulate`. */
const SEEDS = Number(process.env["RACEWAY_SEEDS"] ?? 300);
const LOT = 50;

describe("a world where things go wrong", () => {
  it.each(upTo(Math.ceil(SEEDS / LOT)))(
    "keeps every promise, lot %i of fifty seeds",
    async (lot) => {
      const failed: string[] = [];
      for (let seed = (lot - 1) * LOT + 1; seed <= lot * LOT; seed++) {
        const { failure } = await simulate(seed);
        if (failure !== undefined) failed.push(`pnpm simulate --seed ${seed}: ${failure}`);
      }
      expect(failed).toEqual([]);
    },
    60_000,
  );

  it.each([2342, 202_963])("keeps every promise in world %i, where it did not once", async (seed) => {
    expect((await simulate(seed)).failure).toBeUndefined();
  });

  it("has every kind of fault, and calls of which most end well", async () => {
    const faults = new Map<string, number>();
    let checked = 0;
    for (const seed of upTo(40)) {
      const outcome = await simulate(seed);
      for (const [name, count] of Object.entries(outcome.faults)) faults.set(name, (faults.get(name) ?? 0) + count);
      checked += outcome.checked;
    }
    expect([...faults.keys()].sort()).toEqual([...faultNames].sort());
    expect(checked).toBeGreaterThan(5_000);
  }, 60_000);

  it("is the same world for the same seed, and another for another", async () => {
    const hashes = new Set<string>();
    for (const seed of upTo(20)) {
      const first = await simulate(seed);
      const second = await simulate(seed, { trace: true }); // reading along changes nothing
      expect(second).toMatchObject({ hash: first.hash, turns: first.turns, virtualMs: first.virtualMs });
      hashes.add(first.hash);
    }
    expect(hashes.size).toBe(20);
  }, 60_000);
});

/** What a planted fault may be found by: what it breaks first depends on the seed. */
const signs: Readonly<Record<PlantName, readonly Rule[]>> = {
  "lost-ack": ["ack"],
  "repeated-frame": ["order", "counts"],
  "wrong-count": ["counts", "protocol"],
  "missed-credit": ["credit"],
  "late-timer": ["late"],
};
/** What the message says of it. */
const words: Readonly<Record<PlantName, RegExp>> = {
  "lost-ack": /an acknowledgement was lost/,
  "repeated-frame": /came again|frames were received, and the \w+ has sent/,
  "wrong-count": /frames? .*(were received|is the next to come)|Count \d+ is impossible/,
  "missed-credit": /has room and no credit/,
  "late-timer": /a timer came late/,
};

describe("a planted fault is found, and the message names it:", () => {
  it.each(plantNames)(
    "%s",
    async (plant) => {
      const found: string[] = [];
      for (const seed of upTo(25)) {
        const { failure } = await simulate(seed, { plant });
        if (failure !== undefined && signs[plant].some((rule) => failure.startsWith(`${rule}:`))) found.push(failure);
        if (found.length === 3) break;
      }
      expect(found).toHaveLength(3);
      for (const failure of found) expect(failure).toMatch(words[plant]);
    },
    60_000,
  );
});
