// The names that protoc-gen-es exports from a `_pb` file, which the other generated files import.
import type { DescExtension, DescEnum, DescFile, DescMessage, DescService } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { safeIdentifier } from "@bufbuild/protoplugin";

/** What has a name of its own in a `_pb` file. */
export type Named = DescFile | DescMessage | DescEnum | DescExtension | DescService;

export interface FileNames {
  /** Name of a type. */
  type(desc: DescMessage | DescEnum): string;
  /** Name of a descriptor. */
  descriptor(desc: Named): string;
}

// protoplugin keeps this to itself (`names.ts`, `allNames`); the order in which names are taken decides who gets a "$".
// `test/generator` holds the result against what protoc-gen-es writes for real schemas.
export function namesOf(file: DescFile): FileNames {
  const taken = new Set<string>();
  const types = new Map<Named, string>();
  const descriptors = new Map<Named, string>();
  const all = [...nestedTypes(file)];
  for (const desc of all) if (desc.kind === "message" || desc.kind === "enum") take(types, desc, identifier(desc));
  for (const desc of [file, ...all]) take(descriptors, desc, descriptorName(desc));
  return { type: (desc) => types.get(desc)!, descriptor: (desc) => descriptors.get(desc)! };

  function take(into: Map<Named, string>, desc: Named, ideal: string): void {
    let name = safeIdentifier(ideal);
    for (let at = 1; taken.has(name); at++) name = safeIdentifier(ideal + (at === 1 ? "$" : `$${at - 1}`));
    taken.add(name);
    into.set(desc, name);
  }
}

function descriptorName(desc: Named): string {
  switch (desc.kind) {
    case "file":
      return `file_${desc.name.replaceAll(/[^a-zA-Z0-9_]+/g, "_")}`;
    case "message":
    case "enum":
      return `${identifier(desc)}Schema`;
    case "extension":
    case "service":
      return identifier(desc);
  }
}

/** The type's name without its package; "." of nested types becomes "_". */
function identifier(desc: Exclude<Named, DescFile>): string {
  const scope = desc.file.proto.package;
  return (scope === "" ? desc.typeName : desc.typeName.slice(scope.length + 1)).replaceAll(".", "_");
}
