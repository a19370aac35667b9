// Raceway as a plugin of protoc and buf: their request in, their response out. https://protobuf.dev/reference/other/#plugins
import { createFileRegistry, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type CodeGeneratorRequest,
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  type CodeGeneratorResponse_File,
  CodeGeneratorResponse_FileSchema,
  CodeGeneratorResponse_Feature,
  Edition,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import type { ImportExtension, OutputFile, Target } from "@raceway/core/target";
import { GenerateFailure, reasonText } from "./failure.ts";
import type { Finding } from "./lint/finding.ts";
import { lint } from "./lint/lint.ts";
import { withHeader } from "./output/header.ts";
import { foldedPath, pathProblem } from "./path-problem.ts";
import { lineOf } from "./place.ts";
import { runTargets } from "./run-targets.ts";
import { builtInTarget, defaultTargets } from "./targets/built-in.ts";
import { visibleText } from "./visible-text.ts";

/**
 * Answers a `CodeGeneratorRequest`. What is wrong with a schema or with the parameter is the error of the response; warnings go to `warn`, a line each. Throws
 * only for bytes that are no request. The files are those of `generate`, byte for byte, without its manifest.
 */
export async function answerProtoc(request: Uint8Array, warn: (line: string) => void): Promise<Uint8Array> {
  const response = create(CodeGeneratorResponseSchema, {
    supportedFeatures: BigInt(
      CodeGeneratorResponse_Feature.PROTO3_OPTIONAL | CodeGeneratorResponse_Feature.SUPPORTS_EDITIONS,
    ),
    minimumEdition: Edition.EDITION_PROTO2,
    maximumEdition: Edition.EDITION_2024,
  });
  const asked = fromBinary(CodeGeneratorRequestSchema, request);
  try {
    response.file.push(...(await filesFor(asked, warn)));
  } catch (error) {
    response.error = reasonText(error);
  }
  return toBinary(CodeGeneratorResponseSchema, response);
}

async function filesFor(
  { parameter, protoFile, sourceFileDescriptors, fileToGenerate }: CodeGeneratorRequest,
  warn: (line: string) => void,
): Promise<readonly CodeGeneratorResponse_File[]> {
  const { targets, importExtension, keepOptions } = settingsOf(parameter);
  // protoc has options with source retention only in the second list, which it fills for what is generated.
  const whole = new Map(sourceFileDescriptors.map((file) => [file.name, file]));
  const set = create(FileDescriptorSetSchema, { file: protoFile.map((file) => whole.get(file.name) ?? file) });
  const registry = createFileRegistry(set);
  const findings = lint(fileToGenerate.map((file) => registry.getFile(file)!));
  const errors = findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new GenerateFailure("usage", `\n${errors.map(lineFor).join("\n")}`);
  for (const finding of findings) warn(lineFor(finding));
  const files = fileToGenerate.toSorted((a, b) => (a < b ? -1 : 1));
  const { made } = await runTargets(set, registry, {
    files,
    asked: new Set(files),
    targets,
    importExtension,
    keepOptions,
  });
  return checked(made).map(({ path, source, text }) =>
    create(CodeGeneratorResponse_FileSchema, { name: path, content: withHeader(path, source, text) }),
  );
}

/** Whoever runs the plugin writes what it says, so what it says has to stay where it belongs. */
function checked(files: readonly OutputFile[]): readonly OutputFile[] {
  const seen = new Map<string, string>();
  for (const { path } of files) {
    const problem = pathProblem(path);
    if (problem !== undefined)
      throw new GenerateFailure(
        "usage",
        `${visibleText(path)} cannot be the path of a file in the output folder: ${problem}. Rename the schema file.`,
      );
    const same = seen.get(foldedPath(path));
    if (same !== undefined)
      throw new GenerateFailure(
        "usage",
        `${same} and ${path} are one file where case does not count: rename one of the schema files.`,
      );
    seen.set(foldedPath(path), path);
  }
  return files;
}

interface Settings {
  readonly targets: readonly Target[];
  readonly importExtension: ImportExtension;
  readonly keepOptions: readonly string[];
}

const EXTENSIONS: readonly string[] = ["js", "ts", "none"] satisfies readonly ImportExtension[];

/** "target=ts,target=openapi,openapi.title=Chat,import_extension=ts". */
function settingsOf(parameter: string): Settings {
  const names: string[] = [];
  const keepOptions: string[] = [];
  const options: { readonly target: string; readonly option: string; readonly value: string }[] = [];
  let importExtension = "js";
  for (const part of parameter === "" ? [] : parameter.split(",")) {
    const [, name = "", value = ""] = /^([^=]*)=?(.*)$/s.exec(part.trim())!;
    const [, target, option] = /^([\w-]+)\.(\w+)$/.exec(name) ?? [];
    if (target !== undefined && option !== undefined) options.push({ target, option, value });
    else if (name === "target") names.push(value);
    else if (name === "keep_option") keepOptions.push(value);
    else if (name === "import_extension" && EXTENSIONS.includes(value)) importExtension = value;
    else
      throw new GenerateFailure(
        "usage",
        `${JSON.stringify(part)} is no option of protoc-gen-raceway. It takes target=NAME, NAME.OPTION=VALUE, import_extension=${EXTENSIONS.join("|")} and keep_option=NAME, divided by commas.`,
      );
  }
  const wanted: readonly string[] = names.length === 0 ? defaultTargets : names;
  const lost = options.find(({ target }) => !wanted.includes(target));
  if (lost !== undefined)
    throw new GenerateFailure(
      "usage",
      `${lost.target}.${lost.option} is for a target that is not generated: add target=${lost.target}.`,
    );
  const targets = wanted.map((name) => {
    const own = options.filter(({ target }) => target === name).map(({ option, value }) => [option, value] as const);
    return builtInTarget(name, Object.fromEntries(own));
  });
  return { targets, importExtension: importExtension as ImportExtension, keepOptions };
}

/** Without the column: the text, which tells editors' columns from those of descriptors, is not in the request. */
function lineFor({ severity, rule, place, message, mend }: Finding): string {
  const line = lineOf(place);
  const where = line === undefined ? place.file.proto.name : `${place.file.proto.name}:${line}`;
  return `${where}: ${severity} ${rule}: ${message}; mend: ${mend}`;
}
