// A git repository with the schemas of a test, and what their working tree breaks of what was committed.
import { execFileSync } from "node:child_process";
import { type BreakingOptions, type Diagnostic, findBreaking } from "../src/index.ts";
import { SchemaFolder, demo } from "./schema-folder.ts";

/** Neither the settings of who runs the tests, nor the repository in whose hook they may run. */
const env = {
  PATH: process.env["PATH"],
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_AUTHOR_NAME: "Test",
  GIT_AUTHOR_EMAIL: "test@example.com",
  GIT_COMMITTER_NAME: "Test",
  GIT_COMMITTER_EMAIL: "test@example.com",
};

export class SchemaHistory extends SchemaFolder {
  constructor(files: Readonly<Record<string, string>>) {
    super(files);
    this.git("init", "-q", "-b", "main");
    this.commit();
  }

  git(...args: readonly string[]): string {
    return execFileSync("git", args, { cwd: this.path, env, encoding: "utf8" });
  }

  commit(): void {
    this.git("add", "-A");
    this.git("commit", "-q", "-m", "schemas");
  }

  /** Of all that is in `proto`, against what was committed last. */
  async breaking(options: Partial<BreakingOptions> = {}): Promise<readonly Diagnostic[]> {
    const found = await findBreaking({ inputs: ["proto"], cwd: this.path, against: "HEAD", ...options });
    if (found === undefined) throw new Error("There was nothing to compare with.");
    return found;
  }
}

/** From one body of `demo` to another: "rule at line: message", a line each. */
export async function changes(before: string, after: string, options: Partial<BreakingOptions> = {}): Promise<string> {
  using history = new SchemaHistory(demo(before));
  history.write(demo(after));
  return lines(await history.breaking(options));
}

export function lines(found: readonly Diagnostic[]): string {
  return found.map(({ rule, file, range, message }) => `${rule} at ${range?.line ?? file}: ${message}`).join("\n");
}
