// The command line as people and scripts meet it: text, exit codes, configuration.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { CommandFolder } from "../test-kit/command-folder.ts";

// Generating starts a compiler, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const room =
  'syntax = "proto3"; package chat.v1; service RoomService { rpc Say(M) returns (M); } message M { string text = 1; }';
const bad = room.replace("string text", "Strin text");
const subject = join(import.meta.dirname, "../../testkit/src/memory-subject.ts");

test("generates into a folder, and says what it did", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": room });
  expect(await folder.run("generate", "proto", "--out", "gen")).toEqual({ code: 0, out: "", err: "gen: 4 added\n" });
  expect(await folder.run("generate", "proto", "-o", "gen")).toEqual({ code: 0, out: "", err: "gen: 4 unchanged\n" });
  expect(readdirSync(join(folder.path, "gen/chat/v1"))).toHaveLength(4);
});

test("a broken schema is a finding with its place, and nothing is written", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": bad });
  const { code, out, err } = await folder.run("generate", "proto", "--out", "gen");
  expect(code).toBe(1);
  expect(err).toBe("gen: nothing was written\n");
  expect(out).toMatchInlineSnapshot(`
    "error name_unknown: Strin is not declared, here or in an imported file
      proto/chat/v1/room.proto:1:97
      > 1 | syntax = "proto3"; package chat.v1; service RoomService { rpc Say(M) returns (M); } message M { Strin text = 1; }
          |                                                                                                 ^^^^^
      mend: declare it, or import the file that does.
    "
  `);
  expect(readdirSync(folder.path)).toEqual(["proto"]);
});

test("findings as JSON, one a line, and as annotations of GitHub", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": bad });
  const json = await folder.run("generate", "proto", "--out", "gen", "--json");
  expect(JSON.parse(json.out)).toMatchObject({
    rule: "name_unknown",
    file: "proto/chat/v1/room.proto",
    range: { line: 1 },
  });
  const github = await folder.run("generate", "proto", "--out", "gen", "--error-format", "github-actions");
  expect(github.out).toMatch(/^::error file=proto\/chat\/v1\/room\.proto,line=1,.*title=name_unknown::/);
});

test("--check exits with 1 until what is there is what the schemas give", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": room });
  const args = ["generate", "proto", "--out", "gen"];
  expect((await folder.run(...args, "--check")).code).toBe(1);
  await folder.run(...args);
  expect((await folder.run(...args, "--check")).code).toBe(0);
});

test("options are passed on", async () => {
  using folder = new CommandFolder({ "api/proto/chat/v1/room.proto": room });
  const { err } = await folder.run(
    "generate",
    "api/proto/chat",
    "-I",
    "api",
    "-o",
    "gen",
    "--target",
    "es",
    "--import-extension",
    "none",
  );
  expect(err).toBe("gen: 1 added\n");
  expect(readdirSync(join(folder.path, "gen/proto/chat/v1"))).toEqual(["room_pb.ts"]);
});

test("a configuration file says what is generated", async () => {
  using folder = new CommandFolder({
    "proto/chat/v1/room.proto": room,
    "raceway.config.ts":
      'const out: string = "gen";\nexport default { generate: [{ inputs: ["proto"], out }, { inputs: ["proto"], out: "es", targets: ["es"] }] };\n',
  });
  expect(await folder.run("generate")).toEqual({ code: 0, out: "", err: "gen: 4 added\nes: 1 added\n" });
});

test.each([
  ["export default {};", "raceway.config.ts has to export { generate: [{ inputs, out }] } as default."],
  [
    "export default { generate: [{ inputs: ['a'], out: 'gen' }, { inputs: ['b'], out: './gen/', targets: ['openapi'] }] };",
    "raceway.config.ts: generate[0] and generate[1] both write to ./gen/. Name all inputs and targets of a folder in one entry, or give each entry a folder of its own.",
  ],
  ["export default { generate: [{ out: 'x' }] };", "raceway.config.ts: generate[0] needs inputs and out."],
  [
    "export default { generate: [{ inputs: ['a'], out: 'x', outt: 'y' }] };",
    "raceway.config.ts: generate[0] has no option outt; known are inputs, out, protoPath, importExtension, targets, keepOptions.",
  ],
  [
    "export default { generate: [{ inputs: 'a', out: 'x' }] };",
    "raceway.config.ts: generate[0].inputs is 'a', which cannot be.",
  ],
  [
    "export default { generate: [] };",
    "raceway.config.ts generates nothing: give generate an entry, as { inputs, out }.",
  ],
  [
    "export default { generate: [{ inputs: undefined, out: 'x' }] };",
    "raceway.config.ts: generate[0] needs inputs and out.",
  ],
  [
    "export default { generate: [{ inputs: ['a'], out: '' }] };",
    "raceway.config.ts: generate[0].out is '', which cannot be.",
  ],
  [
    "const openapi = () => ({}); export default { generate: [{ inputs: ['a'], out: 'x', targets: ['es', openapi] }] };",
    "raceway.config.ts: generate[0].targets is [ 'es', [Function: openapi] ], which cannot be.",
  ],
])("a wrong configuration: %s", async (config, message) => {
  using folder = new CommandFolder({ "raceway.config.ts": config });
  expect(await folder.run("generate")).toEqual({
    code: 2,
    out: "",
    err: `raceway: ${message}\nSee raceway generate --help.\n`,
  });
});

