// The demo as a child process, started as `npm run demo` does.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../examples/ticker/main.ts", import.meta.url));

function start(...args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ["-C", "@raceway/source", MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

export interface Ended {
  readonly status: number | null;
  readonly output: string;
}

/** Runs it until it ends by itself. */
export async function runDemo(...args: readonly string[]): Promise<Ended> {
  const child = start(...args);
  const output = collect(child);
  const [status] = (await once(child, "close")) as [number | null];
  return { status, output: output() };
}

export interface RunningDemo {
  readonly url: string;
  /** Asks it to end, as Ctrl+C does. */
  end(): Promise<Ended>;
}

/** Starts it with its page; resolves once it has said where. */
export async function startDemo(): Promise<RunningDemo> {
  const child = start("--port", "0");
  const output = collect(child);
  const closed = once(child, "close") as Promise<[number | null]>;
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on("data", () => {
      const said = /http:\/\/\S+/.exec(output());
      if (said !== null) resolve(said[0]);
    });
    child.once("close", () => reject(new Error(`The demo did not start:\n${output()}`)));
  });
  return {
    url,
    async end() {
      child.kill("SIGINT");
      const [status] = await closed;
      return { status, output: output() };
    },
  };
}

function collect(child: ChildProcess): () => string {
  let text = "";
  child.stdout?.on("data", (chunk) => (text += String(chunk)));
  child.stderr?.on("data", (chunk) => (text += String(chunk)));
  return () => text;
}
