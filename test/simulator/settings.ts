// What a seed decides before the world begins: limits, networks, clocks, what goes wrong and how often. Most seeds leave most faults out, so that each gets its turn.
import {
  type BatchCoder,
  type LimitOptions,
  type Limits,
  type Plugin,
  type PluginList,
  type Stations,
  resolveLimits,
} from "@raceway/core";
import { batching } from "@raceway/middleware/batching";
import { compression } from "@raceway/middleware/compression";
import { Chance, type LinkKind, type ProcessOptions, type WireOptions } from "@raceway/testkit";

export const faultNames = [
  "cut",
  "cut all",
  "stall",
  "black hole",
  "half-close",
  "refuse",
  "slow open",
  "swallow",
  "stillborn",
  "deaf",
  "partition",
  "client stalls",
  "server stalls",
  "switch",
  "reconnect",
  "restart",
  "crash",
] as const;
export type FaultName = (typeof faultNames)[number];

export interface Settings {
  readonly clients: number;
  readonly kinds: readonly LinkKind[];
  readonly wires: readonly WireOptions[];
  readonly jsonCodec: boolean;
  readonly jsonFrames: boolean;
  readonly clientLimits: LimitOptions;
  readonly serverLimits: LimitOptions;
  readonly limits: { readonly client: Limits; readonly server: Limits };
  readonly clocks: readonly ProcessOptions[];
  readonly backoffCapMs: number;
  readonly staggerMs: number;
  readonly probeMs: number;
  readonly maxLinkAgeMs: number;
  /** Faults that may happen, the likelier the more often they stand here. */
  readonly faults: readonly FaultName[];
  /** Mean time between two of them. */
  readonly faultEveryMs: number;
  readonly faultsForMs: number;
  readonly operations: number;
  readonly boards: number;
  /** A server that comes back has the topics and the store of the one before. */
  readonly durable: boolean;
  /** Both ends compress, from so few bytes on; undefined: neither. */
  readonly compressFrom: number | undefined;
  /** Their coders answer with promises, each after another time. */
  readonly slowCoders: boolean;
  /** Messages of topics and streams wait so long for others; 0: not at all. */
  readonly windowMs: number;
}

const shapes: readonly { name: string; binary: boolean; push: boolean; framed: boolean }[] = [
  { name: "socket", binary: true, push: true, framed: false },
  { name: "stream", binary: true, push: true, framed: true },
  { name: "events", binary: false, push: true, framed: true },
  { name: "poll", binary: true, push: false, framed: true },
  { name: "lines", binary: false, push: false, framed: true },
];

