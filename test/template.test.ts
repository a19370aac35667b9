// Each template of a plugin package, as its author would meet it: packed packages of Raceway, an own folder, install, compile, test.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = promisify(execFile);

/** Runs a program that has to succeed; its output is the message if it does not. */
async function call(cwd: string, command: string, ...args: string[]): Promise<string> {
  // What this run of Vitest has set is not for the one inside.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(VITEST|RACEWAY_|NODE_OPTIONS|NODE_ENV|TEST|DEV|PROD|MODE|SSR|BASE_URL)/.test(name),
    ),
  );
  try {
    const { stdout } = await run(command, args, {
      cwd,
      env: { ...env, CI: "true", PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}` },
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")} failed\n${stdout ?? ""}\n${stderr ?? ""}`, { cause: error });
  }
}

interface Manifest {
  devDependencies: Record<string, string>;
}

let folder = "";
/** File names of the packed packages, by package name. */
const packed: Record<string, string> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "raceway-template-"));
  await call(
    root,
    process.execPath,
    join(root, "node_modules/typescript/bin/tsc"),
    "-b",
    "packages/testkit",
    "packages/server",
    "packages/client",
  ); // and with them core
  const pack = async (name: string): Promise<void> => {
    const target = join(folder, "packed", name);
    await call(join(root, "packages", name), "npx", "-y", "pnpm@12", "pack", "--pack-destination", target);
    const [file] = await readdir(target);
    packed[`@raceway/${name}`] = join(target, file ?? "");
  };
  await Promise.all(["core", "testkit", "server", "client"].map(pack));
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

// How many tests pass at least: of a transport those of the kit, in two formats; of middleware the kit's, twice, and its own.
describe.each([
  ["plugin-transport", 50],
  ["plugin-middleware", 60],
])("template %s", (template, least) => {
  test("installs, compiles and passes its tests outside of the workspace", { timeout: 120_000 }, async () => {
    const copy = join(folder, template);
    await cp(join(root, "templates", template), copy, {
      recursive: true,
      filter: (source) => !/node_modules|dist$/.test(source),
    });
    // What is not published yet comes from the files packed here; all else from where the registry or its cache has it.
    const file = join(copy, "package.json");
    const manifest = JSON.parse(await readFile(file, "utf8")) as Manifest;
    const catalog = await catalogVersions();
    for (const name of Object.keys(manifest.devDependencies)) {
      const version = packed[name] === undefined ? catalog[name] : `file:${packed[name]}`;
      if (version !== undefined) manifest.devDependencies[name] = version;
    }
    await writeFile(file, JSON.stringify(manifest, undefined, 2));
    const overrides = Object.entries(packed).map(([name, tarball]) => `  "${name}": "file:${tarball}"\n`);
    await writeFile(join(copy, "pnpm-workspace.yaml"), `packages: []\noverrides:\n${overrides.join("")}`);

    await call(copy, "npx", "-y", "pnpm@12", "install", "--prefer-offline", "--ignore-scripts", "--no-frozen-lockfile");
    await call(copy, "npm", "run", "build");
    expect((await readdir(join(copy, "dist"))).filter((name) => name.endsWith(".d.ts"))).toEqual(
      expect.arrayContaining(["client.d.ts", "server.d.ts"]),
    );
    const results = join(copy, "results.json");
    await call(copy, "npm", "test", "--", "--reporter=default", "--reporter=json", `--outputFile.json=${results}`);
    const { numPassedTests, numFailedTests } = JSON.parse(await readFile(results, "utf8")) as {
      numPassedTests: number;
      numFailedTests: number;
    };
    expect(numFailedTests).toBe(0);
    expect(numPassedTests).toBeGreaterThan(least);
  });
});

/** The versions that this workspace was installed with: they are in pnpm's store already. */
async function catalogVersions(): Promise<Record<string, string>> {
  const text = await readFile(join(root, "pnpm-workspace.yaml"), "utf8");
  const lines = text.slice(text.indexOf("\ncatalog:")).matchAll(/^ {2}"?([^":\n]+)"?: (\d[\w.-]*)/gm);
  return Object.fromEntries(Array.from(lines, ([, name, version]) => [name, version] as const));
}
