// The compiler that the npm package of buf brings along, run offline in a folder of links to the proto paths.
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { GenerateFailure } from "../failure.ts";
import { FOUND, runBuf, saidIn } from "./run-buf.ts";
import type { CompileResult, CompilerFinding, SchemaCompiler } from "./schema-compiler.ts";
import type { SchemaSources } from "./schema-sources.ts";

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
    const done = await runBuf(
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

function findingsIn(text: string): readonly CompilerFinding[] {
  return saidIn(text).flatMap((said) => {
    if (said.path === undefined) return [];
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

function failureOf(text: string, sources: SchemaSources): GenerateFailure {
  const named = text.trim().replaceAll(/"m(\d+)"/g, (whole, at: string) => sources.roots[Number(at)] ?? whole);
  const twice = /^Failure: (\S+) is contained in multiple modules/.exec(named)?.[1];
  if (twice !== undefined) {
    const where = sources.roots.filter((root) => named.includes(root)).join(" and ");
    return new GenerateFailure("usage", `${twice} is in more than one proto path: ${where}. Leave one of them out.`);
  }
  return new GenerateFailure("tool", `buf failed: ${named}`);
}
