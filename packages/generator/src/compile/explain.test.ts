// What people are told about schemas that are not protobuf.
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../test-kit/schema-folder.ts";

test("an import that is not there", async () => {
  using schema = new SchemaFolder({ "proto/a.proto": 'syntax = "proto3";\nimport "chat/v1/missing.proto";\n' });
  expect(await schema.report()).toMatchInlineSnapshot(`
    "error import_missing: there is no "chat/v1/missing.proto" to import; looked in proto, the generator's own schemas
      proto/a.proto:2:1
        1 | syntax = "proto3";
      > 2 | import "chat/v1/missing.proto";
          | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      mend: add the folder that the path is relative to with --proto-path, or correct the path.
    "
  `);
});

test("options that were not imported, told once for all of them", async () => {
  using schema = new SchemaFolder({
    "proto/a.proto": `syntax = "proto3";
service A {
  option (raceway.v1.service_policy) = { auth: { public: true } };
  rpc X(M) returns (stream M) { option (raceway.v1.channel).topic = { address: "x/{a}" }; }
}
message M { string a = 1; google.protobuf.Timestamp at = 2; google.protobuf.StringValue value = 3; }
`,
  });
  expect(await schema.report()).toMatchInlineSnapshot(`
    "error import_needed: raceway.v1.service_policy is not known here, nor is 1 more name of that file
      proto/a.proto:3:11
        2 | service A {
      > 3 |   option (raceway.v1.service_policy) = { auth: { public: true } };
          |           ^^^^^^^^^^^^^^^^^^^^^^^^^
      mend: add \`import "raceway/v1/options.proto";\` to the file.

    error import_needed: google.protobuf.Timestamp is not known here
      proto/a.proto:6:27
        5 | }
      > 6 | message M { string a = 1; google.protobuf.Timestamp at = 2; google.protobuf.StringValue value = 3; }
          |                           ^^^^^^^^^^^^^^^^^^^^^^^^^
      mend: add \`import "google/protobuf/timestamp.proto";\` to the file.

    error import_needed: google.protobuf.StringValue is not known here
      proto/a.proto:6:61
        5 | }
      > 6 | message M { string a = 1; google.protobuf.Timestamp at = 2; google.protobuf.StringValue value = 3; }
          |                                                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      mend: add \`import "google/protobuf/wrappers.proto";\` to the file.
    "
  `);
});

test("options, fields and values that do not exist", async () => {
  using schema = new SchemaFolder(
    demo(`service S {
  option (raceway.v1.servic) = {};
  rpc A(Key) returns (stream Key) {
    option (raceway.v1.channel).topc = { address: "x" };
    option (raceway.v1.channel).topic = { adress: "x" };
    option (raceway.v1.policy).auth.require = { match: MATCH_EVERY };
    option (raceway.v1.nothing_like_it) = {};
    option (raceway.v1.channel).wire = { zzzzzzzzz: 1 };
  }
}
message Key { string room = 1; }
`),
  );
  expect(await schema.report()).toMatchInlineSnapshot(`
    "error option_unknown: there is no option raceway.v1.servic
      proto/demo/v1/demo.proto:9:11
        8 | service S {
      > 9 |   option (raceway.v1.servic) = {};
          |           ^^^^^^^^^^^^^^^^^
      mend: did you mean \`raceway.v1.service\`?

    error option_unknown: raceway.v1.Channel has no field \`topc\`
      proto/demo/v1/demo.proto:11:33
        10 |   rpc A(Key) returns (stream Key) {
      > 11 |     option (raceway.v1.channel).topc = { address: "x" };
           |                                 ^^^^
      mend: did you mean \`topic\`?

    error option_unknown: raceway.v1.TopicRules has no field \`adress\`
      proto/demo/v1/demo.proto:12:43
        11 |     option (raceway.v1.channel).topc = { address: "x" };
      > 12 |     option (raceway.v1.channel).topic = { adress: "x" };
           |                                           ^^^^^^^^^^^
      mend: did you mean \`address\`?

    error option_unknown: there is no value MATCH_EVERY
      proto/demo/v1/demo.proto:13:56
        12 |     option (raceway.v1.channel).topic = { adress: "x" };
      > 13 |     option (raceway.v1.policy).auth.require = { match: MATCH_EVERY };
           |                                                        ^^^^^^^^^^^
      mend: known are MATCH_UNSPECIFIED, MATCH_ALL, MATCH_ANY.

    error option_unknown: there is no option raceway.v1.nothing_like_it
      proto/demo/v1/demo.proto:14:13
        13 |     option (raceway.v1.policy).auth.require = { match: MATCH_EVERY };
      > 14 |     option (raceway.v1.nothing_like_it) = {};
           |             ^^^^^^^^^^^^^^^^^^^^^^^^^^
      mend: known are raceway.v1.file, raceway.v1.file_policy, raceway.v1.service, raceway.v1.service_policy, raceway.v1.channel, raceway.v1.policy, raceway.v1.field.

    error option_unknown: raceway.v1.WireRules has no field \`zzzzzzzzz\`
      proto/demo/v1/demo.proto:15:42
        14 |     option (raceway.v1.nothing_like_it) = {};
      > 15 |     option (raceway.v1.channel).wire = { zzzzzzzzz: 1 };
           |                                          ^^^^^^^^^^^^
      mend: its fields are max_message_bytes, window_messages, window_bytes.
    "
  `);
});

