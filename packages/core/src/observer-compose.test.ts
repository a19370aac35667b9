// The observers of all plugins as one: each is told, in order, what its faces are for; what one throws stops nothing.
import { expect, it } from "vitest";
import { fail } from "./errors.ts";
import { composeObservers } from "./observer-compose.ts";
import type { LinkEvent, Observer } from "./observer.ts";

const link: LinkEvent = { kind: "opened", transport: "memory", session: "", livedMs: 0, error: undefined };
const compose = (observers: readonly (Observer | undefined)[], failed: unknown[] = []): Observer | undefined =>
  composeObservers(
    observers.map((observe) => (observe === undefined ? {} : { observe })),
    (error) => failed.push(error),
  );

it("is nothing if no plugin observes, and has no faces that none of them has", () => {
  expect(compose([undefined, undefined])).toBeUndefined();
  expect(Object.keys(compose([undefined, { link() {} }, {}])!)).toEqual(["link"]);
});

it("tells all of them, in order", () => {
  const told: string[] = [];
  const one = (name: string): Observer => ({
    link: ({ kind }) => void told.push(`${name} link ${kind}`),
    batch: (transport, direction, bytes) => void told.push(`${name} ${transport} ${direction} ${bytes}`),
    publishing: () => (outcome) => void told.push(`${name} ${"offset" in outcome ? outcome.offset : outcome.code}`),
  });
  const all = compose([one("a"), undefined, one("b")])!;
  all.link!(link);
  all.batch!("memory", "in", 7);
  all.publishing!({} as never)!({ epoch: "e", offset: 3 });
  expect(told).toEqual(["a link opened", "b link opened", "a memory in 7", "b memory in 7", "a 3", "b 3"]);
});

it("goes on when one throws, and says so", () => {
  const failed: unknown[] = [];
  const told: string[] = [];
  const oops = new Error("oops");
  const broken: Observer = {
    link: () => {
      throw oops;
    },
    batch: () => {
      throw oops;
    },
    publishing: () => () => {
      throw oops;
    },
  };
  const all = compose(
    [broken, { link: () => void told.push("link"), batch: () => void told.push("batch"), publishing: () => undefined }],
    failed,
  )!;
  all.link!(link);
  all.batch!("memory", "out", 1);
  all.publishing!({} as never)!(fail("draining", {}));
  expect(told).toEqual(["link", "batch"]);
  expect(failed).toEqual([oops, oops, oops]);
});

it("keeps the way back of a publication only if somebody wants it", () => {
  expect(compose([{ publishing: () => undefined }])!.publishing!({} as never)).toBeUndefined();
});
