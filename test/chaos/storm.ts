// `pnpm chaos`: many sessions over all transports, a fault every second, and nothing may be missing at the end.
import { setTimeout as sleep } from "node:timers/promises";
import { faultProxy, type FaultProxy } from "@raceway/testkit/node";
import type { ChaosArguments } from "./arguments.ts";
import { Child, load, type Load, watchLoad } from "./child.ts";
import type { Plan, SessionResult } from "./clients.ts";
import { type Fault, schedule, seeded } from "./faults.ts";
import { kinds, type Rates } from "./session.ts";
import { table, thousands } from "./table.ts";
import { sum } from "./tally.ts";
import { type Way, ways } from "./transports.ts";

/** Doors per transport: a fault meets the sessions of one. */
const DOORS = 3;
/** Topics of a run; sessions share them. */
const TOPICS = 10;
/** In all 90 messages per second and session: 1,080,000 for 200 sessions in a minute. */
const RATES: Rates = { events: 50, feed: 15, upload: 10, talk: 10, once: 5 };
const FAULT_EVERY_MS = 1_000;
/** After the last fault, everything has to come to its end within so long. */
const PATIENCE_MS = 60_000;

interface Inflicted {
  readonly fault: Fault;
  readonly at: number;
  readonly door: string;
}

/** True: nothing was lost, nothing came twice or in the wrong order, nothing failed. */
export async function storm({ seconds, sessions, seed, print }: ChaosArguments): Promise<boolean> {
  const random = seeded(seed);
  watchLoad();
  await using server = new Child("server.ts");
  await using clients = new Child("clients.ts");
  const port = await server.ask<number>("listen");
  await using stack = new AsyncDisposableStack();
  const doors: Record<Way, FaultProxy[]> = Object.fromEntries(ways.map((way) => [way, []])) as never;
  for (const way of ways)
    for (let door = 0; door < DOORS; door++)
      doors[way].push(stack.use(await faultProxy(port, { random: { bytes: () => new Uint8Array(0), next: random } })));
  const topics = Array.from({ length: TOPICS }, (_, at) => `topic-${at}`);
  const plans = Array.from({ length: sessions }, (_, at): Plan => {
    const door = Math.floor(at / ways.length) % DOORS;
    return {
      name: `session-${at}`,
      way: ways[at % ways.length]!,
      alone: Math.floor(at / ways.length) % 2 === 0,
      urls: Object.fromEntries(ways.map((way) => [way, `http://127.0.0.1:${doors[way][door]!.address}`])) as never,
      topic: topics[at % TOPICS]!,
    };
  });
  print(`seed ${seed}: ${sessions} sessions over ${ways.length} transports, ${seconds} s, a fault every second`);
  await clients.ask("connect", plans);
  const began = performance.now();
  const running = clients.ask<readonly SessionResult[]>("run", seconds, RATES);
  const publishing = server.ask("publish", topics, seconds * RATES.events, RATES.events);

  const busy = new Set<FaultProxy>();
  const inflicted: Inflicted[] = [];
  const lasting: Promise<void>[] = [];
  for (const fault of schedule(random)) {
    if (performance.now() - began >= seconds * 1_000) break;
    await sleep(Math.max(0, began + (inflicted.length + 1) * FAULT_EVERY_MS - performance.now()));
    const free = ways
      .flatMap((way) => doors[way].map((proxy) => ({ way, proxy })))
      .filter((each) => !busy.has(each.proxy));
    const { way, proxy } = free[Math.floor(random() * free.length)]!;
    busy.add(proxy);
    inflicted.push({
      fault,
      at: performance.timeOrigin + performance.now(),
      door: fault.global === true ? "all" : way,
    });
    lasting.push(fault.inflict({ proxy, server, clients, random }).finally(() => busy.delete(proxy)));
  }
  await Promise.all(lasting);
  for (const proxy of Object.values(doors).flat()) proxy.restore();
  await publishing;
  const late = sleep(PATIENCE_MS, undefined, { ref: false });
  const results = await Promise.race([running, late]);
  if (results === undefined) {
    const waiting = await clients.ask<readonly string[]>("waiting");
    print(`${waiting.length} sessions hang:\n${waiting.slice(0, 20).join("\n")}`);
    return false;
  }
  const loads = { server: await server.ask<Load>("load"), clients: await clients.ask<Load>("load"), proxies: load() };
  const took = (performance.now() - began) / 1_000;
  const busyness = Object.entries(loads).map(
    ([who, { cpuSeconds, longestTurnMs }]) =>
      `${who} ${Math.round((cpuSeconds / took) * 100)} % of a core, longest turn ${longestTurnMs} ms`,
  );
  print(busyness.join("; "));
  return report(results, inflicted, (performance.now() - began) / 1_000, print);
}