test("values of another type, out of range, or given twice", async () => {
  using schema = new SchemaFolder(
    demo(`service S {
  rpc A(Key) returns (stream Key) {
    option (raceway.v1.channel).topic = { address: 5 history: { max_events: "many" max_age: 60 } };
    option (raceway.v1.channel).wire = { window_messages: -1 };
    option (raceway.v1.channel).feed = {};
    option (raceway.v1.policy) = { auth: { public: 1 } };
  }
}
message Key { string room = 1; }
`),
  );
  expect(await schema.report()).toMatchInlineSnapshot(`
    "error option_mismatch: 5 is not of the type of \`address\`
      proto/demo/v1/demo.proto:10:52
         9 |   rpc A(Key) returns (stream Key) {
      > 10 |     option (raceway.v1.channel).topic = { address: 5 history: { max_events: "many" max_age: 60 } };
           |                                                    ^
      mend: write a string, in "quotes".

    error option_mismatch: "many" is not of the type of \`max_events\`
      proto/demo/v1/demo.proto:10:77
         9 |   rpc A(Key) returns (stream Key) {
      > 10 |     option (raceway.v1.channel).topic = { address: 5 history: { max_events: "many" max_age: 60 } };
           |                                                                             ^^^^^^
      mend: write a whole number from 0 on.

    error option_mismatch: 60 is not of the type of \`max_age\`
      proto/demo/v1/demo.proto:10:93
         9 |   rpc A(Key) returns (stream Key) {
      > 10 |     option (raceway.v1.channel).topic = { address: 5 history: { max_events: "many" max_age: 60 } };
           |                                                                                             ^^
      mend: write a duration: { seconds: 1 }.

    error option_mismatch: -1 is out of the range of uint32
      proto/demo/v1/demo.proto:11:59
        10 |     option (raceway.v1.channel).topic = { address: 5 history: { max_events: "many" max_age: 60 } };
      > 11 |     option (raceway.v1.channel).wire = { window_messages: -1 };
           |                                                           ^^
      mend: write a whole number from 0 to 4294967295.

    error option_repeated: only one member of raceway.v1.Channel.kind can be given
      proto/demo/v1/demo.proto:12:12
        11 |     option (raceway.v1.channel).wire = { window_messages: -1 };
      > 12 |     option (raceway.v1.channel).feed = {};
           |            ^^^^^^^^^^^^^^^^^^^^^^^^^
      mend: keep one of call, feed, topic, queue, state, duplex, signal.

    error option_mismatch: 1 is not of the type of \`public\`
      proto/demo/v1/demo.proto:13:52
        12 |     option (raceway.v1.channel).feed = {};
      > 13 |     option (raceway.v1.policy) = { auth: { public: 1 } };
           |                                                    ^
      mend: write true or false.
    "
  `);
});

test("types that are not declared, and fields that are declared twice", async () => {
  using schema = new SchemaFolder(
    demo(`service S { rpc A(Kee) returns (SomethingElse); }
message Key { string room = 1; string room = 2; }
`),
  );
  expect(await schema.report()).toMatchInlineSnapshot(`
    "error name_unknown: Kee is not declared, here or in an imported file
      proto/demo/v1/demo.proto:8:19
        7 |
      > 8 | service S { rpc A(Kee) returns (SomethingElse); }
          |                   ^^^
      mend: did you mean \`Key\`?

    error name_unknown: SomethingElse is not declared, here or in an imported file
      proto/demo/v1/demo.proto:8:33
        7 |
      > 8 | service S { rpc A(Kee) returns (SomethingElse); }
          |                                 ^^^^^^^^^^^^^
      mend: declare it, or import the file that does.

    error schema_invalid: \`room\` declared multiple times
      proto/demo/v1/demo.proto:9:22
        8 | service S { rpc A(Kee) returns (SomethingElse); }
      > 9 | message Key { string room = 1; string room = 2; }
          |                      ^^^^
      mend: rename or remove one of them.

    error schema_invalid: message fields have the same JSON name
      proto/demo/v1/demo.proto:9:39
        8 | service S { rpc A(Kee) returns (SomethingElse); }
      > 9 | message Key { string room = 1; string room = 2; }
          |                                       ^^^^
      mend: rename or remove one of them.
    "
  `);
});

/** Of a file of proto3, whose first line is its syntax; of one that begins with that, or with a comment, as it is. */
async function told(text: string, more: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const file = /^(?:syntax|\/\/)/.test(text) ? text : `syntax = "proto3"; package d.v1;\n${text}`;
  using schema = new SchemaFolder({ "proto/d.proto": file, ...more });
  const { diagnostics } = await schema.generate();
  return diagnostics.map(
    ({ rule, message, mend, range }) => `${range!.line}:${range!.column} ${rule} ${message}: ${mend}`,
  );
}

