// The target `protoc`: a bridge to any plugin of protoc, such as protoc-gen-go; no protoc is needed.
import { spawn } from "node:child_process";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  type CodeGeneratorResponse,
  CodeGeneratorResponseSchema,
} from "@bufbuild/protobuf/wkt";
import { type OptionsOf, fail, resolveOptions } from "@raceway/core";
import type { Model, OutputFile, Target } from "@raceway/core/target";
import { GenerateFailure } from "../../failure.ts";

export const protocOptions = {
  /** The executable: a name to look up in PATH, or a path. Required. */
  plugin: { kind: "text", default: "" },
  /** What the plugin is told, as protoc's `--NAME_opt` says it. */
  parameter: { kind: "text", default: "" },
} as const;

/** Plugins get what clients may see: no policy, and no custom option that is not kept. Throws `option_invalid` without a plugin. */
export function protoc(given: OptionsOf<typeof protocOptions> & { readonly plugin: string }): Target {
  const { plugin, parameter } = resolveOptions("protoc", protocOptions, given);
  if (plugin === "")
    throw fail("option_invalid", { part: "protoc", option: "plugin", value: '""', expected: "an executable" });
  return {
    name: "protoc",
    contract: 1,
    async generate(model, { descriptors }) {
      const request = create(CodeGeneratorRequestSchema, {
        fileToGenerate: model.files.filter(({ requested }) => requested).map(({ path }) => path),
        parameter,
        protoFile: descriptors.file,
        sourceFileDescriptors: descriptors.file,
        compilerVersion: { major: 36, minor: 2, patch: 0, suffix: "" },
      });
      return filesOf(plugin, await answerOf(plugin, toBinary(CodeGeneratorRequestSchema, request)), model);
    },
  };
}

function answerOf(plugin: string, request: Uint8Array): Promise<CodeGeneratorResponse> {
  return new Promise((resolve, reject) => {
    const child = spawn(plugin, { stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    let complaint = "";
    child.stdout.on("data", (part: Buffer) => void out.push(part));
    child.stderr.setEncoding("utf8").on("data", (part: string) => (complaint = (complaint + part).slice(-4_000)));
    child.stdin.on("error", () => undefined); // it ended without reading; how it ended says why
    child.stdin.end(request);
    child.on("error", (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === "ENOENT"
          ? new GenerateFailure("usage", `There is no executable ${plugin}. Install it, or give its path.`, { cause })
          : new GenerateFailure("tool", `Could not start ${plugin}: ${cause.message}.`, { cause }),
      ),
    );
    child.on("close", (code, signal) => {
      try {
        if (code !== 0)
          throw new Error(`it ended with ${signal ?? `code ${String(code)}`}. ${complaint.trim()}`.trim());
        resolve(fromBinary(CodeGeneratorResponseSchema, Buffer.concat(out)));
      } catch (cause) {
        reject(
          new GenerateFailure("tool", `${plugin} failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
            cause,
          }),
        );
      }
    });
  });
}

/** A file without a name goes on with the one before it. */
function filesOf(plugin: string, response: CodeGeneratorResponse, model: Model): readonly OutputFile[] {
  if (response.error !== "") throw new GenerateFailure("tool", `${plugin} failed: ${response.error}`);
  const files: { path: string; source: string; text: string }[] = [];
  const asked = new Map(
    model.files.flatMap(({ path, requested }) => (requested ? [[path.replace(/\.proto$/, ""), path] as const] : [])),
  );
  for (const { name, content, insertionPoint } of response.file) {
    if (insertionPoint !== "")
      throw new GenerateFailure(
        "tool",
        `${plugin} wants to insert into ${name}, a file of another plugin, which Raceway does not do. Run it by buf or protoc.`,
      );
    const last = files.at(-1);
    if (name !== "" || last === undefined) files.push({ path: name, source: sourceOf(name, asked), text: content });
    else last.text += content;
  }
  return files;
}

/** Plugins do not say what a file is made from: the schema with the longest path that its name begins with, else the first. */
function sourceOf(name: string, asked: ReadonlyMap<string, string>): string {
  for (let length = name.length; length > 0; length--) {
    const path = asked.get(name.slice(0, length));
    if (path !== undefined) return path;
  }
  return asked.values().next().value ?? "";
}
