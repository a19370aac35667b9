// A commit of a git repository, whose schema files can be written to a folder. The repository, its index and its working tree are not touched.
import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { GenerateFailure } from "../failure.ts";

export interface Commit {
  /** The working tree, absolute and without links. */
  readonly root: string;
  /** Writes all `.proto` files of the commit; `index` is a file that is made for it. */
  checkOut(folder: string, index: string): Promise<void>;
}

/** Throws a `GenerateFailure` if `cwd` is in no repository, or the repository has no such revision. */
export async function openCommit(cwd: string, revision: string): Promise<Commit> {
  const top = await git(cwd, ["rev-parse", "--show-toplevel"]);
  if (top.code !== 0)
    throw new GenerateFailure(
      "usage",
      `${cwd} is in no git repository, and ${revision} is no file. Name a file that buf build -o has written, or run this in a repository.`,
    );
  const root = realpathSync(top.out.toString("utf8").trimEnd());
  const named = await git(root, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${revision}^{commit}`]);
  if (named.code !== 0)
    throw new GenerateFailure(
      "usage",
      `${revision} is neither a file nor a revision of the repository ${root}. In CI, fetch it first: git fetch origin main.`,
    );
  const commit = named.out.toString("utf8").trim();
  return {
    root,
    async checkOut(folder, index) {
      const own = { GIT_INDEX_FILE: index };
      await mkdir(folder);
      await done(git(root, ["read-tree", commit], own));
      const files = await done(git(root, ["ls-files", "-z", "--", "*.proto"], own));
      await done(git(root, ["checkout-index", "-q", "-z", "--stdin", `--prefix=${join(folder, "/")}`], own, files));
    },
  };
}

interface Ended {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

async function done(running: Promise<Ended>): Promise<Buffer> {
  const { code, out, err } = await running;
  if (code !== 0) throw new GenerateFailure("tool", `git failed: ${err.trim()}`);
  return out;
}

/** What a hook of git sets: it would have git look elsewhere than in the working folder. */
const HOOKED: ReadonlySet<string> = new Set(["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"]);

function git(
  cwd: string,
  args: readonly string[],
  own: Readonly<Record<string, string>> = {},
  input: Uint8Array = new Uint8Array(0),
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const inherited = Object.entries(process.env).filter(([name]) => !HOOKED.has(name));
    const child = spawn("git", args, { cwd, env: { ...Object.fromEntries(inherited), ...own }, stdio: "pipe" });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => undefined); // it ended without reading, and its exit code says why
    child.once("error", (error) =>
      reject(new GenerateFailure("tool", `git did not start: ${error.message}. Install it.`, { cause: error })),
    );
    child.once("close", (code) => resolve({ code, out: Buffer.concat(out), err: Buffer.concat(err).toString("utf8") }));
    child.stdin.end(input);
  });
}
