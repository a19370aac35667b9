// Each template as its user meets it: made by the command, installed from packed packages, compiled, tested and run. And, word by word, the README's first five minutes and the guides to a transport and to a generator target.
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needService } from "../../tools/services.mjs";
import { endAll, run, runUntil } from "./programs.ts";
import { type Registry, startRegistry } from "./registry.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const executablePath = needService("chromium");
let folder = "";
let registry: Registry;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "raceway-templates-"));
  registry = await startRegistry();
}, 180_000);
afterAll(async () => {
  endAll();
  await registry[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** As somebody whose registry has what is packed here. */
const asNpmUser = (): Record<string, string> => ({
  npm_config_registry: registry.url,
  npm_config_cache: join(folder, ".npm"),
  npm_config_audit: "false",
  npm_config_fund: "false",
  npm_config_update_notifier: "false",
});
/** The command of this workspace, unbuilt: what is packed is tried by npm's own way in, below. */
const create = `node -C @raceway/source ${join(root, "packages/create-raceway/src/main.ts")}`;
/** From pnpm's store, which the workspace was installed from. */
const install = (project: string): Promise<string> =>
  run(project, `${registry.pnpm} install --ignore-scripts --no-frozen-lockfile --registry=${registry.url}`);

const own = ["schemas/chat/v1/room.proto", "src/chat.ts", "src/page.ts"] as const;
const types = "src/gen/chat/v1/room_pb.ts";

test.skipIf(executablePath === undefined)(
  "from nothing to two tabs that talk: the two commands of the README, nothing to edit, 25 lines at most",
  { timeout: 240_000 },
  async ({ onTestFinished }) => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    const [, words] = /## Five minutes\n[^#]*?```sh\n([\s\S]*?)```/.exec(readme)!;
    const commands = words!.trim().split("\n");
    expect(commands).toHaveLength(2);
    const home = await mkdtemp(join(folder, "home-"));
    const began = performance.now();
    await run(home, commands[0]!, { ...asNpmUser(), npm_config_yes: "true" }); // npm asks before it runs what is new to it
    const created = performance.now();
    await using dev = await runUntil(home, commands[1]!, /http:\/\/localhost:\d+\//);
    const served = performance.now();

    const browser: Browser = await chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox"] });
    onTestFinished(() => browser.close());
    const tab = async (): Promise<Page> => {
      const page = await browser.newPage();
      page.setDefaultTimeout(60_000);
      await page.goto(dev.match[0]);
      return page;
    };
    const [one, other] = [await tab(), await tab()];
    const say = async (page: Page, text: string): Promise<void> => {
      await page.locator("input").fill(text);
      await page.locator("input").press("Enter");
    };
    await say(one, "hello");
    await other.getByText("hello").waitFor();
    const talked = performance.now();
    await say(other, "hello yourself");
    await one.getByText("hello yourself").waitFor();

    const project = join(home, "chat");
    const lines = await Promise.all(
      own.map(async (file) =>
        (await readFile(join(project, file), "utf8")).split("\n").filter((line) => line.trim() !== ""),
      ),
    );
    expect(lines.flat().length).toBeLessThanOrEqual(25);
    for (const file of own) expect(readme).toContain(file);
    const seconds = (from: number, to: number): string => `${((to - from) / 1_000).toFixed(1)} s`;
    process.stdout.write(
      `2 commands, ${lines.flat().length} lines, ${seconds(began, talked)}: ${seconds(began, created)} to make and install, ${seconds(created, served)} to start, ${seconds(served, talked)} to two tabs that talk\n`,
    );

    // The server's code is changed while both look on: they go on by themselves.
    const chat = join(project, "src/chat.ts");
    const code = await readFile(chat, "utf8");
    await writeFile(chat, code.replace("publish(line, line)", "publish(line, { text: line.text.toUpperCase() })"));
    await expect.poll(() => dev.output(), { timeout: 60_000 }).toMatch(/server restarted/);
    // Vite loads the pages anew, and what is typed into one that is just going away is lost.
    await expect
      .poll(() => say(one, "louder").then(() => other.getByText("LOUDER").count()), { timeout: 60_000, interval: 500 })
      .toBeGreaterThan(0);
    await writeFile(chat, code);
    // The schema, too: what it says is in the types, and the new server serves it.
    const channels = await changeSchema(project);
    await writeFile(join(project, own[0]), channels);
    await expect.poll(() => readFile(join(project, types), "utf8"), { timeout: 60_000 }).not.toContain("word: string;");

    // And what the project's own README has beside it.
    await run(project, "npm run types");
    expect(await run(project, "npm test")).toMatch(/pass 2\n[^]*fail 0\n/);
    await run(project, "npm run build");
    await using production = await runUntil(project, "npm start", /listening on (\S+)/, { PORT: "0" });
    const page = await browser.newPage();
    await page.goto(production.match[1]!);
    await say(page, "in production");
    await page.getByText("in production", { exact: true }).waitFor();
    expect((await fetch(`${production.match[1]}/../src/main.ts`)).status).toBe(404);

    // A new process knows nothing of what was said: the page begins anew, and goes on.
    await production[Symbol.asyncDispose]();
    const { port } = new URL(production.match[1]!);
    await using _ = await runUntil(project, "npm start", /listening on (\S+)/, { PORT: port });
    await say(page, "after a restart");
    await page.getByText("after a restart", { exact: true }).waitFor();
    expect(await page.getByText("in production", { exact: true }).count()).toBe(0);
  },
);

test("template server: compiles, passes its test, and answers", { timeout: 300_000 }, async () => {
  await run(folder, `${create} server --template server --no-install`);
  const project = join(folder, "server");
  await install(project);
  await run(project, "npm run types");
  expect(await run(project, "npm test")).toMatch(/pass 2\n[^]*fail 0\n/);
  // A channel more: its handler is begun where the others are, and all of it compiles.
  expect(await run(project, "npx raceway check")).toBe("1 service: nothing found\n");
  expect(await run(project, "npx raceway inspect src/server.ts")).toContain("/chat.v1.RoomService/Say (call)");
  const [schema, handlers] = [join(project, own[0]), join(project, own[1])];
  const [channels, code] = [await readFile(schema, "utf8"), await readFile(handlers, "utf8")];
  await writeFile(
    schema,
    channels.replace("rpc ", "rpc Leave(Left) returns (Left);\n  rpc ").concat("message Left {}\n"),
  );
  await expect(run(project, "npx raceway check")).rejects.toThrow(
    "leave of chat.v1.RoomService is a call without a handler",
  );
  await run(project, "npx raceway scaffold");
  expect(await readFile(handlers, "utf8")).toContain("async leave(request, context) {");
  expect(await run(project, "npx raceway check --types")).toBe("1 service: nothing found\n");
  await run(project, "npm run types");
  await writeFile(schema, channels);
  await writeFile(handlers, code);
  await run(project, "npx raceway generate");
  await using server = await runUntil(project, "npm start", /listening on (\S+)/, { PORT: "0" });
  const response = await fetch(`${server.match[1]}/chat.v1.RoomService/Say`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"room":"tea","text":"hello"}',
  });
  expect(await response.json()).toEqual({ offset: 1 });

  await using dev = await runUntil(project, "npm run dev", /listening on (\S+)/, { PORT: "0" });
  await changeSchema(project);
  await expect.poll(() => dev.output().match(/listening on/g)?.length, { timeout: 60_000 }).toBeGreaterThan(1);
});

/** While `npm run dev` runs: what the schema says is in the types. Resolves with what it said before. */
async function changeSchema(project: string): Promise<string> {
  const schema = join(project, own[0]);
  const channels = await readFile(schema, "utf8");
  await writeFile(schema, channels.replace("uint32 offset = 1;", "uint32 offset = 1; string word = 2;"));
  await expect.poll(() => readFile(join(project, types), "utf8"), { timeout: 60_000 }).toContain("word: string;");
  return channels;
}

test("template browser: compiles, passes its test, and builds", { timeout: 180_000 }, async () => {
  await run(folder, `${create} browser --template browser --no-install`);
  const project = join(folder, "browser");
  await install(project);
  await run(project, "npm run types");
  expect(await run(project, "npm test")).toMatch(/pass 1\n[^]*fail 0\n/);
  await run(project, "npm run build");
  expect(existsSync(join(project, "dist/index.html"))).toBe(true);
  await using _ = await runUntil(project, "npm run dev", /http:\/\/localhost:\d+\//);
  await changeSchema(project);
});

describe("what the templates have in common", () => {
  test("is the same in each: the schema, the handler, its test", async () => {
    const text = (template: string, file: string): Promise<string> =>
      readFile(join(root, "templates", template, file), "utf8");
    const schema = await text("both", own[0]);
    for (const template of ["server", "browser"]) expect(await text(template, own[0])).toBe(schema);
    for (const file of ["src/chat.ts", "src/chat.test.ts", "raceway.config.ts"])
      expect(await text("server", file)).toBe(await text("both", file));
  });
});

// How many tests pass at least: those of the kit (of a transport in two formats, of middleware twice), and the plugin's own.
test.each([
  ["plugin-transport", 50],
  ["plugin-middleware", 60],
  ["plugin-backplane", 20],
  ["plugin-codec", 50],
  ["plugin-target", 11],
])("template %s: installs, compiles and passes its tests", { timeout: 180_000 }, async (template, least) => {
  const project = join(folder, template);
  await cp(join(root, "templates", template), project, {
    recursive: true,
    filter: (source) => !/node_modules|dist$/.test(source),
  });
  await install(project);
  await run(project, "npm run build");
  const { exports } = JSON.parse(await readFile(join(project, "package.json"), "utf8")) as {
    exports: Record<string, string | Record<string, string>>;
  };
  for (const file of Object.values(exports).flatMap((one) => (typeof one === "string" ? one : Object.values(one))))
    expect(existsSync(join(project, file)), file).toBe(true);
  const results = join(project, "results.json");
  await run(project, `npm test -- --reporter=default --reporter=json --outputFile.json=${results}`);
  const { numPassedTests, numFailedTests } = JSON.parse(await readFile(results, "utf8")) as {
    numPassedTests: number;
    numFailedTests: number;
  };
  expect(numFailedTests).toBe(0);
  expect(numPassedTests).toBeGreaterThan(least);
  // And the kit without Vitest; of a transport the guide's test does it, below.
  if (template === "plugin-transport") return;
  const told = await run(project, `node ${join(root, "packages/cli/dist/main.js")} plugin test ./dist/subject.js`);
  expect(told).toMatch(/\d\d passed, 0 failed, /);
});

/** Types the commands of a guide and writes its files, in their order; resolves with what the commands said and what was written. */
async function follow(
  guide: string,
): Promise<{ readonly cwd: string; readonly told: readonly string[]; readonly written: readonly string[] }> {
  const text = await readFile(join(root, guide), "utf8");
  let cwd = await mkdtemp(join(folder, "guide-"));
  const written: string[] = [];
  const told: string[] = [];
  for (const [, kind, block] of text.matchAll(/```(sh|ts|proto)\n([\s\S]*?)```/g)) {
    if (kind === "sh") {
      for (const line of block!.trim().split("\n")) {
        if (line.startsWith("cd ")) cwd = join(cwd, line.slice("cd ".length));
        else told.push(await run(cwd, line, { ...asNpmUser(), npm_config_yes: "true" })); // npx asks before it runs what is new to it
      }
      continue;
    }
    // What does not begin with a file's name is there to be read.
    const file = /^\/\/ ((?:src|schemas)\/\S+)\n/.exec(block!)?.[1];
    if (file === undefined) continue;
    await mkdir(dirname(join(cwd, file)), { recursive: true });
    await writeFile(join(cwd, file), block!.slice(block!.indexOf("\n") + 1));
    written.push(file);
  }
  return { cwd, told, written };
}

/** All files of a template's `src` but for how the kit is run, which guides leave as it is. */
async function sourcesOf(template: string): Promise<readonly string[]> {
  const names = await readdir(join(root, "templates", template, "src"));
  return names
    .filter((name) => name !== "compliance.test.ts")
    .map((name) => `src/${name}`)
    .toSorted();
}

test(
  "the guide to a transport, followed word by word, makes one that passes the kit",
  { timeout: 300_000 },
  async () => {
    const { told, written } = await follow("docs/plugins/transport.md");
    expect(written.toSorted()).toEqual(await sourcesOf("plugin-transport")); // nothing of the template is left
    const [made, before, built, after, kit] = told;
    expect(made).toContain("raceway-transport-port: ");
    expect(before).toMatch(/Tests {2}5\d passed/);
    expect(built).not.toContain("error");
    expect(after).toMatch(/Tests {2}5\d passed/);
    expect(kit).toContain("port link, binary batches\n  ✓ ");
    expect(kit).toMatch(/5\d passed, 0 failed, \d+ left out/);
  },
);

test(
  "the guide to a generator target, followed word by word, makes one that passes the kit and generates what it shows",
  { timeout: 300_000 },
  async () => {
    const { cwd, told, written } = await follow("docs/plugins/target.md");
    expect(written.filter((file) => file.startsWith("src/")).toSorted()).toEqual(await sourcesOf("plugin-target"));
    const [made, before, built, after, kit, generated] = told;
    expect(made).toContain("raceway-target-http: ");
    expect(before).toMatch(/Tests {2}1\d passed/);
    expect(built).not.toContain("error");
    expect(after).toMatch(/Tests {2}1\d passed/);
    expect(kit).toMatch(/1\d passed, 0 failed, /);
    expect(generated).toContain("1 added");
    const guide = await readFile(join(root, "docs/plugins/target.md"), "utf8");
    const [, file, shown] = /```http\n\/\/ (\S+)\n([^]*?)```/.exec(guide)!;
    expect(await readFile(join(cwd, file!), "utf8")).toBe(shown);
  },
);
