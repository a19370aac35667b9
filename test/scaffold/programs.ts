// Programs that a test starts as a user would: in a folder, without what this run of Vitest has set, and ended with the test.
import { type ChildProcess, spawn } from "node:child_process";
import { delimiter, dirname } from "node:path";

const running = new Set<ChildProcess>();

/** What this run of Vitest has set is not for those inside, nor what the npm around it has. */
const clean = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(VITEST|RACEWAY_|NODE_|npm_|pnpm_|TEST|DEV|PROD|MODE|SSR|BASE_URL|CI$|FORCE_COLOR)/i.test(name),
  ),
);

/** A line that should come to its end has so long, in milliseconds: what hangs must not outlive the test. */
const PATIENCE_MS = 150_000;

export type Env = Readonly<Record<string, string>>;

/** Starts a line of a shell; all that it starts ends with it. */
function start(cwd: string, line: string, env: Env): { child: ChildProcess; output: () => string } {
  const path = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`;
  const child = spawn(line, {
    cwd,
    env: { ...clean, NO_COLOR: "1", PATH: path, ...env },
    shell: true,
    detached: true, // a group of its own, to be ended as one
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let output = "";
  const take = (data: Buffer): void => void (output += data.toString());
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  child.once("close", () => running.delete(child));
  return { child, output: () => output };
}

/** Runs a line that has to succeed, and resolves with what it printed, which is also the message if it fails. */
export async function run(cwd: string, line: string, env: Env = {}): Promise<string> {
  const { child, output } = start(cwd, line, env);
  const patience = setTimeout(() => end(child), PATIENCE_MS);
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearTimeout(patience);
  if (code !== 0) throw new Error(`${line} ended with ${String(code)}:\n${output()}`);
  return output();
}

export interface Running extends AsyncDisposable {
  /** What matched in its output. */
  readonly match: RegExpExecArray;
  output(): string;
}

/** Starts a line that goes on, and resolves once `text` is in its output. */
export async function runUntil(cwd: string, line: string, text: RegExp, env: Env = {}): Promise<Running> {
  const { child, output } = start(cwd, line, env);
  const match = await new Promise<RegExpExecArray>((resolve, reject) => {
    const look = (): void => {
      const found = text.exec(output());
      if (found !== null) resolve(found);
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.once("close", (code) => reject(new Error(`${line} ended with ${String(code)}:\n${output()}`)));
  });
  return {
    match,
    output,
    async [Symbol.asyncDispose]() {
      if (!running.has(child)) return; // it has ended already
      const closed = new Promise((resolve) => child.once("close", resolve));
      end(child);
      await closed;
    },
  };
}

/** Ends what is still running: for `afterAll`. */
export function endAll(): void {
  for (const child of running) end(child);
}

function end(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // It has just ended.
  }
}
