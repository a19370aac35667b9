// `pnpm chaos --switch`: a fast stream, switched between every ordered pair of transports; nothing may be missing, and the gap is told.
import { connect } from "@raceway/client";
import { chaosClient } from "../gen/chaos/v1/chaos.client.ts";
import type { ChaosArguments } from "./arguments.ts";
import { Child } from "./child.ts";
import { table, thousands } from "./table.ts";
import { Tally } from "./tally.ts";
import { transportOf, type Way, ways } from "./transports.ts";

const PER_SECOND = 10_000;
/** A gap belongs to a switch if it ends so soon after it, in milliseconds. */
const SETTLE_MS = 150;
const QUICK: readonly Way[] = ["websocket", "sse", "poll", "grpc"];

/** True: nothing was lost, nothing came twice or in the wrong order, every switch came about. */
export async function switching({ quick, seed, print }: ChaosArguments): Promise<boolean> {
  const among = quick ? QUICK : ways;
  const rounds = quick ? 1 : 3;
  await using server = new Child("server.ts");
  const port = await server.ask<number>("listen");
  await using connection = connect(`http://127.0.0.1:${port}`, {
    transports: among.map((way) => transportOf(way)),
    probeMs: 0,
    limits: { windowMessages: 16_384 },
  });
  const client = chaosClient(connection);
  const tally = new Tally();
  const gaps = new Gaps();
  const stop = new AbortController();
  let total = 0;
  const reading = (async () => {
    // More than will be read; ended by the signal.
    for await (const { sequence } of client.feed(
      { count: 100_000_000, perSecond: PER_SECOND, padding: 16 },
      { signal: stop.signal },
    )) {
      tally.take(sequence);
      gaps.heard();
      total++;
    }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  const calm = new Map<Way, number>();
  const worst = new Map<string, number>();
  let switches = 0;
  const failures: string[] = [];
  let now: Way = among[0]!;
  await gaps.first;
  const began = performance.now();
  print(
    `seed ${seed}: ${thousands(PER_SECOND)} messages per second, ${among.length * (among.length - 1)} ordered pairs of transports, ${rounds} switches each`,
  );
  for (let round = 0; round < rounds; round++) {
    for (const [from, to] of tour(among, now)) {
      calm.set(from, Math.max(calm.get(from) ?? 0, await gaps.longestIn(SETTLE_MS)));
      const gap = gaps.longestDuring(connection.switchTo(to), SETTLE_MS);
      try {
        const ms = await gap;
        switches++;
        worst.set(`${from} ${to}`, Math.max(worst.get(`${from} ${to}`) ?? 0, ms));
      } catch (error) {
        failures.push(`${from} to ${to}: ${String(error)}`);
      }
      now = to;
    }
  }
  const ended = tally.counts;
  const perSecond = (total * 1_000) / (performance.now() - began);
  stop.abort();
  await reading;
  print(
    table(
      ["from \\ to, ms", ...among, "(no switch)"],
      among.map((from) => [
        from,
        ...among.map((to) => (to === from ? "-" : String(Math.round(worst.get(`${from} ${to}`) ?? -1)))),
        String(Math.round(calm.get(from) ?? -1)),
      ]),
    ),
  );
  for (const failure of failures) print(`failed: ${failure}`);
  const longest = [...worst].reduce((a, b) => (b[1] > a[1] ? b : a));
  const median = [...worst.values()].sort((a, b) => a - b)[Math.floor(worst.size / 2)]!;
  print(
    `${thousands(total)} messages, ${thousands(Math.round(perSecond))} per second, ${switches} switches over ${worst.size} pairs: lost ${ended.lost}, duplicated ${ended.duplicated}, reordered ${ended.reordered}, ` +
      `failed ${failures.length}, longest gap ${Math.round(longest[1])} ms (${longest[0].replace(" ", " to ")}), median of pairs ${Math.round(median)} ms`,
  );
  return ended.lost + ended.duplicated + ended.reordered + failures.length === 0;
}

/** A way over every ordered pair, each once, from `start` on back to it: Hierholzer's circle in the complete graph. */
function tour(among: readonly Way[], start: Way): readonly (readonly [Way, Way])[] {
  const left = new Map(among.map((from) => [from, among.filter((to) => to !== from)]));
  const path: Way[] = [start];
  const circle: Way[] = [];
  while (path.length > 0) {
    const next = left.get(path.at(-1)!)!.pop();
    if (next === undefined) circle.push(path.pop()!);
    else path.push(next);
  }
  circle.reverse();
  return circle.slice(1).map((to, at) => [circle[at]!, to] as const);
}

/** Times between messages. */
class Gaps {
  readonly first: Promise<void>;
  #begin!: () => void;
  #lastAt = 0;
  #longest = 0;

  constructor() {
    this.first = new Promise((resolve) => (this.#begin = resolve));
  }
  heard(): void {
    const now = performance.now();
    if (this.#lastAt === 0) this.#begin();
    else this.#longest = Math.max(this.#longest, now - this.#lastAt);
    this.#lastAt = now;
  }
  async longestIn(ms: number): Promise<number> {
    this.#longest = 0;
    await new Promise((resolve) => setTimeout(resolve, ms));
    return Math.max(this.#longest, performance.now() - this.#lastAt);
  }
  async longestDuring(what: Promise<void>, ms: number): Promise<number> {
    this.#longest = 0;
    await what;
    await new Promise((resolve) => setTimeout(resolve, ms));
    return Math.max(this.#longest, performance.now() - this.#lastAt);
  }
}
