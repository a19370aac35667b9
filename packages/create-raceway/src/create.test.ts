// Projects as they are made: what is written where, what is refused, what is said. That they install, compile and run is in test/scaffold.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { install, nextSteps, packageManagerOf } from "./index.ts";
import { appTemplates, pluginKinds, templateFiles, type TemplateName } from "./templates.ts";

vi.setConfig({ testTimeout: 60_000 }); // each starts processes

const home = mkdtempSync(join(tmpdir(), "raceway-create-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

function create(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const main = join(import.meta.dirname, "main.ts");
  return spawnSync(process.execPath, ["-C", "@raceway/source", main, ...args], {
    cwd: home,
    encoding: "utf8",
    timeout: 50_000,
  });
}
const manifestOf = (folder: string): { name: string; devDependencies: Record<string, string> } =>
  JSON.parse(readFileSync(join(home, folder, "package.json"), "utf8")) as never;

test.each(Object.keys(appTemplates))("makes a project of the template %s, under the folder's name", (template) => {
  const { status, stdout, stderr } = create(`My ${template}`, "--template", template, "--no-install");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(
    new RegExp(`Next:\n {2}cd "My ${template}"\n {2}\\w+ install\n {2}(npm run|pnpm|yarn|bun) dev\n$`),
  );
  expect(manifestOf(`My ${template}`).name).toBe(`my-${template}`);
  const version = (
    JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8")) as { version: string }
  ).version;
  expect(manifestOf(`My ${template}`).devDependencies["@raceway/cli"]).toBe(`^${version}`);
  expect(readFileSync(join(home, `My ${template}`, "README.md"), "utf8")).toMatch(new RegExp(`^# my-${template}\n`));
  expect(existsSync(join(home, `My ${template}`, ".gitignore"))).toBe(true);
  expect(readdirSync(join(home, `My ${template}`))).not.toContain("node_modules");
});

test("asks nothing without a terminal: what is not said is raceway-app, with page and server", () => {
  expect(create("--no-install").status).toBe(0);
  expect(existsSync(join(home, "raceway-app/src/page.ts"))).toBe(true);
});

test.skipIf(!existsSync("/proc/self"))("a folder that cannot be made is told, and not waited for", () => {
  const { status, stderr } = create("/proc/raceway", "--yes", "--no-install");
  expect(status).toBe(3);
  expect(stderr).toMatch(/^\/proc\/raceway cannot be written to: ENOENT.*\. Name another folder\.\n$/);
});

test.skipIf(process.platform === "win32")("half a project is not left where the disk does not take it", () => {
  const main = join(import.meta.dirname, "main.ts");
  const program = [process.execPath, "-C", "@raceway/source", main, "small", "--yes", "--no-install"];
  // A file may have a kilobyte at most.
  const createSmall = (): { status: number | null; stderr: string } =>
    spawnSync("sh", ["-c", 'ulimit -f 1; exec "$@"', "sh", ...program], { cwd: home, encoding: "utf8" });
  const failed = createSmall();
  expect(failed.status).toBe(3);
  expect(failed.stderr).toMatch(/small cannot be written to: EFBIG/);
  expect(existsSync(join(home, "small"))).toBe(false);
  mkdirSync(join(home, "small/.git"), { recursive: true });
  expect(createSmall().status).toBe(3);
  expect(readdirSync(join(home, "small"))).toEqual([".git"]);
});

test("a name with accents becomes one of a package without", () => {
  expect(create("Café Ünïon", "--no-install").status).toBe(0);
  expect(manifestOf("Café Ünïon").name).toBe("cafe-union");
});

test("takes a folder in which only a repository was begun, and another name", () => {
  mkdirSync(join(home, "begun/.git"), { recursive: true });
  expect(create("begun", "--no-install", "--name", "@me/chat").status).toBe(0);
  expect(manifestOf("begun").name).toBe("@me/chat");
});

test("writes nothing into a folder that has something", () => {
  mkdirSync(join(home, "full"));
  writeFileSync(join(home, "full/mine.txt"), "mine");
  const { status, stderr } = create("full", "--yes");
  expect(status).toBe(2);
  expect(stderr).toContain("full is not empty. Name another folder, or clear this one.\nSee --help.");
  expect(readdirSync(join(home, "full"))).toEqual(["mine.txt"]);
});

test("tells wrong use: an unknown template, option or name, too many folders", () => {
  for (const [args, message] of [
    [["x", "--template", "nope"], "There is no template nope; there are both, server, browser."],
    [["x", "--nope"], "Unknown option '--nope'"],
    [["x", "--name", "No Name"], '"No Name" is no name for a package'],
    [["???"], '"" is no name for a package'],
    [["x", "y"], "One folder, not 2: x, y."],
  ] as const) {
    const { status, stderr } = create(...args);
    expect({ status, told: stderr.includes(message) }, stderr).toEqual({ status: 2, told: true });
  }
  expect(existsSync(join(home, "x"))).toBe(false);
});

test("says at once that Node is too old, and writes nothing", () => {
  const old = `data:text/javascript,Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.9.0" } });`;
  const main = join(import.meta.dirname, "main.ts");
  const args = ["--import", old, "-C", "@raceway/source", main, "old", "--no-install"];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: home, encoding: "utf8" });
  expect(status).toBe(3);
  expect(stderr).toContain("Raceway runs on Node 24 or newer");
  expect(existsSync(join(home, "old"))).toBe(false);
});

