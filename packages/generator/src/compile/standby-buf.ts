// A buf that was started before there is anything to compile, and takes the schemas from its standard input: of what it takes for a
// few files, more than half is the start.
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { pathProblem } from "../path-problem.ts";
import { bufCompiler } from "./buf.ts";
import { type RunningBuf, startBuf } from "./run-buf.ts";
import type { CompileResult, SchemaCompiler } from "./schema-compiler.ts";
import { importsIn, type SchemaSources, withoutComments } from "./schema-sources.ts";
import { tarOf } from "./tar.ts";

/**
 * Compiles as {@link bufCompiler} does. What does not go well here is compiled again there, with the files where they are, so that
 * what people are told of a schema comes from one place alone.
 */
export class StandbyBuf implements SchemaCompiler, AsyncDisposable {
  readonly name = "buf";
  readonly #otherwise: SchemaCompiler = bufCompiler();
  /** Those that wait and those that compile. */
  readonly #started = new Set<RunningBuf>();
  #closed = false;
  #stage: string | undefined;
  #waiting: RunningBuf | undefined;

  /** Starts one that waits, if none does. It keeps no process alive, and ends with the one that started it. */
  standBy(): void {
    if (!this.#closed) this.#waiting ??= this.#start();
  }

  async compile(sources: SchemaSources, files: readonly string[], signal?: AbortSignal): Promise<CompileResult> {
    signal?.throwIfAborted();
    if (this.#closed) return this.#otherwise.compile(sources, files, signal);
    const buf = this.#waiting ?? this.#start();
    this.#waiting = undefined;
    const end = (): void => buf.end();
    signal?.addEventListener("abort", end);
    try {
      const done = await buf.feed(tarOf(archive(sources, files)));
      if (done.code === 0) return { ok: true, set: fromBinary(FileDescriptorSetSchema, done.out) };
    } catch {
      // It did not start, or was ended; if by the signal, what follows says so.
    } finally {
      signal?.removeEventListener("abort", end);
      buf.end(); // it may never have been fed
    }
    signal?.throwIfAborted();
    return this.#otherwise.compile(sources, files, signal);
  }

  /** Leaves no process and no file behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#waiting = undefined;
    await Promise.all(
      [...this.#started].map((buf) => {
        buf.end();
        return buf.done.catch(() => undefined);
      }),
    );
    if (this.#stage !== undefined) await rm(this.#stage, { recursive: true, force: true, maxRetries: 5 });
  }

  #start(): RunningBuf {
    this.#stage ??= mkdtempSync(join(tmpdir(), "raceway-"));
    const output = ["--as-file-descriptor-set", "-o", "-#format=binpb"];
    // Waiting is not taken for being stuck: two minutes would be the end of it.
    const buf = startBuf(["build", "--timeout", "0s", ...output, "-#format=tar"], this.#stage);
    this.#started.add(buf);
    const ended = (): void => void this.#started.delete(buf);
    buf.done.then(ended, ended);
    return buf;
  }
}

/**
 * Files and all that they import, a module a root, as buf would find them on the disk: what is in two roots is there twice, so
 * that it is refused here too. An import that is written as the eye does not see it is missing, which the compiler tells.
 */
function* archive(
  { roots }: SchemaSources,
  files: readonly string[],
): Generator<readonly [path: string, content: Buffer]> {
  const modules = new Set<string>();
  const needed = new Set(files);
  for (const file of needed) {
    for (const [at, root] of roots.entries()) {
      const path = join(root, file);
      if (!existsSync(path)) continue;
      const content = readFileSync(path);
      for (const one of importsIn(withoutComments(content.toString("utf8"))))
        if (pathProblem(one) === undefined) needed.add(one);
      modules.add(`m${at}`);
      yield [`m${at}/${file}`, content];
    }
  }
  const config = { version: "v2", modules: [...modules].map((path) => ({ path })) };
  yield ["buf.yaml", Buffer.from(JSON.stringify(config))];
}
