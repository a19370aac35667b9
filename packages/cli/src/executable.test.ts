// The executable `raceway` in processes of its own: what it loads, colours, pipes, and completion in real shells.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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
  expect(stderr).toContain("it exports nothing. Export what it makes: export const app = raceway(…)");
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

const schema = 'syntax = "proto3"; message M { string text = 1; }';

/** A folder of its own with these files. */
function folderWith(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(folder, "with-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}
const runIn = (cwd: string, args: readonly string[], input?: string): SpawnSyncReturns<string> =>
  spawnSync(command[0], [...command.slice(1), ...args], { cwd, encoding: "utf8", timeout: 60_000, input });

test.skipIf(!existsSync("/proc/self"))("a folder that cannot be made ends a command, and does not hold it", () => {
  const cwd = folderWith({ "a.proto": schema });
  for (const args of [
    ["init", "/proc/raceway", "--yes", "--no-install"],
    ["plugin", "new", "codec", "/proc/raceway/codec", "--no-install"],
    ["generate", "a.proto", "--out", "/proc/raceway"],
  ]) {
    const { status, stdout, stderr } = runIn(cwd, args);
    expect({ status, stdout, stderr }, args.join(" ")).toEqual({
      status: 3,
      stdout: "",
      stderr: expect.stringMatching(/\/proc\/raceway.*ENOENT/) as string,
    });
  }
});

test.skipIf(process.platform === "win32")("what is no file is refused where one is wanted, and not waited for", () => {
  const cwd = folderWith({ "a.proto": schema });
  for (const name of ["pipe", "pipe.proto", "pipe.ts"])
    expect(spawnSync("mkfifo", [join(cwd, name)]).status, "mkfifo").toBe(0);
  for (const [args, said] of [
    [["generate", "pipe.proto", "--out", "gen"], "pipe.proto is no .proto file that can be read."],
    [["lint", "/dev/zero"], "/dev/zero is no .proto file that can be read."],
    [["check", "--schemas", "a.proto", "--out", "gen", "--project", "pipe"], "pipe is no file."],
    [["scaffold", "--schemas", "a.proto", "--out", "gen", "--into", "pipe.ts"], "pipe.ts is no file."],
    [["inspect", "./pipe.ts"], "./pipe.ts is no file."],
    [["inspect", "/dev/zero"], "/dev/zero is no file."],
    [["plugin", "test", "."], ". is no file."],
    [["dev", "pipe.ts"], "There is no file pipe.ts."],
    [["generate", "a.proto", "--out", "gen", "--target", "./pipe.ts"], "./pipe.ts is no file."],
  ] as const) {
    const { status, stderr } = runIn(cwd, args);
    expect({ status, stderr }, args.join(" ")).toEqual({ status: 2, stderr: expect.stringContaining(said) as string });
  }
  expect(runIn(cwd, ["lint", "."])).toMatchObject({ status: 0, stderr: ".: nothing found\n" }); // it is no schema
  expect(spawnSync("mkfifo", [join(cwd, "raceway.config.ts")]).status).toBe(0);
  expect(runIn(cwd, ["lint"])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("raceway.config.ts is no file.") as string,
  });
});

test("a package that is for import alone is found as the working folder sees it", () => {
  const cwd = folderWith({ "a.proto": schema });
  const target = join(cwd, "node_modules/only-esm");
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, "package.json"), '{ "type": "module", "exports": { ".": { "import": "./list.js" } } }');
  const list =
    'export default { name: "list", contract: 1, generate: () => [{ path: "x.txt", source: "a.proto", text: "x" }] };';
  writeFileSync(join(target, "list.js"), list);
  expect(runIn(cwd, ["generate", "a.proto", "--out", "gen", "--target", "only-esm"])).toMatchObject({
    status: 0,
    stderr: "gen: 1 added\n",
  });
  expect(runIn(cwd, ["generate", "a.proto", "--out", "gen", "--target", "not-there"])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("There is no file or package not-there.") as string,
  });
});

test("a module cannot end a command as if it had done its work", () => {
  const config = 'export default { generate: [{ inputs: ["a.proto"], out: "gen" }] };';
  for (const [module, status, said] of [
    ["await new Promise(() => {});", 2, "raceway.config.mjs cannot be loaded: it waits at its top level (await)"],
    ["process.exit(0);", 3, "The process was ended (process.exit(0)) before the command was"],
    ['setTimeout(() => { throw new Error("later"); }, 1);', 3, "Error: later"],
    ['Promise.reject(new Error("nobody"));', 3, "Error: nobody"],
  ] as const) {
    const cwd = folderWith({ "a.proto": schema, "raceway.config.mjs": `${module}\n${config}` });
    const ended = runIn(cwd, ["generate"]);
    expect({ status: ended.status, stderr: ended.stderr.slice(0, 9 + said.length) }).toEqual({
      status,
      stderr: `raceway: ${said}`,
    });
    const { stderr } = runIn(cwd, ["generate", "--json"]);
    expect(JSON.parse(stderr), module).toMatchObject({ exitCode: status, message: expect.stringContaining(said) });
  }
  const cwd = folderWith({ "subject.mjs": "export const subject = () => new Promise(() => {});" });
  expect(runIn(cwd, ["plugin", "test", "./subject.mjs"])).toMatchObject({
    status: 3,
    stderr: "raceway: The command waits for something that can no longer happen.\n",
  });
});

test("Ctrl-C while code is generated ends with 130, and nothing is written", () => {
  const stopping = `export default { name: "stopping", contract: 1, async generate() {
    const heard = new Promise((resolve) => process.once("SIGINT", resolve));
    process.kill(process.pid, "SIGINT");
    await heard;
    return [{ path: "x.txt", source: "a.proto", text: "x" }];
  } };`;
  const cwd = folderWith({ "a.proto": schema, "stopping.mjs": stopping });
  const temporary = mkdtempSync(join(folder, "temporary-"));
  const args = ["generate", "a.proto", "--out", "gen", "--target", "./stopping.mjs", "--target", "es"];
  const { status, signal, stdout, stderr } = spawnSync(command[0], [...command.slice(1), ...args], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, TMPDIR: temporary },
  });
  expect({ status, signal, stdout, stderr }).toEqual({ status: 130, signal: null, stdout: "", stderr: "" });
  expect(readdirSync(cwd).toSorted()).toEqual(["a.proto", "stopping.mjs"]);
  expect(readdirSync(temporary)).toEqual([]);
});

test.skipIf(process.platform === "win32")(
  "a project whose installation is stopped is there, and nobody goes on with it",
  () => {
    const cwd = folderWith({ npm: '#!/bin/sh\nkill -TERM "$PPID"\nexec sleep 600\n' });
    chmodSync(join(cwd, "npm"), 0o755);
    // Whoever goes on would hold standard error open.
    const { status, stdout, stderr } = spawnSync(command[0], [...command.slice(1), "init", "app", "--yes"], {
      cwd,
      encoding: "utf8",
      timeout: 100_000,
      env: { PATH: `${cwd}:${process.env["PATH"] ?? ""}` },
    });
    expect({ status, stderr }).toEqual({
      status: 130,
      stderr: expect.stringMatching(/^stopped; the files are there: npm install in .+app\n$/) as string,
    });
    expect(stdout).toMatch(/^app: \d+ files in .+app\n$/);
    expect(readdirSync(join(cwd, "app"))).toContain("package.json");
  },
);
