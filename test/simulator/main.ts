// `pnpm simulate`: many seeds on all cores, or one with its trace.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { type PlantName, plantNames } from "@raceway/testkit";
import { type FaultName, faultNames } from "./settings.ts";
import { simulate } from "./simulate.ts";
import { type Lot, Tally, type Task } from "./tally.ts";

const usage = `pnpm simulate [--seeds N] [--from K] [--workers N] [--fault NAME] [--plant NAME]
pnpm simulate --seed K [--fault NAME] [--plant NAME]     replays one seed and prints its trace

--fault   only this one goes wrong: ${faultNames.join(", ")}
--plant   a fault of the system itself, to see it found: ${plantNames.join(", ")}`;

/** Failing seeds that are printed; more say no more. */
const SHOWN = 10;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const aside = (line: string): void => void process.stderr.write(`${line}\n`);
const whole = new Intl.NumberFormat("en");

function parse() {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      workers: { type: "string", default: String(availableParallelism()) },
      fault: { type: "string" },
      plant: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const number = (name: "seeds" | "from" | "seed" | "workers"): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} wants a whole number`);
    return value;
  };
  const one = <T extends string>(name: "fault" | "plant", names: readonly T[]): T | undefined => {
    const value = values[name];
    if (value === undefined) return undefined;
    const found = names.find((each) => each === value);
    if (found === undefined) throw new Error(`--${name} knows ${names.join(", ")}`);
    return found;
  };
  return {
    help: values.help,
    seeds: number("seeds"),
    from: number("from"),
    seed: values.seed === undefined ? undefined : number("seed"),
    workers: Math.max(1, number("workers")),
    only: one<FaultName>("fault", faultNames),
    plant: one<PlantName>("plant", plantNames),
  };
}

type Arguments = ReturnType<typeof parse>;

const flags = ({ only, plant }: Arguments): string =>
  `${only === undefined ? "" : ` --fault "${only}"`}${plant === undefined ? "" : ` --plant ${plant}`}`;

async function replay(given: Arguments, seed: number): Promise<boolean> {
  const { only, plant } = given;
  const outcome = await simulate(seed, { trace: true, only, plant });
  say(JSON.stringify({ ...outcome.settings, limits: undefined }, null, 1));
  for (const line of outcome.lines) say(line);
  const { hash, turns, checked } = outcome;
  say(`seed ${seed}: trace ${hash}, ${whole.format(turns)} turns, ${whole.format(checked)} messages checked`);
  say(outcome.failure === undefined ? "1 passed, 0 failed" : `FAILED ${outcome.failure}\n0 passed, 1 failed`);
  return outcome.failure === undefined;
}

async function run(given: Arguments): Promise<boolean> {
  const { from, seeds, workers, only, plant } = given;
  const began = performance.now();
  const tally = new Tally();
  let toldAt = began;
  const told = (lot: Lot): void => {
    tally.merge(lot);
    for (const { seed, failure } of lot.failures) {
      if (tally.lot.failures.length > SHOWN) break;
      say(`seed ${seed} FAILED ${failure}\n  replay: pnpm simulate --seed ${seed}${flags(given)}`);
    }
    if (performance.now() - toldAt < 2_000) return;
    toldAt = performance.now();
    const seconds = Math.round((toldAt - began) / 1000);
    aside(`${whole.format(tally.lot.seeds)} of ${whole.format(seeds)} seeds, ${seconds} s`);
  };
  const threads = Array.from({ length: Math.min(workers, seeds) }, (_, at) => {
    const workerData: Task = { from: from + at, to: from + seeds - 1, step: workers, only, plant };
    const worker = new Worker(new URL("worker.ts", import.meta.url), { workerData });
    worker.on("message", told);
    return new Promise<void>((resolve, reject) => {
      worker.on("error", reject);
      worker.on("exit", () => resolve());
    });
  });
  await Promise.all(threads);

  const { lot } = tally;
  const seconds = (performance.now() - began) / 1000;
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `${name} ${whole.format(count)}`)
      .join(", ") || "none";
  say(`seeds              ${whole.format(from)} to ${whole.format(from + seeds - 1)}, ${workers} workers`);
  say(`virtual time       ${(lot.virtualMs / 3_600_000).toFixed(1)} h, ${whole.format(lot.turns)} turns`);
  say(`messages checked   ${whole.format(lot.checked)}, in ${whole.format(lot.frames)} frames`);
  say(`faults             ${whole.format(tally.faults)}: ${list(lot.faults)}`);
  say(`calls ended with   ${list(lot.errors)}`);
  say(`largest replay     ${whole.format(lot.mostReplayBytes)} bytes`);
  say(
    `time               ${seconds.toFixed(1)} s, ${((seconds * 1000 * workers) / Math.max(1, lot.seeds)).toFixed(1)} ms of a core per seed`,
  );
  const failed = lot.failures.length;
  say(`${lot.seeds - failed} passed, ${failed} failed`);
  return failed === 0 && lot.seeds === seeds;
}

try {
  const given = parse();
  if (given.help) say(usage);
  else if (!(await (given.seed === undefined ? run(given) : replay(given, given.seed)))) process.exitCode = 1;
} catch (error) {
  aside(`${(error as Error).message}\n\n${usage}`);
  process.exitCode = 2;
}
