// Which package manager this was started by, and how it installs and runs scripts.
import { spawn } from "node:child_process";
import { relative } from "node:path";
import { CreateFailure } from "./failure.ts";
import type { Created } from "./project.ts";

const known = ["npm", "pnpm", "yarn", "bun"] as const;
export type PackageManager = (typeof known)[number];

/** By the variable that all of them set for what they run; npm if nothing says otherwise. */
export function packageManagerOf(env: Readonly<Record<string, string | undefined>>): PackageManager {
  const name = env["npm_config_user_agent"]?.split("/", 1)[0];
  return known.find((one) => one === name) ?? "npm";
}

/**
 * Installs what the project needs; its output goes where `quiet` says: nowhere, or to this process's own. Throws {@link CreateFailure}, also when the signal
 * has ended it.
 */
export async function install(
  manager: PackageManager,
  folder: string,
  quiet: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const child = spawn(manager, ["install"], {
    cwd: folder,
    stdio: ["ignore", quiet ? "ignore" : "inherit", "inherit"],
    shell: process.platform === "win32", // there they are scripts
    ...(signal !== undefined && { signal }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (why: string, cause?: unknown): void =>
    reject(
      new CreateFailure("tool", `${manager} install failed: ${why}. The files are there; install in ${folder}.`, {
        cause,
      }),
    );
  child.once("error", (error) => failed(error.message, error));
  child.once("exit", (code, by) => (code === 0 ? resolve() : failed(by ?? `exit code ${code}`)));
  await promise;
}

/** What to type next, a command a line. */
export function nextSteps(
  manager: PackageManager,
  { folder }: Created,
  options: { readonly cwd: string; readonly installed: boolean; readonly script: "dev" | "test" },
): readonly string[] {
  const path = relative(options.cwd, folder);
  const run =
    options.script === "test" || manager !== "npm" ? `${manager} ${options.script}` : `npm run ${options.script}`;
  return [...(path === "" ? [] : [`cd ${quoted(path)}`]), ...(options.installed ? [] : [`${manager} install`]), run];
}

/** As a shell takes it for one word. */
function quoted(path: string): string {
  if (/^[\p{L}\p{M}\p{N}_.,:=@/\\+-]+$/u.test(path)) return path;
  return /["$`!\n]/.test(path) ? `'${path.replaceAll("'", `'\\''`)}'` : `"${path}"`;
}
