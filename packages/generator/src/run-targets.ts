// From compiled schemas, whoever compiled them, to the files that targets make.
import { inspect } from "node:util";
import { create, type FileRegistry } from "@bufbuild/protobuf";
import { wktPublicImportPaths } from "@bufbuild/protobuf/codegenv2";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { ImportExtension, Model, OutputFile, Target, TargetContext } from "@raceway/core/target";
import { stripOptions, withImports } from "./compile/strip.ts";
import { GenerateFailure, reasonText } from "./failure.ts";

export interface TargetRun {
  /** Import paths of what is generated. */
  readonly files: readonly string[];
  /** Those that the whole project generates: what is not among them, but needed, is generated with whoever needs it. */
  readonly asked: ReadonlySet<string>;
  readonly targets: readonly Target[];
  readonly importExtension?: ImportExtension;
  readonly keepOptions?: readonly string[];
  readonly progress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export async function runTargets(
  set: FileDescriptorSet,
  registry: FileRegistry,
  run: TargetRun,
): Promise<{ readonly model: Model; readonly made: readonly OutputFile[] }> {
  const { files, asked, targets, importExtension = "js", keepOptions, progress, signal } = run;
  // Loaded only now, since it brings protoplugin along.
  const { buildModel } = await import("./model/build-model.ts");
  const reached = withImports(stripOptions(set, keepOptions), files);
  const needed = reached
    .map((file) => file.name)
    .filter((file) => !asked.has(file) && !Object.hasOwn(wktPublicImportPaths, file));
  const model = buildModel(registry, { requested: files, needed, asked });
  const context = { importExtension, descriptors: create(FileDescriptorSetSchema, { file: [...reached] }) };
  const made: OutputFile[] = [];
  for (const target of targets) {
    signal?.throwIfAborted();
    progress?.(`writing ${target.name} for ${counted(model.files.length, "file")}`);
    made.push(...(await filesOf(target, model, context)));
  }
  return { model, made };
}

/** A target may be anybody's: what it throws ends the run with its name. */
async function filesOf(target: Target, model: Model, context: TargetContext): Promise<readonly OutputFile[]> {
  try {
    const files = [...(await target.generate(model, context))];
    const wrong = files.find((file: unknown) => !isFile(file));
    if (wrong !== undefined)
      throw new TypeError(`it gave ${inspect(wrong)}, and a file is { path, source, text }, all texts`);
    return files;
  } catch (error) {
    if (error instanceof GenerateFailure) throw error;
    throw new GenerateFailure("tool", `Target ${target.name} failed: ${reasonText(error)}`, { cause: error });
  }
}

function isFile(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { path, source, text } = value as { readonly [K in keyof OutputFile]?: unknown };
  return typeof path === "string" && typeof source === "string" && typeof text === "string";
}

/** "1 file", "200 files". */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