test("a module that fails when it is loaded is told with its name and the place", async () => {
  using folder = new CommandFolder({
    "throws.mjs": 'const first = 1;\nthrow new Error("no luck " + first);\n',
    "broken.mjs": "export const x = {",
    "deep.mjs": 'import "./throws.mjs";',
    "lacks.mjs": 'import "no-such-package";',
  });
  const place = "no luck 1 (throws.mjs:2:7)";
  for (const [module, said] of [
    ["throws.mjs", `./throws.mjs cannot be loaded: ${place}\n`],
    ["broken.mjs", "./broken.mjs cannot be loaded: "],
    ["deep.mjs", `./deep.mjs cannot be loaded: ${place}\n`],
    ["lacks.mjs", "./lacks.mjs cannot be loaded: Cannot find package 'no-such-package'"],
  ] as const)
    for (const command of [
      ["inspect", `./${module}`],
      ["plugin", "test", `./${module}`],
      ["generate", "proto", "--out", "gen", "--target", `./${module}`],
    ]) {
      const { code, out, err } = await folder.run(...command);
      expect({ code, out, err }, command.join(" ")).toEqual({ code: 3, out: "", err: expect.stringContaining(said) });
    }
});

test("a configuration that fails when it is loaded is a wrong use, with the place", async () => {
  using folder = new CommandFolder({ "raceway.config.mjs": 'throw new Error("no luck");' });
  expect(await folder.run("lint", "--json")).toEqual({
    code: 2,
    out: "",
    err: '{"error":"usage","message":"raceway.config.mjs cannot be loaded: no luck (raceway.config.mjs:1:7)","exitCode":2}\n',
  });
});

test("a failure that is nobody's fault ends with 3", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": room });
  const { code, err } = await folder.run("generate", "proto", "--out", "n".repeat(300));
  expect({ code, err: err.slice(0, 9) }).toEqual({ code: 3, err: "raceway: " });
});

test("runs the cases of a transport's subject", async () => {
  using folder = new CommandFolder();
  const { code, out, err } = await folder.run("plugin", "test", subject, "--export", "memorySubject");
  expect(code).toBe(0);
  expect(out).toContain("memory link, binary batches\n  ✓ ");
  expect(out).toContain("session over memory links, json codec\n  ✓ ");
  expect(err).toMatch(/^\d+ passed, 0 failed, \d+ left out\n$/);
}, 60_000);

test("a plugin that breaks the contract is found out", async () => {
  using folder = new CommandFolder({
    "subject.mjs": `import { memorySubject } from ${JSON.stringify(subject)};
// Closes each link as soon as it is open.
const good = memorySubject();
export const subject = { ...good, name: "wrong", connect: (client, server, signal) => good.connect((link) => { const receiver = client(link); link.close(); return receiver; }, server, signal) };`,
  });
  const { code, out } = await folder.run("plugin", "test", "./subject.mjs", "--json");
  expect(code).toBe(1);
  const results = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { outcome: string; reason?: string; suite: string });
  expect(results.some(({ outcome, reason }) => outcome === "failed" && reason !== "")).toBe(true);
  expect(results.every(({ suite }) => suite.includes("wrong link"))).toBe(true);
}, 120_000);

test("a subject that cannot be made is told with its module", async () => {
  using folder = new CommandFolder({ "none.mjs": 'export function subject() { throw new Error("no luck"); }' });
  expect(await folder.run("plugin", "test", "none.mjs")).toEqual({
    code: 3,
    out: "",
    err: "raceway: none.mjs gives no subject: its subject() failed: no luck\n",
  });
});

test("a module without a subject", async () => {
  using folder = new CommandFolder({ "empty.mjs": "export const other = 1;" });
  expect((await folder.run("plugin", "test", "./empty.mjs")).err).toContain(
    "./empty.mjs exports no subject of the kit as subject; it exports other.",
  );
});

