// A `raceway generate --watch` in a process of its own, and what it says.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { racewayArguments } from "./cold-run.ts";

interface Event {
  readonly event: string;
  readonly changes?: readonly { readonly path: string }[];
}

/** A watch has nothing to say when it begins to check; by then it was calm for 250 ms. */
const CALM_MS = 300;

export class WatchRun implements AsyncDisposable {
  readonly #child: ChildProcess;
  /** What was said, and how much of it was looked at: two lines may come at once. */
  readonly #events: Event[] = [];
  #taken = 0;
  #more: () => void = () => undefined;

  constructor(cwd: string, args: readonly string[]) {
    this.#child = spawn(process.execPath, racewayArguments([...args, "--watch", "--json"]), {
      cwd,
      stdio: ["ignore", "pipe", "inherit"],
    });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.#events.push(JSON.parse(line) as Event);
      this.#more();
    });
  }

  /** All is as the schemas say. */
  checked(): Promise<void> {
    return this.#next(({ event }) => event === "checked");
  }

  /** Resolves when the plan of the whole is being made. */
  checking(): Promise<void> {
    return new Promise((resolve) => void setTimeout(resolve, CALM_MS));
  }

  written(path: string): Promise<void> {
    return this.#next(({ changes = [] }) => changes.some((one) => one.path === path));
  }

  /** The next event that is meant; those before it are left behind. */
  async #next(meant: (event: Event) => boolean): Promise<void> {
    for (;;) {
      while (this.#taken < this.#events.length) if (meant(this.#events[this.#taken++]!)) return;
      await new Promise<void>((resolve) => (this.#more = resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await ended;
  }
}
