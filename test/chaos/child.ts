// A child process that answers questions, and can be put to sleep, woken and killed.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fileURLToPath } from "node:url";

interface Question {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}
interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #gone: Error | undefined;

  /** Runs a file of this folder, from the sources. */
  constructor(file: string) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
      execArgv: ["-C", "@raceway/source"],
    });
    this.#process.on("message", ({ id, value, error }: Answer) => {
      const asked = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) asked?.resolve(value);
      else asked?.reject(new Error(error));
    });
    this.#process.on("exit", (code, signal) => {
      this.#gone = new Error(`${file} exited with ${code ?? signal}`);
      for (const { reject } of this.#waiting.values()) reject(this.#gone);
      this.#waiting.clear();
    });
  }

  /** Asks the child; rejects with its error, or when it dies. */
  ask<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const asked = Promise.withResolvers<unknown>();
    this.#waiting.set(++this.#lastId, asked);
    this.#process.send({ id: this.#lastId, method, args } satisfies Question);
    return asked.promise as Promise<T>;
  }

  /** Stops it in its tracks, as a laptop that is closed does, until `wake`. */
  sleep(): void {
    this.#process.kill("SIGSTOP");
  }
  wake(): void {
    this.#process.kill("SIGCONT");
  }

  /** Without a chance to say goodbye. */
  async kill(): Promise<void> {
    if (this.#gone !== undefined) return;
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exit;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** How busy a process was, and the longest that its events had to wait. */
export interface Load {
  readonly cpuSeconds: number;
  readonly longestTurnMs: number;
}

const turns = monitorEventLoopDelay({ resolution: 10 });

/** Of this process since it started to be watched. */
export function load(): Load {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, longestTurnMs: Math.round(turns.max / 1e6) };
}
export function watchLoad(): void {
  turns.enable();
}

/** The child's side: answers the parent's questions. */
export function answerParent(methods: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  const answer = async ({ id, method, args }: Question): Promise<Answer> => {
    try {
      return { id, value: await (methods[method] as (...args: readonly unknown[]) => unknown)(...args) };
    } catch (error) {
      return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  };
  watchLoad();
  process.on("message", (question: Question) => void answer(question).then((said) => process.send?.(said)));
  process.on("disconnect", () => process.exit());
}