test("--dry-run writes nothing, and lists what would change", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": room });
  const args = ["generate", "proto", "--out", "gen", "--target", "es", "--dry-run"];
  expect(await folder.run(...args)).toEqual({
    code: 0,
    out: "would be added: gen/chat/v1/room_pb.ts\n",
    err: "gen: 1 added\n",
  });
  expect(await folder.run(...args, "--json")).toEqual({
    code: 0,
    out: '{"change":"added","file":"gen/chat/v1/room_pb.ts"}\n',
    err: '{"note":"gen: 1 added","out":"gen"}\n',
  });
  expect(readdirSync(folder.path)).toEqual(["proto"]);
  expect((await folder.run(...args, "--check")).err).toContain("dry-run and check are mutually exclusive");
  writeFileSync(join(folder.path, "proto/chat/v1/room.proto"), bad);
  const broken = await folder.run(...args);
  expect(broken).toMatchObject({ code: 1, err: "gen: nothing was written\n" });
  expect(broken.out).toContain("Strin is not declared");
});

const list = `export default (options) => ({
  name: "list",
  contract: 1,
  generate: (model) => [{ path: options.file ?? "list.txt", source: model.files[0].path, text: model.files[0].path }],
});
`;

test("targets of modules, and their options", async () => {
  using folder = new CommandFolder({
    "proto/chat/v1/room.proto": room,
    "list.mjs": list,
    "odd.mjs": "export default 1;",
  });
  const run = (...args: readonly string[]): ReturnType<CommandFolder["run"]> =>
    folder.run("generate", "proto", "--out", "gen", ...args);
  expect(await run("--target", "./list.mjs", "--target-option", "./list.mjs.file=all.txt")).toEqual({
    code: 0,
    out: "",
    err: "gen: 1 added\n",
  });
  expect(readdirSync(join(folder.path, "gen"))).toContain("all.txt");
  for (const [args, message] of [
    [["--target", "tss"], 'There is no target "tss"; did you mean ts? Built in are '],
    [["--target", "./odd.mjs"], "./odd.mjs exports no target as default"],
    [["--target", "./gone.mjs"], "There is no file or package ./gone.mjs."],
    [["--target", "ts", "--target-option", "ts.x=1"], "ts: there is no option x"],
    [["--target", "ts", "--target-option", "es.x=1"], "--target-option es.x=1 is not TARGET.OPTION=VALUE"],
    [["--target", "ts", "--target-option", "ts.x"], "--target-option ts.x is not TARGET.OPTION=VALUE"],
  ] as const) {
    const { code, err } = await run(...args);
    expect({ code, err }, args.join(" ")).toEqual({ code: 2, err: expect.stringContaining(message) });
  }
});

test("a module whose project was not installed is told so, with the command that does it", async () => {
  using folder = new CommandFolder({
    "plugin/package.json": '{ "devDependencies": { "@raceway/testkit": "*" } }',
    "plugin/src/subject.mjs": 'import "@raceway/testkit";',
    "plugin/src/other.mjs": 'import "no-such-package";',
  });
  const lacks = async (file: string): Promise<string> => (await folder.run("plugin", "test", `plugin/src/${file}`)).err;
  expect(await lacks("subject.mjs")).toMatch(
    /Cannot find package '@raceway\/testkit' .+\. Its dependencies are not installed: run npm install in plugin\n$/,
  );
  expect(await lacks("other.mjs")).toMatch(
    /plugin\/package.json has no such dependency: run npm install no-such-package in plugin\n$/,
  );
  folder.write({ "package.json": '{ "dependencies": { "gone": "*" } }', "mine.mjs": 'import "gone";' });
  expect((await folder.run("plugin", "test", "mine.mjs")).err).toMatch(/not installed: run npm install\n$/);
  folder.write({ "pnpm-lock.yaml": "" });
  expect(await lacks("subject.mjs")).toContain("run pnpm install in plugin");
  expect(await lacks("other.mjs")).toContain("run pnpm add no-such-package in plugin");
});

test("a server that fails to be looked at would fail to start, and that is a finding", async () => {
  using folder = new CommandFolder({
    "server.mjs": 'export const app = { serve() {}, inspect: async () => { throw new Error("no luck"); } };',
  });
  expect(await folder.run("inspect", "server.mjs")).toEqual({ code: 1, out: "app\n  error: no luck\n", err: "" });
  const { code, out } = await folder.run("inspect", "server.mjs", "--json");
  expect({ code, said: JSON.parse(out) as unknown }).toEqual({
    code: 1,
    said: { export: "app", problems: ["no luck"] },
  });
});
