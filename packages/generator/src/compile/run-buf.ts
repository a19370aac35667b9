// The program buf, which its npm package brings along: started, and what it says.
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { GenerateFailure } from "../failure.ts";

/** Exit code of buf when it found something to say about the schema. */
export const FOUND = 100;

export interface Done {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

/** A buf that was started and may still be given its standard input. */
export interface RunningBuf {
  /** Rejects with a `GenerateFailure` if it did not start or was ended by somebody else, and with an `Error` once {@link end} has ended it. */
  readonly done: Promise<Done>;
  /** All of its standard input; resolves and rejects as {@link done}. */
  feed(input: Uint8Array): Promise<Done>;
  /** Kills it, if it is there. */
  end(): void;
}

/** Offline, in a folder of the caller's own. Rejects with a `GenerateFailure` if it did not start, and with the signal's reason once that has ended it. */
export function runBuf(args: readonly string[], cwd: string, abort: AbortSignal | undefined): Promise<Done> {
  return doneOf(spawnBuf(args, cwd, "ignore", abort), abort);
}

/** While it waits for its input it keeps no process alive; when the one that started it ends, so does its input, and it. */
export function startBuf(args: readonly string[], cwd: string): RunningBuf {
  const ending = new AbortController();
  const child = spawnBuf(args, cwd, "pipe", ending.signal);
  const done = doneOf(child, ending.signal);
  done.catch(() => undefined); // nobody may be waiting for it yet
  const input = child.stdin!;
  input.on("error", () => undefined); // it has ended; how, `done` says
  const handles = [child, input, child.stdout!, child.stderr!] as readonly { ref?(): void; unref?(): void }[];
  for (const handle of handles) handle.unref?.();
  const hold = (): void => handles.forEach((handle) => handle.ref?.());
  return {
    done,
    feed(bytes) {
      hold();
      input.end(bytes);
      return done;
    },
    end() {
      hold();
      ending.abort(new Error("buf is not needed any more."));
    },
  };
}

function spawnBuf(
  args: readonly string[],
  cwd: string,
  input: "ignore" | "pipe",
  abort: AbortSignal | undefined,
): ChildProcess {
  const command = bufCommand();
  return spawn(command[0], [...command.slice(1), ...args], {
    cwd,
    // No network, no home: the cache is in the stage, and nothing is fetched.
    env: { ...process.env, BUF_CACHE_DIR: join(cwd, "cache") },
    stdio: [input, "pipe", "pipe"],
    // Not the usual one: a buf that waits for its input takes that down, and goes on waiting.
    ...(abort !== undefined && { signal: abort, killSignal: "SIGKILL" }),
  });
}

function doneOf(child: ChildProcess, abort: AbortSignal | undefined): Promise<Done> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout!.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr!.on("data", (chunk: Buffer) => err.push(chunk));
    child.once("error", (error) => {
      if (abort?.aborted !== true)
        reject(new GenerateFailure("tool", `buf did not start: ${error.message}.`, { cause: error }));
    });
    child.once("close", (code, signal) => {
      if (abort?.aborted === true) reject(abort.reason as Error); // only now, so that nobody works in the stage that goes
      else if (code === null)
        reject(new GenerateFailure("tool", `buf was ended by ${signal}. There may be too little memory.`));
      else resolve({ code, out: Buffer.concat(out), err: Buffer.concat(err).toString("utf8") });
    });
  });
}

let command: readonly [string, ...string[]] | undefined;

/** The binary of this platform itself where it is installed: buf's own script would start Node a second time, for 40 ms. */
function bufCommand(): readonly [string, ...string[]] {
  if (command !== undefined) return command;
  const here = createRequire(import.meta.url);
  let script: string;
  try {
    script = here.resolve("@bufbuild/buf/bin/buf");
  } catch (error) {
    throw new GenerateFailure("tool", "The package @bufbuild/buf is not installed. Install the dependencies again.", {
      cause: error,
    });
  }
  const arch = process.platform === "linux" && process.arch === "arm64" ? "aarch64" : process.arch;
  const suffix = process.platform === "win32" ? ".exe" : "";
  try {
    command = [createRequire(script).resolve(`@bufbuild/buf-${process.platform}-${arch}/bin/buf${suffix}`)];
  } catch {
    command = [process.execPath, script]; // it knows where else the binary may be, or says what is wrong
  }
  return command;
}

/** One JSON object a line; what is no JSON was not said by buf. */
export function saidIn(text: string): readonly Said[] {
  return text.split("\n").flatMap((line) => (line.startsWith("{") ? (parsed(line) ?? []) : []));
}

/** What buf says about a place; lines and columns count from 1, the end is exclusive. */
export interface Said {
  readonly path?: string;
  readonly start_line?: number;
  readonly start_column?: number;
  readonly end_line?: number;
  readonly end_column?: number;
  /** Its rule. */
  readonly type: string;
  readonly message: string;
}

function parsed(line: string): Said | undefined {
  try {
    return JSON.parse(line) as Said;
  } catch {
    return undefined; // a schema's file name can put a line of its own making there
  }
}
