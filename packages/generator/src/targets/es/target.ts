// The target `es`: message types and descriptors, `*_pb.ts`, by protoc-gen-es.
import { create } from "@bufbuild/protobuf";
import { CodeGeneratorRequestSchema, type FileDescriptorProto, SourceCodeInfoSchema } from "@bufbuild/protobuf/wkt";
import type { OutputFile, Target } from "@raceway/core/target";
import { withImports } from "../../compile/strip.ts";
import { GenerateFailure } from "../../failure.ts";
import { plainComment } from "../../plain-comment.ts";
import { runProtocGenEs } from "./protoc-gen-es.ts";

/** Files of one request. The plugin holds all of a request in memory: 1,000 services took 835 MB in one, and 570 in parts. */
const AT_ONCE = 50;

export function esTarget(): Target {
  return {
    name: "es",
    contract: 1,
    perFile: true,
    async generate(model, { importExtension, descriptors }) {
      const made: OutputFile[] = [];
      for (let at = 0; at < model.files.length; at += AT_ONCE) {
        const files = model.files.slice(at, at + AT_ONCE).map((file) => file.path);
        const known = withImports(descriptors, files).map(commentsOnly);
        const response = await runProtocGenEs(
          create(CodeGeneratorRequestSchema, {
            fileToGenerate: files,
            parameter: `target=ts,import_extension=${importExtension},erasable_syntax=true,elide_plugin_version=true`,
            // The first is what is embedded, the second what is read; both have to agree on what is imported.
            protoFile: known,
            sourceFileDescriptors: known,
          }),
        );
        if (response.error !== "") throw new GenerateFailure("tool", `protoc-gen-es failed: ${response.error}`);
        for (const { name, content } of response.file)
          made.push({ path: name, source: name.replace(/_pb\.ts$/, ".proto"), text: plainComments(content) });
      }
      return made;
    },
  };
}

/**
 * A file without the source positions that have no comment: the plugin reads comments alone, and for each declaration looks
 * through all positions of its file. Shared but for that.
 */
function commentsOnly(given: FileDescriptorProto): FileDescriptorProto {
  const location = given.sourceCodeInfo?.location.filter(
    ({ leadingComments, trailingComments, leadingDetachedComments }) =>
      leadingComments !== "" || trailingComments !== "" || leadingDetachedComments.length > 0,
  );
  if (location === undefined) return given;
  const file = Object.assign(Object.create(Object.getPrototypeOf(given) as object) as FileDescriptorProto, given);
  file.sourceCodeInfo = create(SourceCodeInfoSchema, { location });
  return file;
}

/** The plugin's comments have names in JSON and default values, too, as the schema says them. */
function plainComments(code: string): string {
  return code.replaceAll(/^\s*(?:\*|\/\/|\/\*).*$/gm, plainComment);
}
