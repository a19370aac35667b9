// Schemas that the generator brings along: used where nobody has his own, and the same as the libraries know.
import { createFileRegistry, hasOption, toJson } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { field, file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { describe, expect, it } from "vitest";
import { SchemaFolder } from "../../test-kit/schema-folder.ts";
import { bufCompiler } from "./buf.ts";
import { findSources } from "./schema-sources.ts";

const plain = (file: FileDescriptorProto): unknown => {
  const json = toJson(FileDescriptorProtoSchema, { ...file, sourceCodeInfo: undefined });
  // JSON names are a compiler's word, and a package may leave out the default ones.
  return JSON.parse(JSON.stringify(json, (key, value: unknown) => (key === "jsonName" ? undefined : value)));
};

const ruled = `syntax = "proto3"; package ruled.v1; import "buf/validate/validate.proto";
service S { rpc A(M) returns (M); }
message M {
  option (buf.validate.message).cel = { id: "m", message: "a and b are the same", expression: "this.a != this.b" };
  string a = 1 [(buf.validate.field).string = { min_len: 1 max_len: 8 }];
  string b = 2;
  oneof one { option (buf.validate.oneof).required = true; string c = 3; string d = 4; }
}
`;

describe("buf/validate/validate.proto", () => {
  it("says what the library @bufbuild/protovalidate knows", async () => {
    using schema = new SchemaFolder({ "proto/ruled/v1/ruled.proto": ruled });
    const sources = findSources(schema.path, ["proto"], ["proto"]);
    const compiled = await bufCompiler().compile(sources, sources.files);
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.findings));
    const ours = compiled.set.file.find(({ name }) => name === "buf/validate/validate.proto")!;
    expect(plain(ours)).toEqual(plain(file_buf_validate_validate.proto));
  });

  it("is imported with no configuration; rules stay in what is generated, and nothing of the schema that defines them", async () => {
    using schema = new SchemaFolder({ "proto/ruled/v1/ruled.proto": ruled });
    const { context } = await schema.seen();
    const [file] = context.descriptors.file;
    expect(context.descriptors.file).toHaveLength(1);
    expect(file!.dependency).toEqual([]);
    const message = createFileRegistry(context.descriptors).getMessage("ruled.v1.M")!;
    expect(message.fields.map((each) => hasOption(each, field))).toEqual([true, false, false, false]);
    expect(message.proto.options!.$unknown).toHaveLength(1);
    expect(message.oneofs[0]!.proto.options!.$unknown).toHaveLength(1);
    expect((await schema.generate()).diagnostics).toEqual([]);
    expect(schema.list()).not.toContain("buf/validate/validate_pb.ts");
  });

  it("is a user's own where he has one", async () => {
    using schema = new SchemaFolder({
      "proto/ruled/v1/ruled.proto": ruled.replace("string = { min_len: 1 max_len: 8 }", "string.min_len = 1"),
      "proto/buf/validate/validate.proto": `syntax = "proto2"; package buf.validate; import "google/protobuf/descriptor.proto";
extend google.protobuf.MessageOptions { optional R message = 1159; } extend google.protobuf.OneofOptions { optional R oneof = 1159; }
extend google.protobuf.FieldOptions { optional R field = 1159; }
message R { optional S string = 14; optional C cel = 3; optional bool required = 1; } message S { optional uint64 min_len = 2; }
message C { optional string id = 1; optional string message = 2; optional string expression = 3; }`,
    });
    expect(await schema.report({ inputs: ["proto/ruled"] })).toBe("");
    const { context } = await schema.seen({ inputs: ["proto/ruled"] });
    expect(context.descriptors.file.map(({ name }) => name)).toEqual(["ruled/v1/ruled.proto"]);
  });
});
