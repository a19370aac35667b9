// The README of @raceway/testing is what it says: its first test is written out, and run by Node's own runner.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

/** Code blocks that begin with a file's name, by that name. */
function blocks(readme: string): ReadonlyMap<string, string> {
  return new Map(
    Array.from(readme.matchAll(/```ts\n\/\/ (\S+)\n([\s\S]*?)```/g), ([, name, code]) => [name!, code!] as const),
  );
}

it("has a first test that passes under node:test as it stands, in ten lines beside imports", async () => {
  const files = blocks(await readFile(join(root, "packages/testing/README.md"), "utf8"));
  expect([...files.keys()]).toEqual(["chat.ts", "chat.test.ts"]);
  const own = files
    .get("chat.test.ts")!
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("import "));
  expect(own.length).toBeLessThanOrEqual(10);
  const folder = await mkdtemp(join(root, "test/.testing-readme-")); // beside node_modules, so that packages are found
  try {
    for (const [name, code] of files) await writeFile(join(folder, name), code);
    await cp(join(root, "examples/chat/gen"), join(folder, "gen"), { recursive: true });
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    const args = ["-C", "@raceway/source", "--test", "--test-reporter=tap", "chat.test.ts"];
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
    const { stdout } = await run(process.execPath, args, { cwd: folder, env });
    expect(stdout).toMatch(/^# pass 1$/m);
    expect(stdout).toMatch(/^# fail 0$/m);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
