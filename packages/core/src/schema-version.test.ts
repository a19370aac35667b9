// Versions of schemas: what changes them, what does not, and what they cost.
import { type DescFile, create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { embedFileDesc, fileDesc } from "@bufbuild/protobuf/codegenv2";
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  SourceCodeInfoSchema,
  UninterpretedOptionSchema,
  file_google_protobuf_empty,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { schemaVersion } from "./schema-version.ts";

const text = { type: FieldDescriptorProto_Type.STRING, label: FieldDescriptorProto_Label.OPTIONAL };

/** A file with a message and a service, which imports others. */
function file(name: string, imports: readonly string[] = [], field = "text"): FileDescriptorProto {
  const message = `.${name}.Message`;
  return create(FileDescriptorProtoSchema, {
    name: `${name}.proto`,
    package: name,
    syntax: "proto3",
    dependency: imports.map((one) => (one.includes("/") ? one : `${one}.proto`)),
    messageType: [{ name: "Message", field: [{ name: field, jsonName: field, number: 1, ...text }] }],
    service: [{ name: "Service", method: [{ name: "Do", inputType: message, outputType: message }] }],
  });
}

/** As from an image, or from a server's reflection: written and read. */
function registry(files: readonly FileDescriptorProto[]): ReturnType<typeof createFileRegistry> {
  const set = create(FileDescriptorSetSchema, { file: [file_google_protobuf_empty.proto, ...files] });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, toBinary(FileDescriptorSetSchema, set)));
}
/** As in generated code. */
function generated(files: readonly FileDescriptorProto[]): ReadonlyMap<string, DescFile> {
  const made = new Map<string, DescFile>([["google/protobuf/empty.proto", file_google_protobuf_empty]]);
  for (const one of files) {
    const imports = one.dependency.map((path) => made.get(path)!);
    made.set(one.name, fileDesc(embedFileDesc(one).base64(), imports));
  }
  return made;
}
const versionOf = (files: readonly FileDescriptorProto[], name = "top"): string =>
  schemaVersion(registry(files).getService(`${name}.Service`)!.methods[0]!);

/** `top` imports `left` and `right`, which both import `base`. */
const diamond = (changed: Partial<Record<"top" | "left" | "right" | "base", string>> = {}): FileDescriptorProto[] => [
  file("base", ["google/protobuf/empty.proto"], changed.base),
  file("left", ["base"], changed.left),
  file("right", ["base"], changed.right),
  file("top", ["left", "right"], changed.top),
];

describe("the version of a schema", () => {
  it("changes with the service's file and with all that it imports, at any distance", () => {
    const all = [
      versionOf(diamond()),
      ...(["top", "left", "right", "base"] as const).map((name) => versionOf(diamond({ [name]: "other" }))),
      versionOf(diamond({ left: "other", right: "other" })),
    ];
    for (const version of all) expect(version).toMatch(/^[0-9a-f]{8}$/);
    expect(new Set(all)).toHaveLength(all.length);
    expect(versionOf(diamond())).toBe(all[0]);
  });

  it("does not change with a file that the service's imports", () => {
    expect(versionOf(diamond({ top: "other" }), "left")).toBe(versionOf(diamond(), "left"));
    expect(versionOf(diamond({ right: "other" }), "left")).toBe(versionOf(diamond(), "left"));
  });

  it("is the same in whichever order files are asked for", () => {
    const names = ["base", "left", "right", "top"];
    const inOrder = (asked: readonly string[]): Record<string, string> => {
      const found = registry(diamond());
      return Object.fromEntries(
        asked.map((name) => [name, schemaVersion(found.getService(`${name}.Service`)!.methods[0]!)]),
      );
    };
    expect(inOrder(names.toReversed())).toEqual(inOrder(names));
    expect(inOrder(["right", "top", "base", "left"])).toEqual(inOrder(names));
  });

  it("is the same by generated code, by an image with comments, and by a server's reflection", () => {
    const rich = file("top", ["left", "right"]);
    const message = create(DescriptorProtoSchema, {
      name: "Rich",
      field: [
        { name: "may_be", jsonName: "mayBe", number: 1, ...text, oneofIndex: 0, proto3Optional: true },
        { name: "named", jsonName: "otherwise", number: 2, ...text, options: { deprecated: true } },
      ],
      oneofDecl: [{ name: "_may_be" }],
      nestedType: [{ name: "Inner", field: [{ name: "in_it", jsonName: "inIt", number: 1, ...text }] }],
      reservedRange: [{ start: 5, end: 7 }],
    });
    // An option of somebody's own.
    message.field[1]!.options!.$unknown = [{ no: 50_000, wireType: 2, data: Uint8Array.of(1, 65) }];
    rich.messageType.push(message);
    const files = [...diamond().slice(0, 3), rich];
    const version = versionOf(files);
    const code = generated(files);
    expect(schemaVersion(code.get("top.proto")!.services[0]!.methods[0]!)).toBe(version);
    expect(versionOf(files.map(({ name }) => code.get(name)!.proto))).toBe(version);
    for (const one of files)
      one.sourceCodeInfo = create(SourceCodeInfoSchema, {
        location: [{ path: [4, 0], span: [1, 2, 3], leadingComments: " what it is" }],
      });
    expect(versionOf(files)).toBe(version);
    // Nor does what a compiler left uninterpreted, numbers that JSON does not have among it.
    const left = create(UninterpretedOptionSchema, { identifierValue: "what", positiveIntValue: 5n });
    message.field[1]!.options!.uninterpretedOption = [left];
    expect(versionOf(files)).toBe(version);
    // Another name in JSON is another schema.
    message.field[1]!.jsonName = "again";
    expect(versionOf(files)).not.toBe(version);
  });

  it("reads each file once, by however many it is imported", () => {
    const users = Array.from({ length: 50 }, (_, at) => `user${at}`);
    const found = registry([...diamond(), ...users.map((name) => file(name, ["top", "base"]))]);
    const read: string[] = [];
    const watched = new Map<DescFile, DescFile>();
    // Descriptors that write down when what they are made of is looked at.
    const watch = (given: DescFile): DescFile => {
      const own: DescFile = watched.get(given) ?? {
        ...given,
        get proto() {
          read.push(given.name);
          return given.proto;
        },
        dependencies: given.dependencies.map(watch),
      };
      watched.set(given, own);
      return own;
    };
    const versions = users.map((name) => {
      const method = found.getService(`${name}.Service`)!.methods[0]!;
      return schemaVersion({ ...method, parent: { ...method.parent, file: watch(method.parent.file) } });
    });
    expect(new Set(versions)).toHaveLength(users.length);
    expect(read.filter((name) => !name.startsWith("google/")).toSorted()).toEqual(
      ["base", "left", "right", "top", ...users].toSorted(),
    );
  });
});
