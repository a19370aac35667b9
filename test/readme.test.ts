// The README's code is what it says: generated, compiled and run as it stands there.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = ["-C", "@raceway/source"];
let folder = "";
const children: ChildProcess[] = [];

/** The code block whose first line names a file. */
function block(readme: string, file: string): string {
  const match = new RegExp("```\\w+\\n(// " + file.replaceAll(".", "\\.") + "\\n[\\s\\S]*?)```").exec(readme);
  if (match === null) throw new Error(`README.md has no code block that begins with "// ${file}"`);
  return match[1]!;
}
/** All but the first line: on the page that is the file's name. */
const withoutFirst = (code: string): string => code.slice(code.indexOf("\n"));
const linesOf = (code: string): number =>
  code.split("\n").filter((line) => line.trim() !== "" && !line.trim().startsWith("//") && !line.startsWith("import "))
    .length;

function run(...args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: folder });
    children.push(child);
    let output = "";
    child.stdout.on("data", (text: Buffer) => (output += text.toString()));
    child.stderr.on("data", (text: Buffer) => (output += text.toString()));
    child.on("close", (code) => resolve({ code, output }));
  });
}
/** Starts a program and resolves with what it printed once `text` is in it. */
function until(text: RegExp, args: readonly string[], env: Record<string, string>): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...env } });
    children.push(child);
    let output = "";
    const look = (data: Buffer): void => {
      output += data.toString();
      const match = text.exec(output);
      if (match !== null) resolve(match);
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.on("close", (code) => reject(new Error(`exited with ${code}:\n${output}`)));
  });
}

beforeAll(async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  folder = await mkdtemp(join(root, "test/.readme-")); // beside node_modules, so that packages are found
  const schema = join(folder, "schemas/chat/v1/room.proto");
  await mkdir(dirname(schema), { recursive: true });
  await writeFile(schema, block(readme, "schemas/chat/v1/room.proto"));
  for (const file of ["server.ts", "client.ts"]) await writeFile(join(folder, file), block(readme, file));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  expect(readme).toContain("raceway generate schemas --out gen --import-extension ts");
  const generated = await run(
    ...source,
    join(root, "packages/cli/src/main.ts"),
    "generate",
    "schemas",
    "--out",
    "gen",
    "--import-extension",
    "ts",
  );
  expect(generated.output).not.toMatch(/error/i);
  expect(generated.code).toBe(0);
}, 60_000);
afterAll(async () => {
  for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

it("compiles under tsc --strict", async () => {
  const options =
    "--noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --target es2024 --lib es2024,esnext.disposable,dom,dom.iterable --module nodenext --skipLibCheck --allowImportingTsExtensions --customConditions @raceway/source --types node";
  const { code, output } = await run(
    join(root, "node_modules/typescript/bin/tsc"),
    "--ignoreConfig",
    ...options.split(" "),
    "server.ts",
    "client.ts",
  );
  expect(output).toBe("");
  expect(code).toBe(0);
}, 60_000);

it("runs: a client says something, and reads it back from the topic", async () => {
  const [, url] = await until(/listening on (\S+)/, [...source, "server.ts"], { PORT: "0" });
  const [output] = await until(/[\s\S]*hello\n/, [...source, "client.ts"], { SERVER: url! });
  expect(output).toMatch(/^connecting/);
  expect(output).toMatch(/open (?:websocket|sse|poll)/); // on a busy machine another may join the race, and win
  const reply = await fetch(`${url}/chat.v1.RoomService/Say`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"room":"tea","text":"hello"}',
  });
  expect(await reply.json()).toEqual({ offset: 2 });
}, 60_000);

it("stands in examples/chat, file by file", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  for (const file of ["schemas/chat/v1/room.proto", "server.ts", "client.ts"])
    expect(withoutFirst(await readFile(join(root, "examples/chat", file), "utf8"))).toBe(
      withoutFirst(block(readme, file)),
    );
});

it("is as short as it says: at most 25 lines of the user's own, imports and comments not counted", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const schema = linesOf(block(readme, "schemas/chat/v1/room.proto"));
  const server = linesOf(block(readme, "server.ts"));
  const client = linesOf(block(readme, "client.ts"));
  expect({ schema: schema <= 14, server: server <= 10, client: client <= 6 }).toEqual({
    schema: true,
    server: true,
    client: true,
  });
});