test.each([
  ["message M { string a = 0; }", "2:24 schema_invalid field number out of range: numbers go from 1 to"],
  ["message M { string a = 1; string b = 1; }", "2:38 schema_invalid field number `1` used more than once: give one"],
  ["message M { reserved 1; string a = 1; }", "2:36 schema_invalid use of reserved field number `1`: take another"],
  ["message M { required string a = 1; }", "2:13 schema_invalid unexpected `required`: leave it out"],
  [
    "message M { map<string, map<string, string>> a = 1; }",
    "2:25 schema_invalid unexpected type in map value type: write a message",
  ],
  ["enum E { A = 1; }", "2:14 schema_invalid first value of open enum must be zero: begin with one"],
  ["enum E { A = 0; B = 0; }", "2:21 schema_invalid enum value `0` used more than once: give one"],
  [
    "message M {} service S { rpc A(M); }",
    "2:31 schema_invalid missing method return type in service method: write `returns",
  ],
  [
    "service S { rpc A(string) returns (M); } message M {}",
    "2:19 schema_invalid expected message type, found scalar type `string`: write a message",
  ],
  [
    "service S { rpc Say(Say) returns (M); } message Say {} message M {}",
    "2:21 schema_invalid expected message type, found service method `d.v1.S.Say`: within the service that is the method: write",
  ],
  [
    "message M {} service S { rpc A(M) returns (M) { option idempotency_level = IDEMPOTENTT; } }",
    "2:76 option_unknown there is no value IDEMPOTENTT: did you mean `IDEMPOTENT`?",
  ],
  ['syntax = "proto4";', '1:10 schema_invalid unrecognized `syntax` declaration value: write `syntax = "proto3";`'],
  [
    "// Without a syntax.\nmessage M { string a = 1; }",
    '2:13 schema_invalid unexpected type name: write `syntax = "proto3";` at the top',
  ],
])("%s: one finding, and how to mend it", async (text, expected) => {
  const found = await told(text);
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(expected);
});

test.each([
  [
    "a word that is misspelt",
    "mesage Thing { Other o = 1; }\nmessage N { Thing t = 1; }",
    ["2:1 schema_invalid unexpected message field at file scope: at the top"],
  ],
  [
    "an open text",
    'message M { string a = 1 [json_name = "x]; }\nmessage N {\n  M m = 1;\n}',
    ["2:39 schema_invalid unterminated string literal"],
  ],
  [
    "an open comment",
    "message N { string a = 1; }\n/* message M {}\nservice S { rpc A(M) returns (N); }",
    ["3:1 schema_invalid encountered unmatched `/*`"],
  ],
  [
    "a method without parentheses",
    "message M {}\nservice S { rpc A M returns M; }",
    ["3:13 schema_invalid unexpected message field within service"],
  ],
  [
    "a merge",
    "message M {\n<<<<<<< HEAD\n  string a = 1;\n=======\n  string b = 1;\n>>>>>>> theirs\n}",
    ["3:1 schema_invalid a merge has left its marks here"],
  ],
  ["a missing import", 'import "x/v1/x.proto";\nmessage M { x.v1.X a = 1; x.v1.Y b = 2; }', ["2:1 import_missing"]],
] as const)("what follows from %s is not told", async (_, text, expected) => {
  const found = await told(text);
  expect(found.map((line, at) => line.slice(0, expected[at]?.length))).toEqual(expected);
});

test("a name of a file that could not be read is told neither there nor where it is imported; one that is nearly right is", async () => {
  const found = await told('import "other.proto";\nmessage M { Other o = 1; Thing t = 2; Nn n = 3; }\nmessage Nm {}', {
    "proto/other.proto": 'syntax = "proto3"; package d.v1; message Thing { string a = 1 } messag Other {}',
  });
  expect(found).toEqual([
    "3:39 name_unknown Nn is not declared, here or in an imported file: did you mean `Nm`?",
    expect.stringContaining("unexpected"),
  ]);
});

test("thousands of names that mean nothing are told within the time of a test: files are looked through once, not once a name", async () => {
  const messages = Array.from({ length: 8_000 }, (_, at) => `message M${at} { Thing${at % 40} thing = 1; }`);
  using schema = new SchemaFolder({
    "proto/a.proto": ['syntax = "proto3";', "message Thingy {}", ...messages].join("\n"),
  });
  const { diagnostics } = await schema.generate();
  expect(diagnostics).toHaveLength(messages.length);
  expect(diagnostics.at(-1)).toMatchObject({ mend: "did you mean `Thingy`?", range: { line: 8_002 } });
  expect(diagnostics.at(-1)!.frame).toBe(
    "  8001 | message M7998 { Thing38 thing = 1; }\n> 8002 | message M7999 { Thing39 thing = 1; }\n       |                 ^^^^^^^",
  );
});
