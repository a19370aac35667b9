// What buf adds to each file of an image: whether it is only imported. https://github.com/bufbuild/buf/blob/main/proto/buf/alpha/image/v1/image.proto
import { create } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type FileDescriptorProto, type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Field of `ImageFile`, which is otherwise a `FileDescriptorProto`. */
const BUF_EXTENSION = 8042;
const IS_IMPORT = 1;

/** Undefined if nothing is said. */
export function importMark(file: FileDescriptorProto): boolean | undefined {
  const said = file.$unknown?.find(({ no }) => no === BUF_EXTENSION);
  if (said === undefined) return undefined;
  const reader = new BinaryReader(said.data);
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) {
    const [field, type] = reader.tag();
    if (field === IS_IMPORT) return reader.bool();
    reader.skip(type);
  }
  return false;
}

/** The same files; all but those named are marked as imports. */
export function withImportMarks(set: FileDescriptorSet, own: ReadonlySet<string>): FileDescriptorSet {
  return create(FileDescriptorSetSchema, {
    file: set.file.map((file) => {
      const rest = file.$unknown?.filter(({ no }) => no !== BUF_EXTENSION) ?? [];
      // Length, tag, value.
      const data = new Uint8Array([2, (IS_IMPORT << 3) | WireType.Varint, own.has(file.name) ? 0 : 1]);
      return { ...file, $unknown: [...rest, { no: BUF_EXTENSION, wireType: WireType.LengthDelimited, data }] };
    }),
  });
}
