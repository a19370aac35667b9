// Child processes, each pinned to one core, and the questions that the parent asks them.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

/** Servers have core 0 for themselves; the load and the rest share core 1. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

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

/** Can processes be pinned here? */
export const pinning: boolean = availableParallelism() >= 2 && spawnSync("taskset", ["-V"]).status === 0;

/** Halves the time to start; what runs long is compiled anew all the same. */
const compileCache = fileURLToPath(new URL("../node_modules/.cache/raceway-bench/compiled", import.meta.url));

export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;
  #exited = false;

  constructor(file: string, args: readonly string[], core: number) {
    this.#name = [file, ...args].join(" ");
    const node = ["-C", "@raceway/source", "--expose-gc", fileURLToPath(new URL(file, import.meta.url)), ...args];
    const command = pinning ? ["taskset", "-c", String(core), process.execPath, ...node] : [process.execPath, ...node];
    const env = { ...process.env, NODE_COMPILE_CACHE: compileCache };
    this.#process = spawn(command[0] as string, command.slice(1), { stdio: ["ignore", 2, 2, "ipc"], env });
    this.#process.on("message", ({ id, value, error }: Answer) => {
      const asked = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) asked?.resolve(value);
      else asked?.reject(new Error(error));
    });
    this.#process.on("error", (error) => this.#gone(error.message));
    this.#process.on("exit", (code, signal) => this.#gone(`exited with ${code ?? signal}`));
  }

  #gone(why: string): void {
    this.#exited = true;
    for (const { reject } of this.#waiting.values()) reject(new Error(`${this.#name}: ${why}`));
    this.#waiting.clear();
  }

  /** Asks the child; rejects with its error, or when it dies. */
  ask<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#exited) return Promise.reject(new Error(`${this.#name} has exited.`));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, method, args } satisfies Question);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#exited) return;
    const exit = new Promise<void>((resolve) => this.#process.once("exit", () => resolve()));
    this.#process.kill("SIGKILL"); // nothing to save, and ten thousand sockets to close are the kernel's work
    await exit;
  }
}

/** The child's side: answers the parent's questions. */
export function answerParent(methods: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  process.on("message", ({ id, method, args }: Question) => {
    void (async () => {
      const answer = methods[method] as (...args: readonly unknown[]) => unknown;
      try {
        process.send?.({ id, value: await answer(...args) } satisfies Answer);
      } catch (error) {
        process.send?.({
          id,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        } satisfies Answer);
      }
    })();
  });
  process.on("disconnect", () => process.exit());
}
