// `pnpm bench`: Raceway beside its peers, in units per second of the server's CPU time.
import { availableParallelism, cpus } from "node:os";
import { redisServer } from "../test/redis/redis-server.ts";
import { findService, missingMessage } from "../tools/services.mjs";
import { type BenchArguments, parseArguments, usage } from "./arguments.ts";
import { pinning } from "./child.ts";
import { Fleet } from "./fleet.ts";
import { formatProfile, summarizeProfile } from "./profile.ts";
import { formatCase, formatVerdict } from "./report.ts";
import type { CaseResult } from "./results.ts";
import { runCase, WARM_UP_ROUNDS } from "./runner.ts";
import { BASE, type Subject, subjectsOf } from "./subjects.ts";
import { judge, type Verdict } from "./targets.ts";

const { stdout, stderr } = process;

/** On a terminal, one line that changes; else a line each. */
function progress(text: string): void {
  if (stderr.isTTY) stderr.write(`\r\u001B[2K${text}`);
  else if (text !== "") stderr.write(`${text.trimEnd()}\n`);
}

/** For who counts in Redis; its own CPU time is not the server's. */
async function startRedis(): Promise<AsyncDisposable | undefined> {
  const program = findService("redis");
  if (program === undefined) {
    stderr.write(`${missingMessage("redis")}\n`);
    return undefined;
  }
  const server = await redisServer(program);
  process.env["BENCH_REDIS_URL"] = server.url; // the servers' processes inherit it
  return server;
}
const needsRedis = ({ transport = "" }: Subject): boolean => transport.includes("redis");

async function run({
  cases,
  subjects,
  use,
  repetitions,
  seconds,
  quick,
  json,
  profile,
  check,
}: BenchArguments): Promise<number> {
  const print = (text: string): void => void (json || stdout.write(`${text}\n`));
  print(
    `Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model.trim()}; ${repetitions} × ${seconds} s; ${pinning ? "server on core 0, load on core 1" : "processes not pinned"}`,
  );
  const results: CaseResult[] = [];
  const verdicts: Verdict[] = [];
  const measuredIn = new Map(cases.map((one) => [one, subjectsOf(one, subjects, use)]));
  await using redis = [...measuredIn.values()].flat().some(needsRedis) ? await startRedis() : undefined;
  await using shared = new Fleet();
  for (const workload of cases) {
    // Each case has fresh processes, so that none is measured in the state that another left; --quick measures nothing worth that time.
    await using own = new Fleet();
    const measured = measuredIn.get(workload)!.filter((subject) => redis !== undefined || !needsRedis(subject));
    const toProfile = new Set(
      profile ? measured.filter(({ module }) => module === "raceway").map(({ name }) => name) : [],
    );
    const { result, profiles } = await runCase(workload, measured, quick ? shared : own, {
      repetitions,
      seconds,
      warmUpRounds: quick ? 0 : WARM_UP_ROUNDS,
      profile: toProfile,
      progress,
    });
    results.push(result);
    const judged = quick ? [] : judge(result); // what was measured so briefly says nothing
    verdicts.push(...judged);
    print(`\n${formatCase(result)}`);
    for (const verdict of judged) print(formatVerdict(verdict));
    for (const [name, { file, units }] of profiles)
      print(`\n${formatProfile(`${name}, ${workload.key}`, file, await summarizeProfile(file, units))}`);
  }
  const failures = results.flatMap(({ key, subjects: those }) =>
    those.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${key} ${name}: ${failure}`])),
  );
  if (json)
    stdout.write(
      `${JSON.stringify({ node: process.version, cpu: cpus()[0]?.model.trim(), base: BASE, repetitions, seconds, pinned: pinning, results, targets: verdicts, failures }, undefined, 2)}\n`,
    );
  for (const failure of failures) stderr.write(`Failed: ${failure}\n`);
  if (failures.length > 0) return 1;
  return check && verdicts.some(({ ok }) => !ok) ? 1 : 0;
}

try {
  const [first, ...rest] = process.argv.slice(2);
  if (first === "generate") {
    const { benchGenerate } = await import("./generate/main.ts"); // it measures no server, so it shares nothing with the rest
    process.exit(await benchGenerate(rest));
  }
  const given = parseArguments(process.argv.slice(2));
  if (given === "help") stdout.write(usage);
  else process.exitCode = await run(given);
} catch (error) {
  stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
