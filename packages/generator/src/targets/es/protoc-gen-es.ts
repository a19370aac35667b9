// protoc-gen-es as a function. Its package has no public export of the plugin, so this file alone knows the path inside;
// the version is pinned exactly, and `test/generator` fails if an upgrade moves it.
import type { CodeGeneratorRequest, CodeGeneratorResponse } from "@bufbuild/protobuf/wkt";
import type { Plugin } from "@bufbuild/protoplugin";

/** Loads it when it is first needed: protoplugin brings a TypeScript along that takes 0.2 s. */
export async function runProtocGenEs(request: CodeGeneratorRequest): Promise<CodeGeneratorResponse> {
  const { protocGenEs } = (await import("@bufbuild/protoc-gen-es/dist/cjs/src/protoc-gen-es-plugin.js")) as {
    protocGenEs: Plugin;
  };
  return protocGenEs.run(request);
}
