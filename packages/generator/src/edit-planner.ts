// Plans for edits of single schema files: of a large project, only what an edit can change is compiled and generated.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, relative, resolve, sep } from "node:path";
import { findSources, importsIn, packageIn, type SchemaSources, withoutComments } from "./compile/schema-sources.ts";
import { StandbyBuf } from "./compile/standby-buf.ts";
import type { GenerateOptions } from "./generate.ts";
import { type Planned, planRun, type Run, targetsOf } from "./pipeline.ts";

/** Importers of an edited file that are generated with it; with more, only the file itself is. Each takes about 3 ms. */
const FEW = 16;

/**
 * "unchanged": no file has another text than before. "whole": a file came or went, or what depends on the edit is not known here, so
 * that all has to be planned anew.
 */
export type EditPlan = Planned | "unchanged" | "whole";

/**
 * Quick because it looks at little, so what it plans is provisional: rules about several files, targets that are not `perFile`, and
 * importers of a file that many import, are for the plan of the whole ({@link planGeneration}), which comes to the same for what
 * both of them write. What it takes for unchanged is what it read first, so it is made before the whole is planned.
 */
export class EditPlanner implements AsyncDisposable {
  readonly #options: GenerateOptions;
  /** Absent if the options bring a compiler. */
  readonly #standby: StandbyBuf | undefined;
  readonly #cwd: string;
  #sources: SchemaSources;
  #known: Map<string, Known>;

  /** Throws a `GenerateFailure` of kind "usage" if there is nothing to generate. */
  constructor(options: GenerateOptions) {
    this.#standby = options.compiler === undefined ? new StandbyBuf() : undefined;
    this.#options = { ...options, ...(this.#standby !== undefined && { compiler: this.#standby }) };
    this.#cwd = resolve(options.cwd ?? ".");
    [this.#sources, this.#known] = this.#read();
  }

  /** After edits of the files at these absolute paths. Throws as {@link planGeneration}. */
  async plan(paths: Iterable<string>): Promise<EditPlan> {
    const edited: string[] = [];
    let whole = false;
    for (const path of new Set(paths)) {
      const file = this.#importPath(path);
      const known = file === undefined ? undefined : this.#known.get(file);
      const now = known === undefined ? undefined : read(path);
      if (file === undefined || known === undefined || now === undefined) {
        whole ||= known !== undefined || !basename(path).startsWith("."); // what is hidden is no schema, but a lock of an editor
      } else if (now.hash !== known.hash) {
        whole ||= now.package !== known.package && (this.#options.protoPath ?? []).length === 0;
        edited.push(file);
        this.#known.set(file, now);
      }
    }
    if (whole) {
      [this.#sources, this.#known] = this.#read();
      return "whole";
    }
    if (edited.length === 0) return "unchanged";
    const run = this.#run();
    // What a target that did not run has written stays.
    const leftovers = run.targets.length === targetsOf(this.#options).length ? "generated" : "none";
    try {
      return await planRun({ ...run, files: this.#touched(edited), leftovers });
    } finally {
      setImmediate(() => this.#standby?.standBy()); // starting takes its time: first comes whoever waits for the plan
    }
  }

  /** Loads what plans need, so that the first does not take longer than others: a tenth of a second against one. Never rejects. */
  async prepare(): Promise<void> {
    const files = [...this.#known.keys()].slice(0, 1);
    try {
      if (files.length > 0) await planRun({ ...this.#run(), files, leftovers: "none" });
    } catch {
      // What is wrong is said by the plan that is asked for.
    }
    this.#standby?.standBy();
  }

  /** Ends the compiler that waits for the next edit. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#standby?.[Symbol.asyncDispose]();
  }

  /** What all plans of edits have in common. */
  #run(): Omit<Run, "files" | "leftovers"> {
    const targets = targetsOf(this.#options).filter((target) => target.perFile === true);
    return { options: this.#options, cwd: this.#cwd, sources: this.#sources.anew(), targets };
  }

  #read(): [SchemaSources, Map<string, Known>] {
    const sources = findSources(this.#cwd, this.#options.inputs, this.#options.protoPath ?? []);
    const known = new Map<string, Known>();
    for (const file of sources.files) {
      const path = sources.locate(file);
      const text = path === undefined ? undefined : read(path);
      if (text !== undefined) known.set(file, text);
    }
    return [sources, known];
  }

  /** The edited files, and of those that import them, directly or not, all if they are few. */
  #touched(edited: readonly string[]): readonly string[] {
    const importers = new Map<string, string[]>();
    for (const [file, { imports }] of this.#known)
      for (const path of imports) {
        const known = importers.get(path);
        if (known === undefined) importers.set(path, [file]);
        else known.push(file);
      }
    const touched = new Set(edited);
    for (const file of touched) {
      for (const importer of importers.get(file) ?? []) touched.add(importer);
      if (touched.size > edited.length + FEW) return edited;
    }
    return [...touched];
  }

  #importPath(path: string): string | undefined {
    for (const root of this.#sources.roots) {
      const file = relative(root, path).split(sep).join("/");
      if (this.#known.has(file)) return file;
    }
    return undefined;
  }
}

interface Known {
  readonly hash: string;
  readonly package: string | undefined;
  readonly imports: readonly string[];
}

/** Undefined if it is gone. What the eye of a regular expression misses, the plan of the whole sees. */
function read(path: string): Known | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  const code = withoutComments(text);
  return {
    hash: createHash("sha256").update(text).digest("base64"),
    package: packageIn(code),
    imports: importsIn(code),
  };
}
