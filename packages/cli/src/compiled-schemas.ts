// Compiled schemas as generated code has them: written and read once, without comments and positions. So both ends reckon the same version of them.
import { create, createFileRegistry, type FileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** `compiled` stays as it is. */
export function registryAsGenerated(compiled: FileDescriptorSet): FileRegistry {
  const bare = compiled.file.map((file) => ({ ...file, sourceCodeInfo: undefined }));
  const bytes = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: bare }));
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
}
