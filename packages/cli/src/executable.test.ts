// The executable `raceway` in processes of its own: what it loads, colours, pipes, and completion in real shells.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { shells } from "./commands/completion.ts";
import { commands } from "./commands/index.ts";

// Each starts processes, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const folder = mkdtempSync(join(tmpdir(), "raceway-executable-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const command = [process.execPath, "-C", "@raceway/source", join(import.meta.dirname, "main.ts")] as const;

/** Names on standard error what is loaded of packages. */
const spy = `data:text/javascript,import { registerHooks } from "node:module"; registerHooks({ resolve(name, context, next) { if (name.startsWith("@")) console.error(name); return next(name, context); } });`;

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): SpawnSyncReturns<string> {
  return spawnSync(command[0], [...command.slice(1), ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "", FORCE_COLOR: "0", NODE_OPTIONS: "", ...env },
  });
}

test("help and completion load no command's code", () => {
  const looked = { NODE_OPTIONS: `--import=${JSON.stringify(spy)}` };
  expect(run(["generate", "--out", "gen"], looked).stderr).toContain("@raceway/generator"); // the spy sees
  for (const args of [
    ["--help"],
    ["--get-yargs-completions", "raceway", ""],
    ...commands.map(({ name }) => [name, "--help"]),
  ]) {
    const { status, stdout, stderr } = run(args, looked);
    expect({ status, stderr }, args.join(" ")).toEqual({ status: 0, stderr: "" });
    expect(stdout).not.toBe("");
  }
});

test("says its version, and ends with the command's exit code", () => {
  expect(run(["--version"]).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(run(["generate", "--out", "x"]).status).toBe(2);
});

test("colours go to terminals only, unless they are asked for", () => {
  mkdirSync(join(folder, "proto"), { recursive: true });
  writeFileSync(join(folder, "proto/a.proto"), 'syntax = "proto3"; message M { Nope n = 1; }');
  const args = ["generate", "proto", "--out", "gen"];
  const red = "\u001b[31merror name_unknown:\u001b[39m";
  const plain = spawnSync(command[0], [...command.slice(1), ...args], { cwd: folder, encoding: "utf8", env: {} });
  expect(plain.status).toBe(1);
  expect(plain.stdout).toMatch(/^error name_unknown:/);
  expect(plain.stdout + plain.stderr).not.toContain("\u001b");
  expect(run(args, { FORCE_COLOR: "1" }).stdout).toContain(red);
  expect(run([...args, "--json"], { FORCE_COLOR: "1" }).stdout).not.toContain("\u001b");
  expect(run(["nope"], { FORCE_COLOR: "1" }).stderr).toContain("\u001b[31mraceway:\u001b[39m");
});

test("whoever reads may have enough before the end", () => {
  const pipe = `${command.map((word) => `'${word}'`).join(" ")} --help | head -c 7`;
  expect(spawnSync("bash", ["-o", "pipefail", "-c", pipe], { encoding: "utf8" })).toMatchObject({
    stdout: "raceway",
    stderr: "",
  });
});

test("bash completes commands, options and choices", () => {
  writeFileSync(join(folder, "raceway"), `#!/bin/sh\nexec ${command.map((word) => `'${word}'`).join(" ")} "$@"\n`);
  chmodSync(join(folder, "raceway"), 0o755);
  const answer = (...words: readonly string[]): readonly string[] => {
    const script = `eval "$(raceway completion bash)"; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _raceway; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` };
    const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", script], { encoding: "utf8", env });
    expect(stderr).toBe("");
    return stdout.split("\n").filter((line) => line !== "");
  };
  expect(answer("raceway", "gen")).toEqual(["generate"]);
  expect(answer("raceway", "generate", "--im")).toEqual(["--import-extension"]);
  expect(answer("raceway", "generate", "--import-extension", "")).toEqual(["js", "ts", "none"]);
  expect(answer("raceway", "plugin", "")).toContain("test");
});

test("completion is for the shell in use, and says which it knows", () => {
  for (const shell of shells)
    expect(run(["completion"], { SHELL: `/usr/bin/${shell}` })).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(`Completion of raceway in ${shell}`),
    });
  expect(run(["completion"], { SHELL: "/bin/dash" })).toMatchObject({
    status: 2,
    stderr: "raceway: Name the shell: bash, zsh, fish.\nSee raceway completion --help.\n",
  });
});

test("a module that starts a server and exports none is told so, and the command ends", () => {
  const server = 'import { createServer } from "node:http"; createServer().listen(0); console.log("listens");';
  writeFileSync(join(folder, "server.mjs"), server);
  const { status, stdout, stderr } = run(["inspect", "./server.mjs"]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "listens\n" });
  expect(stderr).toContain("it exports nothing. Export what it makes: export const app = raceway(…).");
});

test.skipIf(!existsSync("/dev/full"))("output that cannot be written is a failure, told in a line", () => {
  const full = openSync("/dev/full", "w");
  try {
    const { status, stderr } = spawnSync(command[0], [...command.slice(1), "--help"], {
      encoding: "utf8",
      stdio: ["ignore", full, "pipe"],
    });
    expect(status).toBe(3);
    expect(stderr).toBe("raceway: The output cannot be written: ENOSPC: no space left on device, write\n");
  } finally {
    closeSync(full);
  }
});
