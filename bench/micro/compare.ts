// Runs a few ways of doing the same in turn, several rounds each, and prints what one unit costs.

/** Rounds; the first two warm up. */
const ROUNDS = 9;
const ROUND_MS = 60;

/** CPU time of the process so far, in ns: the garbage collector's threads too, but not what other processes took meanwhile. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1_000;
}

/** Prints nanoseconds of CPU time per unit, lower quartile of the rounds, and the ratio to the first. `units`: how many one run does. */
export function compare(name: string, units: number, ways: Readonly<Record<string, () => void>>): void {
  const entries = Object.entries(ways);
  const figures = new Map<string, number[]>(entries.map(([way]) => [way, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [way, run] of entries) {
      let runs = 0;
      const begin = cpu();
      let now = begin;
      for (; now - begin < ROUND_MS * 1e6; now = cpu()) {
        for (let index = 0; index < 50; index++) run();
        runs += 50;
      }
      if (round > 1) figures.get(way)!.push((now - begin) / (runs * units));
    }
  }
  const quartile = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 2]!;
  const first = quartile(figures.get(entries[0]![0])!);
  for (const [way, list] of figures) {
    const ns = quartile(list);
    console.log(
      `${name.padEnd(28)} ${way.padEnd(34)} ${ns.toFixed(0).padStart(7)} ns ${(ns / first).toFixed(1).padStart(7)} ×`,
    );
  }
}
