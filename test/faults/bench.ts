// One session over one transport through the fault proxy, with a stream, an upload, a conversation and calls in the midst of what they do.
import { type Connection, connect, type ConnectionSnapshot, type ConnectOptions } from "@raceway/client";
import { reasonOf, type LimitOptions } from "@raceway/core";
import { type FaultProxy, faultProxy } from "@raceway/testkit/node";
import { type ChaosServer, chaosServer } from "../chaos/service.ts";
import { Tally } from "../chaos/tally.ts";
import { transportOf, type Way } from "../chaos/transports.ts";
import { type ChaosClient, chaosClient } from "../gen/chaos/v1/chaos.client.ts";

/** A dead link is found within 300 ms. */
export const fast: LimitOptions = { heartbeatMs: 100, silenceMs: 200 };

export interface Bench extends AsyncDisposable {
  readonly server: Pick<ChaosServer, "publish">;
  readonly proxy: FaultProxy;
  readonly connection: Connection;
  readonly client: ChaosClient;
  /** Lets the calls that the server holds go on. */
  release(): void;
  /** Resolves with the next snapshot for which it holds, or the present one. */
  became(holds: (state: ConnectionSnapshot) => boolean): Promise<ConnectionSnapshot>;
}

/** With a server in this process. */
export async function bench(
  way: Way,
  options: Partial<ConnectOptions> = {},
  limits: LimitOptions = fast,
): Promise<Bench> {
  const held = Promise.withResolvers<void>();
  const server = chaosServer({ limits }, () => held.promise);
  const { port } = await server.app.listen({ port: 0, host: "127.0.0.1" });
  return benchOf(way, port, options, {
    server,
    release: held.resolve,
    [Symbol.asyncDispose]: () => server.app.close(0),
  });
}

/** With a server somewhere on this machine. */
export async function benchOf(
  way: Way,
  port: number,
  options: Partial<ConnectOptions>,
  far: Pick<Bench, "server" | "release"> & AsyncDisposable,
): Promise<Bench> {
  const proxy = await faultProxy(port);
  const connection = connect(`http://127.0.0.1:${proxy.address}`, {
    transports: [transportOf(way, { answerMs: 300, holdMs: 200, silenceMs: 600 })],
    limits: { helloMs: 400 },
    backoff: { firstMs: 20, capMs: 100 },
    ...options,
  });
  return {
    ...far,
    proxy,
    connection,
    client: chaosClient(connection),
    became: (holds) =>
      new Promise((resolve) => {
        const end = connection.state.subscribe((state) => {
          if (!holds(state)) return;
          resolve(state);
          queueMicrotask(() => end()); // which is not there yet if it holds at once
        });
      }),
    async [Symbol.asyncDispose]() {
      far.release();
      await connection.close();
      await proxy[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
    },
  };
}

const FEED = 1_000;
const UPLOAD = 400;
const TALK = 400;
const CALLS = 30;

/** What came of all the traffic of `traffic`. */
export interface Outcome {
  readonly feed: string;
  readonly upload: string;
  readonly talk: string;
  readonly events: string;
  readonly calls: string;
  readonly effects: string;
}
/** Nothing lost, nothing twice, everything in order; and all in one session, for streams do not outlive theirs. */
export const whole: Outcome = {
  feed: `${FEED} in order`,
  upload: `${UPLOAD} in order`,
  talk: `${TALK} in order`,
  events: `${FEED} in order`,
  calls: `${CALLS} answered`,
  effects: `${CALLS} once each`,
};

/**
 * Starts a stream down, an upload, a conversation, a topic and calls, and has the fault come when each is in its middle: the upload and the
 * conversation wait for it, the stream for its reader, the calls in their handlers.
 */
export async function traffic(it: Bench, inflict: () => Promise<void> | void): Promise<Outcome> {
  const { client, server } = it;
  const inflicted = Promise.withResolvers<void>();
  const middles: Promise<void>[] = [];
  const middle = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    middles.push(promise);
    return resolve;
  };
  async function* numbers(
    count: number,
    reached: () => void,
  ): AsyncGenerator<{ sequence: number; padding: Uint8Array }> {
    for (let sequence = 0; sequence < count; sequence++) {
      if (sequence === count / 2) {
        reached();
        await inflicted.promise;
      }
      yield { sequence, padding: new Uint8Array(100) };
    }
  }
  const read = async (
    messages: AsyncIterable<{ sequence: number }>,
    count: number,
    first: number,
    reached?: () => void,
  ): Promise<string> => {
    const tally = new Tally(first);
    for await (const { sequence } of messages) {
      tally.take(sequence);
      if (tally.next === first + 100 && reached !== undefined) {
        reached();
        await inflicted.promise;
      }
      if (tally.next === first + count) break;
    }
    return said(tally.counts);
  };
  const feed = read(client.feed({ count: FEED, padding: 100 }), FEED, 0, middle());
  const upload = client.upload(numbers(UPLOAD, middle())).then(said);
  const talk = read(client.talk(numbers(TALK, middle())), TALK, 0);
  const events = read(client.events({ topic: "bench" }, { from: "start" }), FEED, 1, middle());
  const publishing = server.publish("bench", FEED, 5_000);
  const calls = Promise.all(Array.from({ length: CALLS }, (_, sequence) => client.once({ client: "bench", sequence })));
  const outcomes = Promise.all(
    [feed, upload, talk, events, calls.then((replies) => `${replies.length} answered`)].map((each) =>
      each.catch((error: unknown) => `failed: ${reasonOf(error) ?? String(error)}`),
    ),
  );
  await Promise.race([Promise.all(middles), outcomes]);
  await inflict();
  inflicted.resolve();
  it.release();
  await publishing;
  const [feedSaid, uploadSaid, talkSaid, eventsSaid, callsSaid] = await outcomes;
  const audit = await client.audit({ client: "bench" });
  return {
    feed: feedSaid!,
    upload: uploadSaid!,
    talk: talkSaid!,
    events: eventsSaid!,
    calls: callsSaid!,
    effects: audit.repeatedEffects === 0 ? `${audit.calls} once each` : `${audit.repeatedEffects} more than once`,
  };
}

function said({ taken, lost, duplicated, reordered }: Tally["counts"]): string {
  return lost + duplicated + reordered === 0
    ? `${taken} in order`
    : `${taken}, lost ${lost}, duplicated ${duplicated}, reordered ${reordered}`;
}
