// `raceway init` and `raceway plugin new` as functions: the same project as by `npm create raceway`, and what they say of it.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { appTemplates, pluginKinds } from "create-raceway";
import { afterAll, expect, test } from "vitest";
import { runCli } from "./cli.ts";
import { templates } from "./commands/init.ts";
import { kinds } from "./commands/plugin-new.ts";

const cwd = mkdtempSync(join(tmpdir(), "raceway-init-"));
afterAll(() => rmSync(cwd, { recursive: true }));

async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await runCli(args, { cwd, out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

test("has the templates that there are", () => {
  expect(templates).toEqual(Object.keys(appTemplates));
  expect(kinds).toEqual(Object.keys(pluginKinds));
});

test("makes a project, and says what to type next", async () => {
  const { code, out, err } = await run("init", "chat", "--no-install", "-t", "server");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(/^chat: \d+ files in .+chat\n\nNext:\n {2}cd chat\n/);
  expect(readdirSync(join(cwd, "chat"))).toContain("raceway.config.ts");
});

test("says the same as JSON", async () => {
  const { out } = await run("init", "json", "--no-install", "--json");
  expect(JSON.parse(out)).toMatchObject({ folder: join(cwd, "json"), name: "json", template: "both" });
  expect(JSON.parse(readFileSync(join(cwd, "json/package.json"), "utf8"))).toMatchObject({ name: "json" });
});

test("refuses a folder that has something, as wrong use", async () => {
  writeFileSync(join(cwd, "file"), "");
  const { code, err } = await run("init", ".", "--no-install");
  expect(code).toBe(2);
  expect(err).toMatch(/is not empty. Name another folder, or clear this one.\nSee raceway init --help.\n$/);
});

test("refuses what is no folder, as wrong use", async () => {
  writeFileSync(join(cwd, "occupied"), "");
  const { code, err } = await run("init", "occupied", "--yes", "--no-install");
  expect(code).toBe(2);
  expect(err).toMatch(/occupied is no folder. Name another one.\nSee raceway init --help.\n$/);
});

test.each(kinds)("makes a plugin: %s", async (kind) => {
  const { code, out, err } = await run("plugin", "new", kind, `my-${kind}`, "--no-install");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(
    new RegExp(`^my-${kind}: \\d+ files in .+\n\nNext:\n {2}cd my-${kind}\n {2}\\w+ install\n {2}\\w+ test\n$`),
  );
  expect(readFileSync(join(cwd, `my-${kind}`, "README.md"), "utf8")).toMatch(new RegExp(`^# my-${kind}\n`));
  expect(existsSync(join(cwd, `my-${kind}`, "src/subject.ts"))).toBe(true);
});