test("help says what there is", () => {
  const { status, stdout } = create("--help");
  expect(status).toBe(0);
  for (const [name, what] of Object.entries(appTemplates)) expect(stdout).toContain(`${name}: ${what}`);
});

test("what the package has after packing is what the workspace has", async () => {
  const packed = join(home, "templates.json");
  expect(
    spawnSync(process.execPath, [join(import.meta.dirname, "../tools/templates.mjs"), "write", packed]).status,
  ).toBe(0);
  const templates = JSON.parse(readFileSync(packed, "utf8")) as Readonly<
    Record<string, Readonly<Record<string, string>>>
  >;
  const names = [
    ...Object.keys(appTemplates),
    ...Object.keys(pluginKinds).map((kind) => `plugin-${kind}`),
  ] as TemplateName[];
  for (const name of names) expect(templates[name]).toEqual(Object.fromEntries(await templateFiles(name)));
});

test("knows the package manager that it was started by, and how its scripts are run", () => {
  expect(packageManagerOf({ npm_config_user_agent: "pnpm/12.21.0 npm/? node/v24.21.0 linux x64" })).toBe("pnpm");
  expect(packageManagerOf({ npm_config_user_agent: "yarn/4.0.0" })).toBe("yarn");
  expect(packageManagerOf({ npm_config_user_agent: "strange/1" })).toBe("npm");
  expect(packageManagerOf({})).toBe("npm");
  const created = { folder: join(home, "a b"), name: "a-b", files: [] };
  const steps = { cwd: home, installed: true, script: "dev" } as const;
  expect(nextSteps("npm", created, steps)).toEqual(['cd "a b"', "npm run dev"]);
  expect(nextSteps("pnpm", created, steps)).toEqual(['cd "a b"', "pnpm dev"]);
  const inFolder = (name: string): string | undefined =>
    nextSteps("npm", { ...created, folder: join(home, name) }, steps)[0];
  expect(["Ünïon", "a(b)", "a$b", "it's", "it's $5"].map(inFolder)).toEqual([
    "cd Ünïon",
    'cd "a(b)"',
    "cd 'a$b'",
    `cd "it's"`,
    String.raw`cd 'it'\''s $5'`,
  ]);
  expect(nextSteps("npm", created, { cwd: created.folder, installed: false, script: "test" })).toEqual([
    "npm install",
    "npm test",
  ]);
});

test("a failed installation says where the files are", async () => {
  const folder = mkdtempSync(join(home, "broken-"));
  writeFileSync(join(folder, "package.json"), "not JSON");
  await expect(install("npm", folder, true)).rejects.toThrow(`The files are there; install in ${folder}.`);
});
