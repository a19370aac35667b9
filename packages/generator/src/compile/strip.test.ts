// Nothing that is meant for servers, and nothing that only tools need, gets into what clients have.
import { createFileRegistry, toJson } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { isSensitive } from "@raceway/core";
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../test-kit/schema-folder.ts";

const annotated = `option (raceway.v1.file_policy) = { audit: "very-secret" };
service S {
  option (raceway.v1.service_policy) = { auth: { require: { scopes: ["very-secret"] } } };
  rpc A(Key) returns (stream Key) {
    option (raceway.v1.channel).topic = { address: "a/{room}" };
    option (raceway.v1.policy) = { auth: { require: { policy: "very-secret" } } };
  }
}
message Key { string room = 1 [(raceway.v1.field).key = true]; }
`;

test("no policy in a client's files", async () => {
  using schema = new SchemaFolder(demo(annotated));
  expect((await schema.generate()).diagnostics).toEqual([]);
  const secret = Buffer.from("very-secret");
  for (const file of schema.list()) {
    const text = schema.read(`gen/${file}`);
    const embedded = /fileDesc\("([^"]*)"/.exec(text)?.[1] ?? "";
    const leaks = text.includes("very-secret") || Buffer.from(embedded, "base64").includes(secret);
    expect(leaks, file).toBe(file.endsWith(".server.ts"));
    expect(text, file).not.toContain("options_pb");
  }
});

test("an annotated schema gives the same descriptors as a bare one", async () => {
  using one = new SchemaFolder(demo(annotated));
  using other = new SchemaFolder({
    "proto/demo/v1/demo.proto":
      'syntax = "proto3";\npackage demo.v1;\nservice S { rpc A(Key) returns (stream Key); }\nmessage Key { string room = 1; }\n',
  });
  const bare = async (schema: SchemaFolder): Promise<unknown> =>
    (await schema.seen()).context.descriptors.file.map((file) =>
      toJson(FileDescriptorProtoSchema, { ...file, sourceCodeInfo: undefined }),
    );
  expect(await bare(one)).toEqual(await bare(other));
});

test("that a field is sensitive stays, as protobuf's own option, and is known to whoever logs, stripped or not", async () => {
  using schema = new SchemaFolder(
    demo(`message Login {
  string name = 1 [(raceway.v1.field).key = true];
  string password = 2 [(raceway.v1.field).sensitive = true, deprecated = true];
  string pin = 3 [debug_redact = true];
  string open = 4 [(raceway.v1.field) = { sensitive: false }];
}
`),
  );
  const seen = async (keepOptions: readonly string[]) => (await schema.seen({ keepOptions })).context.descriptors;
  const sensitive = (set: Awaited<ReturnType<typeof seen>>): boolean[] =>
    createFileRegistry(set).getMessage("demo.v1.Login")!.fields.map(isSensitive);
  const stripped = await seen([]);
  const options = (set: typeof stripped) =>
    set.file
      .at(-1)!
      .messageType.at(-1)!
      .field.map((field) => field.options);
  expect(sensitive(stripped)).toEqual([false, true, true, false]);
  expect(options(stripped).map((each) => each?.debugRedact === true)).toEqual([false, true, true, false]);
  expect(options(stripped)[1]).toMatchObject({ deprecated: true, $unknown: [] });
  // As descriptors are that other tools made.
  const whole = await seen(["raceway.v1"]);
  options(whole)[1]!.debugRedact = false;
  expect(sensitive(whole)).toEqual([false, true, true, false]);
});

const others = {
  "proto/note/note.proto": `syntax = "proto3"; package note; import "google/protobuf/descriptor.proto"; import "note/level.proto";
extend google.protobuf.FieldOptions { Level level = 60001; } extend google.protobuf.MethodOptions { string why = 60002; }`,
  "proto/note/level.proto": 'syntax = "proto3"; package note; enum Level { LEVEL_UNSPECIFIED = 0; LEVEL_HIGH = 1; }',
  "proto/a.proto": `syntax = "proto3"; import "note/note.proto"; import "note/level.proto"; import public "pub.proto"; import "unused.proto";
service S { rpc A(M) returns (M) { option (note.why) = "because"; option deprecated = true; } }
message M { string a = 1 [(note.level) = LEVEL_HIGH, deprecated = true]; P p = 2; }`,
  "proto/pub.proto": 'syntax = "proto3"; import public "deep.proto";',
  "proto/deep.proto": 'syntax = "proto3"; message P {}',
  "proto/unused.proto": 'syntax = "proto3";',
};

