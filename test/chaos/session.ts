// One session of a chaos run, with a stream of each kind in it; each is counted.
import { type Connection, connect, type ConnectOptions } from "@raceway/client";
import { type ChaosClient, chaosClient } from "../gen/chaos/v1/chaos.client.ts";
import { paced } from "./pace.ts";
import { type Counts, Tally } from "./tally.ts";

/** How much of each kind, per second. */
export interface Rates {
  readonly events: number;
  readonly feed: number;
  readonly upload: number;
  readonly talk: number;
  readonly once: number;
}
export type Kind = keyof Rates;
export const kinds: readonly Kind[] = ["events", "feed", "upload", "talk", "once"];

export interface KindResult extends Counts {
  /** Why it ended before its time. */
  readonly failed: string | undefined;
  /** When the longest pause ended, in milliseconds since 1970. */
  readonly longestEndedAt: number;
}

export class ChaosSession {
  readonly name: string;
  readonly connection: Connection;
  readonly #client: ChaosClient;
  /** Links beyond the first. */
  resumes = 0;
  switches = 0;
  readonly progress: Partial<Record<Kind, string>> = {};
  /** What became of its links, with the time, in milliseconds since 1970. */
  readonly story: { readonly at: number; readonly what: string }[] = [];

  constructor(name: string, url: string, options: ConnectOptions) {
    this.name = name;
    this.connection = connect(url, options);
    this.#client = chaosClient(this.connection);
    let before = "connecting";
    this.connection.state.subscribe(({ status, transport, reason }) => {
      const what = `${status} ${transport ?? ""} ${status === "open" ? "" : (reason?.rawMessage ?? "")}`.trim();
      const at = performance.timeOrigin + performance.now();
      if (this.story.at(-1)?.what !== what) this.story.push({ at, what });
      if (status === "open" && before === "resuming") this.resumes++;
      if (status === "open" && before === "switching") this.switches++;
      before = status === "offline" ? "resuming" : status;
    });
  }

  /** All streams at once, to their ends. */
  async run(seconds: number, rates: Rates, topic: string): Promise<Readonly<Record<Kind, KindResult>>> {
    const results = await Promise.all(
      kinds.map(async (kind) => [kind, await this.#counted(kind, seconds * rates[kind], rates[kind], topic)] as const),
    );
    return Object.fromEntries(results) as Record<Kind, KindResult>;
  }

  async #counted(kind: Kind, count: number, perSecond: number, topic: string): Promise<KindResult> {
    const tally = new Tally(kind === "events" ? 1 : 0);
    this.progress[kind] = "runs";
    try {
      let counts: Counts | undefined;
      if (kind === "events") await this.#events(topic, count, tally);
      else if (kind === "feed") await this.#feed(count, perSecond, tally);
      else if (kind === "talk") await this.#talk(count, perSecond, tally);
      else if (kind === "once") counts = await this.#once(count, perSecond, tally);
      else counts = await this.#upload(count, perSecond);
      this.progress[kind] = "done";
      counts ??= tally.counts;
      const lost = counts.lost + Math.max(0, count - counts.taken - counts.lost);
      return { ...counts, lost, failed: undefined, longestEndedAt: endedAt(tally) };
    } catch (error) {
      this.progress[kind] = "failed";
      const { counts } = tally;
      return {
        ...counts,
        lost: count - counts.taken,
        failed: error instanceof Error ? error.message : String(error),
        longestEndedAt: endedAt(tally),
      };
    }
  }

  async #events(topic: string, count: number, tally: Tally): Promise<void> {
    for await (const { sequence } of this.#client.events({ topic }, { from: "start", onReset: () => {} })) {
      tally.take(sequence);
      if (tally.next > count) break;
    }
  }
  async #feed(count: number, perSecond: number, tally: Tally): Promise<void> {
    for await (const { sequence } of this.#client.feed({ count, perSecond })) tally.take(sequence);
  }
  async #talk(count: number, perSecond: number, tally: Tally): Promise<void> {
    for await (const { sequence } of this.#client.talk(numbers(count, perSecond))) tally.take(sequence);
  }
  /** Counted by the server. */
  #upload(count: number, perSecond: number): Promise<Counts> {
    return this.#client.upload(numbers(count, perSecond));
  }
  /** Each on its own; how often they took effect, the server knows. */
  async #once(count: number, perSecond: number, tally: Tally): Promise<Counts> {
    const calls = new Set<Promise<unknown>>();
    const failures: unknown[] = [];
    const answered: number[] = [];
    for await (const sequence of paced(count, perSecond)) {
      const call = this.#client
        .once({ client: this.name, sequence })
        .then(
          () => tally.take(answered.push(sequence) - 1), // in any order, as calls may be answered
          (error: unknown) => failures.push(error),
        )
        .finally(() => calls.delete(call));
      calls.add(call);
      if (calls.size >= 64) await Promise.race(calls);
    }
    await Promise.all(calls);
    if (failures.length > 0) throw failures[0];
    const audit = await this.#client.audit({ client: this.name });
    return { ...tally.counts, taken: audit.calls, duplicated: audit.repeatedEffects };
  }
}

/** 0: not known here, as of uploads, which the server counts. */
const endedAt = ({ longestEndedAt }: Tally): number =>
  longestEndedAt === 0 ? 0 : performance.timeOrigin + longestEndedAt;

async function* numbers(count: number, perSecond: number): AsyncGenerator<{ sequence: number }, void> {
  for await (const sequence of paced(count, perSecond)) yield { sequence };
}