function report(
  results: readonly SessionResult[],
  inflicted: readonly Inflicted[],
  tookSeconds: number,
  print: (text: string) => void,
): boolean {
  const countsOf = (some: readonly SessionResult[]) =>
    sum(some.flatMap((each) => kinds.map((kind) => each.kinds[kind])));
  const failuresOf = (some: readonly SessionResult[]) =>
    some.flatMap((each) => kinds.flatMap((kind) => each.kinds[kind].failed ?? []));
  print(
    table(
      [
        "transport",
        "sessions",
        "resumes",
        "switches",
        "messages",
        "lost",
        "duplicated",
        "reordered",
        "failed",
        "longest pause ms",
      ],
      ways.map((way) => {
        const own = results.filter((each) => each.way === way);
        const { taken, lost, duplicated, reordered, longestPauseMs } = countsOf(own);
        const total = (key: "resumes" | "switches"): number => own.reduce((all, each) => all + each[key], 0);
        return [
          way,
          own.length,
          total("resumes"),
          total("switches"),
          taken,
          lost,
          duplicated,
          reordered,
          failuresOf(own).length,
          longestPauseMs,
        ];
      }),
    ),
  );
  const byKind = new Map<string, number>();
  for (const { fault } of inflicted) byKind.set(fault.name, (byKind.get(fault.name) ?? 0) + 1);
  print(
    `\n${table(
      ["fault", "times"],
      [...byKind].sort(([a], [b]) => a.localeCompare(b)),
    )}`,
  );
  for (const { name, way, kinds: own } of results)
    for (const kind of kinds) {
      const { taken, lost, duplicated, reordered, failed } = own[kind];
      if (lost + duplicated + reordered > 0)
        print(
          `${name} (${way}), ${kind}: ${taken} taken, ${lost} lost, ${duplicated} twice, ${reordered} late${failed === undefined ? "" : ", and it failed"}`,
        );
    }
  const failures = failuresOf(results);
  for (const failure of new Set(failures)) print(`failed: ${failure}`);
  const all = countsOf(results);
  const worst = results
    .flatMap((each) => kinds.map((kind) => ({ way: each.way, story: each.story, kind, ...each.kinds[kind] })))
    .filter(({ longestEndedAt }) => longestEndedAt > 0)
    .reduce((a, b) => (b.longestPauseMs > a.longestPauseMs ? b : a));
  const from = worst.longestEndedAt - worst.longestPauseMs;
  print(
    `\nlongest pause: ${thousands(worst.longestPauseMs)} ms, ${worst.kind} over ${worst.way}; what happened around it:`,
  );
  const story = [
    ...worst.story,
    ...inflicted.map(({ fault, door, at }) => ({ at, what: `fault: ${fault.name} (${door})` })),
    { at: from, what: "the pause began" },
    { at: worst.longestEndedAt, what: "the pause ended" },
  ].filter(({ at }) => at >= from - 1_000 && at <= worst.longestEndedAt);
  for (const { at, what } of story.sort((a, b) => a.at - b.at))
    print(`  ${((at - from) / 1_000).toFixed(2).padStart(6)} s  ${what}`);
  print(
    `${thousands(all.taken)} messages in ${tookSeconds.toFixed(1)} s, ${inflicted.length} faults: ` +
      `lost ${thousands(all.lost)}, duplicated ${thousands(all.duplicated)}, reordered ${thousands(all.reordered)}, failed ${failures.length}, ` +
      `longest pause ${thousands(all.longestPauseMs)} ms`,
  );
  return all.lost + all.duplicated + all.reordered + failures.length === 0;
}