test("options of others go too, with the imports that only they needed", async () => {
  using schema = new SchemaFolder(others);
  const { model, context } = await schema.seen({ inputs: ["proto/a.proto"] });
  expect(context.descriptors.file.map((file) => file.name)).toEqual(["deep.proto", "pub.proto", "a.proto"]);
  const file = context.descriptors.file.at(-1)!;
  expect({ dependency: file.dependency, publicDependency: file.publicDependency }).toEqual({
    dependency: ["pub.proto"],
    publicDependency: [0],
  });
  expect(file.service[0]!.method[0]!.options).toMatchObject({ deprecated: true });
  expect(model.files.map(({ path, requested }) => ({ path, requested }))).toEqual([
    { path: "a.proto", requested: true },
    { path: "deep.proto", requested: false },
    { path: "pub.proto", requested: false },
  ]);
});

test("options that are read at run time can be kept", async () => {
  using schema = new SchemaFolder(others);
  const { context } = await schema.seen({ inputs: ["proto/a.proto"], keepOptions: ["note.why"] });
  const file = context.descriptors.file.at(-1)!;
  expect(file.dependency).toEqual(["note/note.proto", "pub.proto"]);
  expect(file.publicDependency).toEqual([1]);
  expect(file.service[0]!.method[0]!.options!.$unknown).toMatchObject([{ no: 60002 }]);
  expect(file.messageType[0]!.field[0]!.options!.$unknown).toEqual([]);
  const all = await schema.seen({ inputs: ["proto/a.proto"], keepOptions: ["note"] });
  expect(all.context.descriptors.file.at(-1)!.messageType[0]!.field[0]!.options!.$unknown).toMatchObject([
    { no: 60001 },
  ]);
});

test("imports of options, as in edition 2024, go as well", async () => {
  using schema = new SchemaFolder({
    "proto/ed.proto": `edition = "2024"; package ed; import option "raceway/v1/options.proto";
service S { rpc A(M) returns (stream M) { option (raceway.v1.channel).topic = { address: "a/{room}" }; } } message M { string room = 1; }`,
  });
  const { model, context } = await schema.seen();
  expect(context.descriptors.file).toHaveLength(1);
  expect(context.descriptors.file[0]!.optionDependency).toEqual([]);
  expect(model.files[0]!.services[0]!.channels[0]!.contract).toMatchObject({ kind: "topic", address: "a/{room}" });
});

test("no comment ends in generated code before its end", async () => {
  using schema = new SchemaFolder({
    "proto/a.proto":
      '// one\u2028evil(1)\n// two\revil(2)\n/// <reference path="x" />\nsyntax = "proto3";\n\n/* three \u2029 evil(3) * / */\npackage a;\n// */ evil(4)\nmessage M {}\n',
  });
  await schema.generate();
  const code = schema
    .read("gen/a_pb.ts")
    .replaceAll(/\/\*[^]*?\*\//g, "")
    .split(/\r\n|[\n\r\u2028\u2029]/);
  expect(code.filter((line) => line.includes("evil") && !line.startsWith("//"))).toEqual([]);
  expect(code.filter((line) => line.startsWith("///"))).toEqual([]);
});

test("the import of an error's detail stays, for the file and for the service as for the method; others go", async () => {
  const far = (name: string): string => `syntax = "proto3"; package ${name}.v1; message Far {}`;
  using schema = new SchemaFolder({
    ...demo(`import "a.proto"; import "b.proto"; import "c.proto"; import "d.proto";
option (raceway.v1.file).defaults.errors = { reason: "A" code: ABORTED detail: "a.v1.Far" };
service S {
  option (raceway.v1.service).defaults.errors = { reason: "B" code: ABORTED detail: ".b.v1.Far" };
  rpc A(M) returns (M) { option (raceway.v1.channel).errors = { reason: "C" code: ABORTED detail: "c.v1.Far" message: "d.v1.Far" }; }
}
message M {}
`),
    ...Object.fromEntries(["a", "b", "c", "d"].map((name) => [`proto/${name}.proto`, far(name)])),
  });
  const { context } = await schema.seen();
  const file = context.descriptors.file.find(({ name }) => name === "demo/v1/demo.proto")!;
  expect(file.dependency).toEqual(["a.proto", "b.proto", "c.proto"]);
  expect(file.service[0]!.options).toBeUndefined();
});
