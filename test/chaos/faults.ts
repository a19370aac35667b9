// What a chaos run does to its connections and processes, one kind after the other in an order of chance.
import { setTimeout as sleep } from "node:timers/promises";
import type { FaultDirection, FaultProxy } from "@raceway/testkit/node";
import type { Child } from "./child.ts";

export interface FaultScene {
  readonly proxy: FaultProxy;
  readonly server: Child;
  readonly clients: Child;
  readonly random: () => number;
}
export interface Fault {
  readonly name: string;
  /** To both processes, not to one door. */
  readonly global?: boolean;
  /** Resolves when it is over. */
  inflict(scene: FaultScene): Promise<void>;
}

const between = (random: () => number, least: number, most: number): number =>
  Math.floor(least + random() * (most - least + 1));

/** Something that lasts, and then is taken back. */
function lasting(name: string, least: number, most: number, begin: (scene: FaultScene) => void): Fault {
  return {
    name,
    async inflict(scene) {
      begin(scene);
      await sleep(between(scene.random, least, most));
      scene.proxy.restore();
    },
  };
}

function directed(name: string, act: (scene: FaultScene, direction: FaultDirection) => void): readonly Fault[] {
  return (["up", "down"] as const).map((direction) => ({
    name: `${name} ${direction}`,
    inflict: async (scene) => act(scene, direction),
  }));
}

export const faults: readonly Fault[] = [
  ...directed("cut after bytes", ({ proxy, random }, direction) => proxy.cut(between(random, 1, 20_000), direction)),
  ...directed("half-close", ({ proxy }, direction) => proxy.halfClose(direction)),
  // Of what is open now: what is opened after it works. As when a router forgot its connections.
  ...directed("stall", ({ proxy }, direction) => {
    for (const connection of proxy.connections) connection.stall(direction);
  }),
  { name: "cut", inflict: async ({ proxy }) => proxy.cut() },
  lasting("black hole", 500, 3_000, ({ proxy }) => proxy.stall()),
  lasting("throttle", 1_000, 3_000, ({ proxy, random }) =>
    proxy.shape({ bytesPerSecond: between(random, 20_000, 200_000) }),
  ),
  lasting("delay", 1_000, 3_000, ({ proxy, random }) =>
    proxy.shape({ delayMs: between(random, 20, 200), jitterMs: between(random, 0, 200) }),
  ),
  lasting("split", 1_000, 3_000, ({ proxy, random }) => proxy.shape({ splitBytes: between(random, 1, 64) })),
  lasting("refuse", 300, 1_500, ({ proxy }) => {
    proxy.admit("refuse");
    proxy.cut();
  }),
  lasting("hang at connect", 300, 1_500, ({ proxy }) => {
    proxy.admit("hang");
    proxy.cut();
  }),
  lasting("short lives", 1_000, 2_000, ({ proxy, random }) => {
    proxy.lifetime(between(random, 50, 500));
    proxy.cut();
  }),
  {
    name: "server asleep",
    global: true,
    async inflict({ server, random }) {
      server.sleep();
      await sleep(between(random, 200, 1_000));
      server.wake();
    },
  },
  {
    name: "clients asleep",
    global: true,
    async inflict({ clients, random }) {
      clients.sleep();
      await sleep(between(random, 200, 1_000));
      clients.wake();
    },
  },
  {
    name: "switch",
    global: true,
    async inflict({ clients, random }) {
      await clients.ask("switchSome", between(random, 0, 1_000), 50);
    },
  },
];

/** Chance that a seed repeats (mulberry32, by Tommy Ettinger, public domain). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** All kinds, in an order of chance, again and again. */
export function* schedule(random: () => number): Generator<Fault, never> {
  for (;;) {
    const left = [...faults];
    while (left.length > 0) yield left.splice(Math.floor(random() * left.length), 1)[0]!;
  }
}
