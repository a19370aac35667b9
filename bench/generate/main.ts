// `pnpm bench generate`: what the generator and the command line take, for sets of schemas of several sizes.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatTable } from "../report.ts";
import { coldRun } from "./cold-run.ts";
import { schemaPath, schemaText, writeSchemaSet } from "./schema-set.ts";
import { WatchRun } from "./watch-run.ts";

const usage = `pnpm bench generate [options]

From nothing to written code, in a process of its own from the sources of the command line; and with --watch, from an edit of one
file to when its outputs are written. The least of all repetitions.

  --sizes a,b   numbers of services (10,200,1000)
  --only a,b    of start, cold, watch (all)
  --reps N      repetitions (3)
  --check       exit 1 if a target is missed
  --json        results as JSON on standard output
`;

const parts = ["start", "cold", "watch"];

/** Most that is allowed; the figures. */
const targets: { readonly [what: string]: number } = {
  "help ms": 250,
  "completion ms": 250,
  "cold ms, 200": 3_000,
  "cold ms, 1000": 10_000,
  "cold MB, 1000": 800,
  "edit ms, 10": 150,
  "edit ms, 200": 150,
  "edit ms, 1000": 150,
};

/** Resolves to the exit code. */
export async function benchGenerate(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sizes: { type: "string", default: "10,200,1000" },
      only: { type: "string", default: parts.join(",") },
      reps: { type: "string", default: "3" },
      check: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const repetitions = positive("reps", values.reps);
  const only = values.only.split(",");
  const unknown = only.find((one) => !parts.includes(one));
  if (unknown !== undefined) throw new Error(`--only has ${unknown}, expected some of ${parts.join(", ")}.`);
  const figures = new Map<string, number>();
  const take = (measured: Figures): void => {
    for (const [name, value] of measured) figures.set(name, value);
  };
  if (only.includes("start")) take(await measureStart(repetitions));
  for (const size of values.sizes.split(",").map((text) => positive("sizes", text))) {
    if (only.includes("cold")) take(await measureSet(size, repetitions));
    if (only.includes("watch")) take(await measureWatch(size, repetitions));
    process.stderr.write(`${size} services measured\n`);
  }
  const rows = [...figures].map(([name, value]) => ({ name, value, target: targets[name] }));
  const missed = rows.filter(({ value, target }) => target !== undefined && value > target);
  if (values.json) process.stdout.write(`${JSON.stringify({ node: process.version, repetitions, figures: rows })}\n`);
  else {
    const body = rows.map(({ name, value, target }) => [name, value.toFixed(0), target?.toFixed(0) ?? ""]);
    process.stdout.write(`${formatTable([["", "least", "target"], ...body])}\n`);
  }
  return values.check && missed.length > 0 ? 1 : 0;
}

type Figures = readonly (readonly [name: string, value: number])[];

/** What loads nothing heavy has to be quick. */
async function measureStart(repetitions: number): Promise<Figures> {
  const figures: (readonly [string, number])[] = [];
  for (const [name, args] of [
    ["help ms", ["--help"]],
    ["completion ms", ["--get-yargs-completions", "raceway", "gen"]],
  ] as const) {
    const runs = await repeated(repetitions, () => coldRun(tmpdir(), args));
    figures.push([name, Math.min(...runs.map(({ ms }) => ms))]);
  }
  return figures;
}

async function measureSet(size: number, repetitions: number): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), "raceway-bench-"));
  try {
    await writeSchemaSet(join(folder, "proto"), size);
    const args = ["generate", "proto", "--proto-path", "proto", "--out", "gen"];
    const runs = await repeated(repetitions, async () => {
      await rm(join(folder, "gen"), { recursive: true, force: true });
      return coldRun(folder, args);
    });
    const unchanged = await repeated(repetitions, () => coldRun(folder, args));
    const peaks = runs.flatMap(({ peakBytes }) => peakBytes ?? []);
    return [
      [`cold ms, ${size}`, Math.min(...runs.map(({ ms }) => ms))],
      ...(peaks.length > 0 ? [[`cold MB, ${size}`, Math.max(...peaks) / 1e6] as const] : []),
      [`unchanged ms, ${size}`, Math.min(...unchanged.map(({ ms }) => ms))],
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A file that nobody imports is edited, one that others of its group do, and one while the edit before is still being checked. */
async function measureWatch(size: number, repetitions: number): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), "raceway-bench-"));
  try {
    const proto = join(folder, "proto");
    await writeSchemaSet(proto, size);
    await using watch = new WatchRun(folder, ["generate", "proto", "--proto-path", "proto", "--out", "gen"]);
    await watch.checked();
    let edits = 0;
    const edit = async (at: number): Promise<number> => {
      const text = schemaText(at, ++edits);
      const began = performance.now();
      await writeFile(join(proto, schemaPath(at)), text);
      await watch.written(schemaPath(at).replace(".proto", "_pb.ts"));
      return performance.now() - began;
    };
    const calm = async (at: number): Promise<number> => {
      const ms = await edit(at);
      await watch.checked();
      return ms;
    };
    const alone = await repeated(repetitions, () => calm(size - 1));
    const imported = await repeated(repetitions, () => calm(0));
    const busy = await repeated(repetitions, async () => {
      await edit(size - 2);
      await watch.checking();
      return calm(size - 1);
    });
    return [
      [`edit ms, ${size}`, Math.min(...alone)],
      [`edit of an imported file ms, ${size}`, Math.min(...imported)],
      [`edit during a check ms, ${size}`, Math.min(...busy)],
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function repeated<T>(times: number, run: () => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let at = 0; at < times; at++) results.push(await run());
  return results;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} has ${text}, expected a whole number from 1.`);
  return value;
}
