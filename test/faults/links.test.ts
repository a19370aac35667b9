// Real faults over each transport, against a real server: whatever happens to the bytes, everything that was sent arrives, once and in order.
import { describe, expect, it } from "vitest";
import { ways } from "../chaos/transports.ts";
import { type Bench, bench, traffic, whole } from "./bench.ts";

const isDown = ({ status }: { readonly status: string }): boolean => status === "resuming" || status === "offline";

/** Lets everything pass again once the client has noticed. */
async function untilNoticed({ proxy, became }: Bench): Promise<void> {
  await became(isDown);
  proxy.restore();
}
/** Of what is open now; new connections work. */
const openOnes =
  (direction?: "up" | "down") =>
  ({ proxy }: Bench): void => {
    for (const connection of proxy.connections) connection.stall(direction);
  };

const faults: readonly (readonly [name: string, inflict: (it: Bench) => Promise<void> | void])[] = [
  ["a cut", ({ proxy }) => proxy.cut()],
  ["a cut in the middle of what goes up", ({ proxy }) => proxy.cut(700, "up")],
  ["a cut in the middle of what comes down", ({ proxy }) => proxy.cut(3_000, "down")],
  [
    "three cuts, each as soon as it goes on",
    async ({ proxy }) => {
      for (let round = 0; round < 3; round++) {
        const goesOn = proxy.passed(1, "down");
        proxy.cut();
        await goesOn;
      }
    },
  ],
  ["a half-close of what goes up", ({ proxy }) => proxy.halfClose("up")],
  ["a half-close of what comes down", ({ proxy }) => proxy.halfClose("down")],
  ["connections that fall silent", openOnes()],
  ["connections that fall silent upwards", openOnes("up")],
  ["connections that fall silent downwards", openOnes("down")],
  [
    "a black hole, until it was noticed",
    async (it) => {
      it.proxy.stall();
      await untilNoticed(it);
    },
  ],
  [
    "a server that refuses for a while",
    async (it) => {
      it.proxy.admit("refuse");
      it.proxy.cut();
      await it.became(({ status }) => status === "offline");
      it.proxy.restore();
    },
  ],
  [
    "connections that hang at connect for a while",
    async (it) => {
      it.proxy.admit("hang");
      it.proxy.cut();
      await it.became(({ status }) => status === "offline");
      it.proxy.restore();
    },
  ],
  [
    "connections that die young",
    async ({ proxy }) => {
      proxy.lifetime(40);
      proxy.cut();
      for (let round = 0; round < 3; round++) {
        await proxy.passed(1, "up");
        await Promise.all(proxy.connections.map(({ closed }) => closed));
      }
      proxy.lifetime(undefined);
    },
  ],
  ["a slow network", ({ proxy }) => proxy.shape({ bytesPerSecond: 200_000 })],
  ["a late network", ({ proxy }) => proxy.shape({ delayMs: 10, jitterMs: 30 })],
  [
    "a network that splits everything, at any byte",
    ({ proxy }) => {
      proxy.shape({ splitBytes: 4 });
      void proxy.passed(8_000).then(() => proxy.shape({ splitBytes: 400 })); // or it would only be slow
    },
  ],
];

for (const way of ways) {
  describe.concurrent(`over ${way}`, () => {
    it.for(faults)("%s", { timeout: 30_000 }, async ([, inflict]) => {
      await using one = await bench(way);
      expect(await traffic(one, () => inflict(one))).toEqual(whole);
    });
  });
}
