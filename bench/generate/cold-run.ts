// A run of `raceway` in a process of its own: how long it takes, and how much memory all its processes hold at a time.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const main = join(import.meta.dirname, "../../packages/cli/src/main.ts");

export interface Run {
  readonly ms: number;
  /** Largest sum over the process and its children; undefined where there is no `/proc`. */
  readonly peakBytes: number | undefined;
  readonly out: string;
}

/** Arguments that start the command line from its sources. */
export function racewayArguments(args: readonly string[]): readonly string[] {
  return ["--disable-warning=ExperimentalWarning", "-C", "@raceway/source", main, ...args];
}

/** Throws an Error with what the command said if it does not end with 0. */
export async function coldRun(cwd: string, args: readonly string[]): Promise<Run> {
  const began = performance.now();
  const child = spawn(process.execPath, racewayArguments(args), { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  let peak = 0;
  const look = setInterval(() => (peak = Math.max(peak, residentBytes(child.pid))), 25);
  try {
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    const ms = performance.now() - began;
    if (code !== 0) throw new Error(`raceway ${args.join(" ")} ended with ${String(code)}: ${err}`);
    return { ms, peakBytes: peak > 0 ? peak : undefined, out };
  } finally {
    clearInterval(look);
  }
}

/** Of a process and all that it started. */
function residentBytes(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .split(" ")
      .filter((one) => one !== "");
    return Number(rss ?? 0) * 1024 + children.reduce((sum, one) => sum + residentBytes(Number(one)), 0);
  } catch {
    return 0; // it has ended meanwhile, or the system has no /proc
  }
}
