// protoc-gen-es as a function. Its package has no public export of the plugin, so this file alone knows the paths inside;
// the versions are pinned exactly, and `test/generator` fails if an upgrade moves it.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { DescFile } from "@bufbuild/protobuf";
import type { CodeGeneratorRequest, CodeGeneratorResponse } from "@bufbuild/protobuf/wkt";
import type { Plugin } from "@bufbuild/protoplugin";
import { type FileNames, type Named, namesOf } from "../../model/names.ts";

/** Loads it when it is first needed: protoplugin brings a TypeScript along that takes 0.2 s. */
export async function runProtocGenEs(request: CodeGeneratorRequest): Promise<CodeGeneratorResponse> {
  const { protocGenEs } = (await import("@bufbuild/protoc-gen-es/dist/cjs/src/protoc-gen-es-plugin.js")) as {
    protocGenEs: Plugin;
  };
  rememberNames();
  return protocGenEs.run(request);
}

/** What the plugin looks names up by. */
interface Names {
  generatedDescName(desc: Named): string;
  generatedShapeName(desc: Parameters<FileNames["type"]>[0]): string;
}

let remembered = false;

/**
 * For each name that it writes, protoplugin finds all names of the file anew: with 300 methods and 1,000 messages in a file that was
 * half of a run. So it gets ours, which are the same and are found once a file.
 */
function rememberNames(): void {
  if (remembered) return;
  remembered = true;
  const plugin = createRequire(createRequire(import.meta.url).resolve("@bufbuild/protoc-gen-es/package.json"));
  const names = plugin(join(dirname(plugin.resolve("@bufbuild/protoplugin")), "names.js")) as Names;
  const known = new WeakMap<DescFile, FileNames>();
  const namesIn = (file: DescFile): FileNames => {
    let found = known.get(file);
    if (found === undefined) known.set(file, (found = namesOf(file)));
    return found;
  };
  names.generatedDescName = (desc) => namesIn(desc.kind === "file" ? desc : desc.file).descriptor(desc);
  names.generatedShapeName = (desc) => namesIn(desc.file).type(desc);
}
