// The server of `raceway dev`: one process at a time, drained by SIGTERM before the next, and ended if that takes too long.
import { type ChildProcess, spawn } from "node:child_process";

export interface ServerProcessOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly graceMs: number;
  /** Whether standard output is for others than the server: what it prints there goes to standard error. */
  readonly outTaken: boolean;
  /** It has ended, not by us. */
  ended(code: number | null, signal: string | null): void;
  /** It did not end in time, and was made to. */
  killed(): void;
}

export class ServerProcess {
  readonly #options: ServerProcessOptions;
  #child: ChildProcess | undefined;
  /** Restarts and ends, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: ServerProcessOptions) {
    this.#options = options;
  }

  /** Resolves when the new process was started. Rejects if it cannot be. */
  restart(): Promise<void> {
    return this.#next(async () => {
      await this.#stop();
      await this.#start();
    });
  }

  /** Resolves when there is none any more. */
  end(): Promise<void> {
    return this.#next(() => this.#stop());
  }

  #next(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined); // whoever asked hears of it
    return done;
  }

  #start(): Promise<void> {
    const { file, args, cwd, env, outTaken } = this.#options;
    // The same flags as this process has, so that conditions and loaders are the same.
    const child = spawn(process.execPath, [...process.execArgv, file, ...args], {
      cwd,
      env,
      stdio: ["inherit", outTaken ? process.stderr.fd : "inherit", "inherit"],
    });
    this.#child = child;
    const orphaned = (): void => void child.kill(); // this process ends by a mistake of its own
    process.once("exit", orphaned);
    child.once("exit", (code, signal) => {
      process.off("exit", orphaned);
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#options.ended(code, signal);
    });
    return new Promise((resolve, reject) => void child.once("spawn", resolve).once("error", reject));
  }

  async #stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => void child.once("exit", resolve));
    child.kill("SIGTERM");
    const timer = setTimeout(() => {
      this.#options.killed();
      child.kill("SIGKILL");
    }, this.#options.graceMs);
    await gone;
    clearTimeout(timer);
  }
}
