// Where a server's CPU time goes: a .cpuprofile by function and by file, self time, largest first.
import { readFile } from "node:fs/promises";

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface ProfileEntry {
  /** "flush  packages/core/src/session.ts:228"; in the sum by place, the file or the dependency. */
  readonly name: string;
  readonly micros: number;
  /** Of the time that was not idle. */
  readonly share: number;
}

export interface ProfileSummary {
  readonly busyMicros: number;
  /** Calls, messages or deliveries while it was taken. */
  readonly units: number;
  readonly functions: readonly ProfileEntry[];
  readonly places: readonly ProfileEntry[];
}

const TOP = 30;
const root = new URL("..", import.meta.url).href;

export async function summarizeProfile(file: string, units: number): Promise<ProfileSummary> {
  const profile = JSON.parse(await readFile(file, "utf8")) as CpuProfile;
  const names = new Map<number, { name: string; place: string }>();
  for (const { id, callFrame } of profile.nodes) {
    const where = shorten(callFrame.url);
    const position = callFrame.url === "" ? "" : `${where}:${callFrame.lineNumber + 1}`;
    names.set(id, {
      name: `${callFrame.functionName || "(anonymous)"}  ${position}`.trimEnd(),
      place: placeOf(where, callFrame.functionName),
    });
  }
  const functions = new Map<string, number>();
  const places = new Map<string, number>();
  let busyMicros = 0;
  for (const [index, id] of profile.samples.entries()) {
    const { name, place } = names.get(id) as { name: string; place: string };
    if (name === "(idle)" || place === "node:inspector") continue; // starting the profiler is a sample of itself
    const micros = profile.timeDeltas[index] as number;
    busyMicros += micros;
    functions.set(name, (functions.get(name) ?? 0) + micros);
    places.set(place, (places.get(place) ?? 0) + micros);
  }
  return {
    busyMicros,
    units,
    functions: largest(functions, busyMicros, TOP),
    places: largest(places, busyMicros, TOP),
  };
}

function largest(sums: ReadonlyMap<string, number>, busyMicros: number, count: number): ProfileEntry[] {
  return [...sums].sort(([, a], [, b]) => b - a).slice(0, count).map(([name, micros]) => ({ name, micros, share: micros / busyMicros })); // oxfmt-ignore
}

/** Paths within the project; of a dependency, its name and the file. */
function shorten(url: string): string {
  const dependency = url.lastIndexOf("/node_modules/");
  if (dependency >= 0) return url.slice(dependency + "/node_modules/".length);
  return url.startsWith(root) ? url.slice(root.length) : url.replace("file://", "");
}

/** "packages/core/src/session.ts", "ws", "node:internal/stream_base_commons"; what has no file is native. */
function placeOf(where: string, functionName: string): string {
  if (where === "") return functionName.startsWith("(") ? functionName : "native (system calls and built-ins)";
  if (where.startsWith("node:") || where.startsWith("packages/") || where.startsWith("bench/")) return where;
  return where.split("/").slice(0, where.startsWith("@") ? 2 : 1).join("/"); // oxfmt-ignore
}

export function formatProfile(
  title: string,
  file: string,
  { busyMicros, units, functions, places }: ProfileSummary,
): string {
  const lines = [
    `Profile: ${title}, ${(busyMicros / 1e3).toFixed(0)} ms busy, ${units} units, ${(busyMicros / units).toFixed(2)} µs each with the profiler on (${file})`,
    "  share    µs each",
  ];
  const list = (entries: readonly ProfileEntry[]): void => {
    for (const { name, micros, share } of entries)
      lines.push(`  ${(share * 100).toFixed(1).padStart(5)} %  ${(micros / units).toFixed(3).padStart(8)}  ${name}`);
  };
  lines.push(" by place, self time");
  list(places);
  lines.push(" by function, self time");
  list(functions);
  return lines.join("\n");
}
