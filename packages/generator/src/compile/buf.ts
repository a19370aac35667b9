// The compiler that the npm package of buf brings along, run offline in a folder of links to the proto paths.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { GenerateFailure } from "../failure.ts";
import type { CompileResult, CompilerFinding, SchemaCompiler } from "./schema-compiler.ts";
import type { SchemaSources } from "./schema-sources.ts";

/** Exit code of buf when it found something to say about the schema. */
const FOUND = 100;
/** So many paths fit into any system's arguments. */
const FEW = 50;

export function bufCompiler(): SchemaCompiler {
  return { name: "buf", compile };
}

// buf takes module folders only inside its working folder, and refuses "..". So it works in a folder with one link per proto
// path, and what it says about "m0/chat/v1/room.proto" is said about "chat/v1/room.proto".
async function compile(sources: SchemaSources, files: readonly string[], signal?: AbortSignal): Promise<CompileResult> {
  const stage = await mkdtemp(join(tmpdir(), "raceway-"));
  try {
    const modules = sources.roots.map((_, at) => ({ path: `m${at}` }));
    await Promise.all(sources.roots.map((root, at) => symlink(root, join(stage, `m${at}`), "junction")));
    await mkdir(join(stage, "cache"));
    const config = JSON.stringify({ version: "v2", modules });
    const staged = files.map((file) => `m${rootIndex(sources, file)}/${file}`);
    const done = await run(
      [
        "build",
        "--config",
        config,
        "--as-file-descriptor-set",
        "--error-format",
        "json",
        "-o",
        "-#format=binpb",
        ...shortest(staged, sources).flatMap((path) => ["--path", asField(path)]),
      ],
      stage,
      signal,
    );
    if (done.code === 0) return { ok: true, set: fromBinary(FileDescriptorSetSchema, done.out) };
    const findings = done.code === FOUND ? findingsIn(done.err) : [];
    if (findings.length > 0) return { ok: false, findings };
    throw failureOf(done.err, sources);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** buf reads such an argument as a line of comma-separated values. */
function asField(path: string): string {
  return /[",]/.test(path) ? `"${path.replaceAll('"', '""')}"` : path;
}

function rootIndex(sources: SchemaSources, file: string): number {
  const path = sources.locate(file);
  return sources.roots.findIndex((root) => join(root, file) === path);
}

/**
 * A thousand paths are more than Windows takes as arguments: a folder of a root stands for its files if all that it has is
 * wanted. Which that are is known for the files that inputs named; others are given one by one.
 */
function shortest(staged: readonly string[], sources: SchemaSources): readonly string[] {
  if (staged.length < FEW) return staged;
  const folders = new Map<string, string[]>();
  for (const path of staged) {
    const [root = "", top = "", ...rest] = path.split("/");
    const folder = rest.length === 0 ? path : `${root}/${top}`;
    folders.set(folder, [...(folders.get(folder) ?? []), path]);
  }
  return [...folders].flatMap(([folder, files]) => {
    const [root = "", ...rest] = folder.split("/");
    const path = join(sources.roots[Number(root.slice(1))] ?? "", ...rest);
    return files.length > 1 && protosUnder(path) === files.length ? [folder] : files;
  });
}

/** All that buf would find there, also where inputs are not looked for. */
function protosUnder(path: string): number {
  return readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".proto")).length;
}

interface Done {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

function run(args: readonly string[], cwd: string, abort: AbortSignal | undefined): Promise<Done> {
  return new Promise((resolve, reject) => {
    const command = bufCommand();
    // No network, no home: the cache is in the stage, and nothing is fetched.
    const env = { ...process.env, BUF_CACHE_DIR: join(cwd, "cache") };
    const child = spawn(command[0], [...command.slice(1), ...args], {
      cwd,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      ...(abort !== undefined && { signal: abort }),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.once("error", (error) => {
      if (abort?.aborted !== true)
        reject(new GenerateFailure("tool", `buf did not start: ${error.message}.`, { cause: error }));
    });
    child.once("close", (code, signal) => {
      if (abort?.aborted === true) reject(abort.reason as Error); // only now, so that nobody works in the stage that goes
      else if (code === null)
        reject(new GenerateFailure("tool", `buf was ended by ${signal}. There may be too little memory.`));
      else resolve({ code, out: Buffer.concat(out), err: Buffer.concat(err).toString("utf8") });
    });
  });
}

let command: readonly [string, ...string[]] | undefined;

/** The binary of this platform itself where it is installed: buf's own script would start Node a second time, for 40 ms. */
function bufCommand(): readonly [string, ...string[]] {
  if (command !== undefined) return command;
  const here = createRequire(import.meta.url);
  let script: string;
  try {
    script = here.resolve("@bufbuild/buf/bin/buf");
  } catch (error) {
    throw new GenerateFailure("tool", "The package @bufbuild/buf is not installed. Install the dependencies again.", {
      cause: error,
    });
  }
  const arch = process.platform === "linux" && process.arch === "arm64" ? "aarch64" : process.arch;
  const suffix = process.platform === "win32" ? ".exe" : "";
  try {
    command = [createRequire(script).resolve(`@bufbuild/buf-${process.platform}-${arch}/bin/buf${suffix}`)];
  } catch {
    command = [process.execPath, script]; // it knows where else the binary may be, or says what is wrong
  }
  return command;
}

/** One JSON object a line; what is no JSON, or has no place, is no finding. */
function findingsIn(text: string): readonly CompilerFinding[] {
  return text.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    const said = parsed(line);
    if (said?.path === undefined) return [];
    const startLine = said.start_line ?? 1;
    const startColumn = said.start_column ?? 1;
    return [
      {
        file: said.path.replace(/^m\d+\//, ""),
        line: startLine,
        column: startColumn,
        endLine: said.end_line ?? startLine,
        endColumn: said.end_column ?? startColumn,
        message: said.message,
      },
    ];
  });
}

interface Said {
  readonly path?: string;
  readonly start_line?: number;
  readonly start_column?: number;
  readonly end_line?: number;
  readonly end_column?: number;
  readonly message: string;
}

function parsed(line: string): Said | undefined {
  try {
    return JSON.parse(line) as Said;
  } catch {
    return undefined; // a schema's file name can put a line of its own making there
  }
}

function failureOf(text: string, sources: SchemaSources): GenerateFailure {
  const named = text.trim().replaceAll(/"m(\d+)"/g, (whole, at: string) => sources.roots[Number(at)] ?? whole);
  const twice = /^Failure: (\S+) is contained in multiple modules/.exec(named)?.[1];
  if (twice !== undefined) {
    const where = sources.roots.filter((root) => named.includes(root)).join(" and ");
    return new GenerateFailure("usage", `${twice} is in more than one proto path: ${where}. Leave one of them out.`);
  }
  return new GenerateFailure("tool", `buf failed: ${named}`);
}
