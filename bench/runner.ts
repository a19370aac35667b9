// Runs one case: all subjects up at once, measured in turn, after a warm-up, as often as asked.
import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Fleet } from "./fleet.ts";
import { type CaseResult, summarize } from "./results.ts";
import type { Subject } from "./subjects.ts";
import type { Sample } from "./workloads/sample.ts";
import type { Case } from "./workloads/table.ts";

export interface RunOptions {
  readonly repetitions: number;
  readonly seconds: number;
  /** {@link WARM_UP_ROUNDS}, or less where figures do not matter. */
  readonly warmUpRounds: number;
  /** Writes a CPU profile of these subjects, after the last repetition. */
  readonly profile: ReadonlySet<string>;
  progress(text: string): void;
}

export interface Profiled {
  readonly file: string;
  /** Measured while it was taken. */
  readonly units: number;
}

export interface RunOutcome {
  readonly result: CaseResult;
  /** By subject. */
  readonly profiles: ReadonlyMap<string, Profiled>;
}

/** Rounds of half a measurement each, until the server has worked as long as one takes: compilers count work and not time. */
export const WARM_UP_ROUNDS = 6;

/** Profiles stay for a closer look; the folder is no one's source. */
const profileFolder = new URL("../node_modules/.cache/raceway-bench/", import.meta.url);

export async function runCase(
  workload: Case,
  subjects: readonly Subject[],
  fleet: Fleet,
  options: RunOptions,
): Promise<RunOutcome> {
  const samples = new Map<string, Sample[] | Error>(subjects.map(({ name }) => [name, []]));
  /** In pairs: what was measured of the first subject right before or after each of the others. */
  const beside = new Map<string, Sample[]>(subjects.map(({ name }) => [name, []]));
  const profiles = new Map<string, Profiled>();
  /** A subject that fails leaves the case, and its processes end; the others go on. */
  const attempt = async (name: string, step: () => Promise<void>): Promise<void> => {
    if (samples.get(name) instanceof Error) return;
    try {
      await step();
    } catch (error) {
      samples.set(name, error instanceof Error ? error : new Error(String(error)));
      options.progress(`${workload.key} ${name} failed: ${(error as Error).message}\n`);
      await fleet.end(name);
    }
  };
  /** A load that waits for a message which never comes must not hold up all others. */
  const patienceMs = 60_000 + options.seconds * 20_000;
  const ask = async <T>(subject: Subject, method: string, ...args: readonly unknown[]): Promise<T> => {
    const { load } = await fleet.start(subject);
    const tooLate = new AbortController();
    const late = sleep(patienceMs, undefined, { signal: tooLate.signal }).then(() => {
      throw new Error(`No answer to "${method}" within ${patienceMs} ms.`);
    });
    late.catch(() => {}); // also when it was called off
    try {
      return await Promise.race([load.ask<T>(method, ...args), late]);
    } finally {
      tooLate.abort();
    }
  };

  options.progress(`${workload.key} starting ${subjects.length} servers and loads`);
  await Promise.all(subjects.map((subject) => attempt(subject.name, async () => void (await fleet.start(subject)))));
  const memory = workload.workload === "idle";
  for (const subject of subjects) {
    const { name } = subject;
    options.progress(`${workload.key} warming up ${name}`);
    await attempt(name, async () => {
      const { port, controlPort, credential } = await fleet.start(subject);
      await ask(subject, "prepare", { port, controlPort, credential }, workload);
      if (memory) return;
      let warm = 0;
      for (let round = 0; round < options.warmUpRounds && warm < options.seconds * 1e6; round++)
        warm += (await ask<Sample>(subject, "measure", options.seconds / 2)).cpuMicros;
    });
  }
  const repetitions = memory ? 1 : options.repetitions; // a second one would measure memory that the first left behind
  const measure = async (subject: Subject, into: Sample[] | Error | undefined): Promise<void> =>
    attempt(subject.name, async () => {
      const sample = await ask<Sample>(subject, "measure", options.seconds);
      if (Array.isArray(into)) into.push(sample);
    });
  const [base] = subjects;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      const subject = subjects[(turn + repetition) % subjects.length] as Subject; // nobody is always the one after another
      options.progress(`${workload.key} ${repetition + 1}/${repetitions} ${subject.name}`);
      const own = samples.get(subject.name);
      if (workload.paired === undefined || subject === base || base === undefined) {
        await measure(subject, own);
        continue;
      }
      const besideOwn = beside.get(subject.name);
      if (repetition % 2 === 0) await measure(base, besideOwn);
      await measure(subject, own);
      if (repetition % 2 === 1) await measure(base, besideOwn);
    }
  }
  for (const subject of subjects) {
    const { name } = subject;
    if (!options.profile.has(name) || memory) continue;
    options.progress(`${workload.key} profiling ${name}`);
    await attempt(name, async () => {
      await mkdir(profileFolder, { recursive: true });
      const file = fileURLToPath(
        new URL(`${`${workload.key}-${name}`.replaceAll(/[^a-z0-9]+/g, "-")}.cpuprofile`, profileFolder),
      );
      const { units } = await ask<Sample>(subject, "profile", options.seconds * 2, file);
      profiles.set(name, { file, units });
    });
  }
  for (const subject of subjects) {
    // What was measured stays measured, but processes in no known state are not used again.
    if (!(samples.get(subject.name) instanceof Error))
      await ask(subject, "dispose").catch(() => fleet.end(subject.name));
  }
  options.progress("");
  return { result: summarize(workload, samples, beside), profiles };
}
