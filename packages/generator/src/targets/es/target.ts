// The target `es`: message types and descriptors, `*_pb.ts`, by protoc-gen-es.
import { create } from "@bufbuild/protobuf";
import { CodeGeneratorRequestSchema } from "@bufbuild/protobuf/wkt";
import type { Target } from "@raceway/core/target";
import { GenerateFailure } from "../../failure.ts";
import { runProtocGenEs } from "./protoc-gen-es.ts";

export function esTarget(): Target {
  return {
    name: "es",
    contract: 1,
    async generate(model, { importExtension, descriptors }) {
      const response = await runProtocGenEs(
        create(CodeGeneratorRequestSchema, {
          fileToGenerate: model.files.map((file) => file.path),
          parameter: `target=ts,import_extension=${importExtension},erasable_syntax=true,elide_plugin_version=true`,
          // The first is what is embedded, the second what is read; both have to agree on what is imported.
          protoFile: descriptors.file,
          sourceFileDescriptors: descriptors.file,
        }),
      );
      if (response.error !== "") throw new GenerateFailure("tool", `protoc-gen-es failed: ${response.error}`);
      return response.file.map(({ name, content }) => ({
        path: name,
        source: name.replace(/_pb\.ts$/, ".proto"),
        text: content,
      }));
    },
  };
}
