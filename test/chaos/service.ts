// The server's side of the chaos service: says numbers, counts those that come, and remembers what took effect.
import { type Raceway, type RacewayOptions, raceway } from "@raceway/server";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { type ChaosHandlers, type ChaosPublishers, chaosService } from "../gen/chaos/v1/chaos.server.ts";
import { paced } from "./pace.ts";
import { Tally } from "./tally.ts";

export interface ChaosServer {
  readonly app: Raceway;
  readonly publishers: ChaosPublishers;
  /** Publishes the numbers from 1 to `count` on a topic. */
  publish(topic: string, count: number, perSecond: number): Promise<void>;
}

/** Faults are found within three seconds, unless `limits` say otherwise. `before` may hold calls up. */
export function chaosServer(
  options: Partial<RacewayOptions> = {},
  before: (sequence: number) => Promise<void> = () => Promise.resolve(),
): ChaosServer {
  const app = raceway({
    transports: [websocket(), sse({ keepAliveMs: 1_000 }), poll({ graceMs: 5_000 }), grpc()],
    ...options,
    limits: { heartbeatMs: 1_000, silenceMs: 1_500, sessionsPerAddress: 10_000, ...options.limits },
  });
  const publishers = app.serve(chaosService, handlers(before));
  return {
    app,
    publishers,
    async publish(topic, count, perSecond) {
      let last: Promise<unknown> | undefined;
      for await (const number of paced(count, perSecond))
        last = publishers.events.publish({ topic }, { sequence: number + 1 });
      await last;
    },
  };
}

function handlers(before: (sequence: number) => Promise<void>): ChaosHandlers {
  const effects = new Map<string, Map<number, number>>();
  return {
    async *feed({ count, perSecond, padding }) {
      const bytes = new Uint8Array(padding);
      for await (const sequence of paced(count, perSecond)) yield { sequence, padding: bytes };
    },
    async upload(messages) {
      const tally = new Tally();
      for await (const { sequence } of messages) tally.take(sequence);
      return tally.counts;
    },
    async *talk(messages) {
      for await (const { sequence, padding } of messages) yield { sequence, padding };
    },
    async once({ client, sequence }) {
      await before(sequence);
      const calls = effects.get(client) ?? new Map<number, number>();
      effects.set(client, calls.set(sequence, (calls.get(sequence) ?? 0) + 1));
      return { sequence };
    },
    audit({ client }) {
      let repeatedEffects = 0;
      for (const times of effects.get(client)?.values() ?? []) repeatedEffects += times - 1;
      return { calls: effects.get(client)?.size ?? 0, repeatedEffects };
    },
  };
}