/** `only`: this fault and no other. */
export function drawSettings(seed: number, only: FaultName | undefined): Settings {
  const chance = new Chance(seed ^ 0x5eed);
  const shuffled = shapes.map((shape) => ({ shape, at: chance.next() })).sort((a, b) => a.at - b.at);
  const chosen = shuffled.slice(0, chance.int(1, 3)).map(({ shape }) => shape);
  const highWater = chance.pick([1_024, 4_096, 65_536]);
  const torn = chance.maybe(0.3);
  const kinds = chosen.map(({ name, binary, push, framed }): LinkKind => ({
    transport: name,
    traits: { binary, duplex: push, push, maxBatchBytes: chance.pick([16_384, 1_114_112]) },
    framed,
    highWater,
    torn: torn && !framed,
    pollMs: chance.spread(5, 200),
  }));
  const wires = kinds.map((): WireOptions => ({
    delayMs: chance.spread(0.2, 120),
    jitterMs: chance.spread(0.1, 60),
    bytesPerMs: chance.spread(20, 20_000),
    windowBytes: chance.pick([2_048, 16_384, 262_144]),
  }));
  const shared: LimitOptions = {
    heartbeatMs: chance.pick([500, 2_000, 5_000]),
    silenceMs: chance.pick([500, 2_000, 5_000]),
    helloMs: chance.pick([2_000, 10_000]),
  };
  const clientLimits: LimitOptions = {
    ...shared,
    windowMessages: chance.pick([2, 8, 32, 256]),
    windowBytes: chance.pick([1_024, 16_384, 1_048_576]),
    replayBytes: chance.pick([2_048, 16_384, 262_144]),
    topicQueueMessages: chance.pick([2, 16, 1_000]),
    outboxMessages: chance.pick([20, 1_000]),
  };
  const serverLimits: LimitOptions = {
    ...shared,
    windowMessages: chance.pick([2, 8, 32, 256]),
    windowBytes: chance.pick([1_024, 16_384, 1_048_576]),
    replayBytes: chance.pick([2_048, 16_384, 262_144]),
    resumeMs: chance.pick([3_000, 60_000, 60_000]),
  };
  const clock = (): ProcessOptions => ({
    offsetMs: chance.int(-3_600_000, 3_600_000),
    drift: (chance.next() - 0.5) * 0.02,
    lateMs: chance.pick([0, 2, 10]),
    loopMs: chance.pick([0, 0, 3]),
  });
  const clients = chance.pick([2, 2, 2, 3, 3, 4, 5]);
  const weighted = faultNames.flatMap((name): FaultName[] =>
    chance.maybe(name === "crash" || name === "restart" ? 0.15 : 0.45)
      ? Array.from({ length: name === "switch" || name === "cut" ? chance.int(1, 6) : 1 }, () => name)
      : [],
  );
  return {
    clients,
    kinds,
    wires,
    jsonCodec: chance.maybe(0.25),
    jsonFrames: chance.maybe(0.1),
    clientLimits,
    serverLimits,
    limits: { client: resolveLimits(clientLimits), server: resolveLimits(serverLimits) },
    clocks: Array.from({ length: clients + 1 }, clock),
    backoffCapMs: chance.pick([100, 1_000, 5_000]),
    staggerMs: chance.pick([20, 250]),
    probeMs: chance.pick([0, 500, 30_000]),
    maxLinkAgeMs: chance.pick([0, 0, 1_500]),
    faults: only === undefined ? weighted : [only],
    faultEveryMs: chance.spread(60, 2_000),
    faultsForMs: chance.spread(1_000, 12_000),
    operations: chance.int(4, 14),
    boards: chance.int(1, 2),
    durable: chance.maybe(0.7),
    // Drawn last, so that the worlds of older seeds stay what they were.
    compressFrom: chance.maybe(0.4) ? chance.pick([0, 60, 300]) : undefined,
    windowMs: chance.pick([0, 0, 0, 3, 40]),
    slowCoders: chance.maybe(0.4),
  };
}

/** What both ends use. Dictionaries begin soon, for these worlds are short. */
export function middlewareOf({ compressFrom, slowCoders, windowMs }: Settings): PluginList {
  const coding =
    compressFrom !== undefined &&
    compression({ algorithms: ["deflate"], minBytes: compressFrom, dictionaryBytes: 256 });
  return [coding && slowCoders ? slowly(coding) : coding, windowMs > 0 && batching({ windowMs })];
}

/** The same plugin, as if it were a page's: what each end codes for one link takes some time. */
function slowly(plugin: Plugin): Plugin {
  return {
    ...plugin,
    async start(host): Promise<Stations> {
      const { batch } = await plugin.start(host);
      if (batch === undefined) return {};
      let turn = 0;
      const later = <T>(value: T): Promise<T> =>
        new Promise((resolve) => host.clock.after([1, 30, 5, 90, 2][turn++ % 5]!, () => resolve(value)));
      const open = (name: string): BatchCoder => {
        const coder = batch.open(name);
        return {
          encode(parts) {
            const coded = coder.encode(parts) as Uint8Array | undefined;
            return coded === undefined ? undefined : later(coded);
          },
          decode: (coded, maxBytes, dictionary) => later(coder.decode(coded, maxBytes, dictionary) as Uint8Array),
        };
      };
      return { batch: { ...batch, open } };
    },
  };
}
