// The command line in a process of its own: what it prints, and how it ends.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const main = join(import.meta.dirname, "../../packages/cli/src/main.ts");

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class RunningCommand {
  readonly child: ChildProcessWithoutNullStreams;
  out = "";
  err = "";
  readonly #ended: Promise<unknown[]>;
  #more = Promise.withResolvers<void>();

  constructor(
    args: readonly string[],
    { cwd = ".", env = {} }: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
  ) {
    this.child = spawn(process.execPath, ["-C", "@raceway/source", main, ...args], {
      cwd,
      env: { ...process.env, ...env },
    });
    this.#ended = once(this.child, "close");
    const take = (name: "out" | "err") => (text: string) => {
      this[name] += text;
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    };
    this.child.stdout.setEncoding("utf8").on("data", take("out"));
    this.child.stderr.setEncoding("utf8").on("data", take("err"));
  }

  /** Resolves when the output has it; rejects if the command ends before. */
  async said(text: string): Promise<void> {
    const ended = this.#ended.then(() => {
      if (!(this.out + this.err).includes(text)) throw new Error(`It never said ${text}: ${this.out}${this.err}`);
    });
    while (!(this.out + this.err).includes(text)) await Promise.race([this.#more.promise, ended]);
  }

  async end(input = ""): Promise<Ended> {
    this.child.stdin.end(input);
    const [code] = (await this.#ended) as [number | null];
    return { code, out: this.out, err: this.err };
  }
}

/** Runs to its end with this as standard input. */
export function racewayCommand(
  args: readonly string[],
  input = "",
  options: ConstructorParameters<typeof RunningCommand>[1] = {},
): Promise<Ended> {
  return new RunningCommand(args, options).end(input);
}
