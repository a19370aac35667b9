// A client's host with time and chance in the test's hands.
import type { Host, Random } from "@raceway/core";
import { type VirtualClock, testHost, virtualClock } from "@raceway/testkit";

/** The same lots for the same seed (Lehmer). */
export function seeded(seed: number): Random {
  let state = seed;
  return {
    next: () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647,
    bytes: (length) => new Uint8Array(length),
  };
}

export function clientHost(seed = 1): Host & { readonly clock: VirtualClock } {
  return { ...testHost("client"), clock: virtualClock(), random: seeded(seed) };
}
