// What people are told about declared errors that cannot be told apart, or say nothing.
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../test-kit/schema-folder.ts";

const messages = `
message Request { string room = 1; }
message Reply { string text = 1; }
message RoomFull { uint32 capacity = 1; message Inner { string text = 1; } }
enum Kind { KIND_UNSPECIFIED = 0; }
`;

/** A unary rpc with errors, one a line. */
function rpc(name: string, ...errors: readonly string[]): string {
  const lines = errors.map((error) => `    option (raceway.v1.channel).errors = { ${error} };\n`);
  return `  rpc ${name}(Request) returns (Reply) {\n${lines.join("")}  }\n`;
}

function service(rpcs: string, options = "", imports = ""): Readonly<Record<string, string>> {
  return demo(`${imports}service S {\n${options}${rpcs}}\n${messages}`);
}

test("a declared error has its place, the lines around it, and the mend", async () => {
  using schema = new SchemaFolder(service(rpc("A", 'reason: "RoomFull" code: ABORTED')));
  expect(await schema.report()).toMatchInlineSnapshot(`
    "error error_reason: \`RoomFull\` cannot be a reason
      proto/demo/v1/demo.proto:10:52
         9 |   rpc A(Request) returns (Reply) {
      > 10 |     option (raceway.v1.channel).errors = { reason: "RoomFull" code: ABORTED };
           |                                                    ^^^^^^^^^^
      mend: write it in capital letters and digits, words divided by _: ROOM_FULL.
    "
  `);
  expect(schema.list()).toEqual([]);
});

test("reasons that are none", async () => {
  using schema = new SchemaFolder(
    service(
      rpc("A", "code: ABORTED", 'reason: "room_full" code: ABORTED', 'reason: "ROOM-FULL" code: ABORTED') +
        rpc(
          "B",
          'reason: "ROOM__FULL" code: ABORTED',
          'reason: "_ROOM" code: ABORTED',
          'reason: "1ROOM" code: ABORTED',
        ) +
        rpc("C", `reason: "${"A".repeat(64)}" code: ABORTED`, 'reason: "ÜBER" code: ABORTED') +
        rpc(
          "Fine",
          `reason: "${"A".repeat(63)}" code: ABORTED`,
          'reason: "HTTP_2" code: ABORTED',
          'reason: "A" code: ABORTED',
        ),
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "error_reason at «errors»: this error has no reason; add one, such as \`reason: "ROOM_FULL"\`.
    error_reason at «"room_full"»: \`room_full\` cannot be a reason; write it in capital letters and digits, words divided by _: ROOM_FULL.
    error_reason at «"ROOM-FULL"»: \`ROOM-FULL\` cannot be a reason; write it in capital letters and digits, words divided by _: ROOM_FULL.
    error_reason at «"ROOM__FULL"»: \`ROOM__FULL\` cannot be a reason; write it in capital letters and digits, words divided by _: ROOM_FULL.
    error_reason at «"_ROOM"»: \`_ROOM\` cannot be a reason; write it in capital letters and digits, words divided by _: ROOM.
    error_reason at «"1ROOM"»: \`1ROOM\` cannot be a reason; write it in capital letters and digits, words divided by _.
    error_reason at «"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"»: a reason of 64 characters is longer than 63; shorten it; say the rest in \`message\`.
    error_reason at «"ÜBER"»: \`ÜBER\` cannot be a reason; write it in capital letters and digits, words divided by _."
  `);
});

test("of a list of errors, the one that is wrong", async () => {
  using schema = new SchemaFolder(
    demo(`service S {
  rpc A(Request) returns (Reply) {
    option (raceway.v1.channel) = {
      errors: [
        { reason: "A" code: ABORTED },
        { reason: "B" code: OK },
        { reason: "A" code: ABORTED }
      ]
    };
  }
}
${messages}`),
  );
  expect((await schema.generate()).diagnostics.map(({ rule, range }) => [rule, range?.line])).toMatchInlineSnapshot(`
    [
      [
        "error_duplicate",
        12,
      ],
      [
        "error_code",
        13,
      ],
    ]
  `);
});

test("codes that are none", async () => {
  using schema = new SchemaFolder(
    service(
      rpc("A", 'reason: "A"', 'reason: "B" code: OK', 'reason: "C" code: CANCELLED') +
        rpc("Fine", 'reason: "D" code: UNAUTHENTICATED'),
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "error_code at «"A"»: A has no code, or OK; write \`code: FAILED_PRECONDITION\`, or another code that says what a caller can do.
    error_code at «"B"»: B has no code, or OK; write \`code: FAILED_PRECONDITION\`, or another code that says what a caller can do."
  `);
});

test("a code that does not exist", async () => {
  using schema = new SchemaFolder(service(rpc("A", 'reason: "A" code: CANCELED')));
  expect(await schema.findings()).toMatchInlineSnapshot(
    `"option_unknown at «CANCELED»: there is no value CANCELED; did you mean \`CANCELLED\`?"`,
  );
  schema.write(service(rpc("A", 'reason: "A" code: ROOM_FULL')));
  expect(await schema.findings()).toMatchInlineSnapshot(
    `"option_unknown at «ROOM_FULL»: there is no value ROOM_FULL; known are OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED."`,
  );
});

test("details that are no messages, or cannot be seen", async () => {
  using schema = new SchemaFolder({
    ...service(
      rpc("A", 'reason: "A" code: ABORTED detail: "RomFull"', 'reason: "B" code: ABORTED detail: "Kind"') +
        rpc(
          "B",
          'reason: "C" code: ABORTED detail: "other.v1.Far"',
          'reason: "D" code: ABORTED detail: "deep.v1.Deep"',
        ) +
        rpc(
          "C",
          'reason: "E" code: ABORTED detail: "google.rpc.ErrorInfo"',
          'reason: "F" code: ABORTED detail: ".google.rpc.RetryInfo"',
        ) +
        rpc(
          "Fine",
          'reason: "G" code: ABORTED detail: "RoomFull"',
          'reason: "H" code: ABORTED detail: "v1.RoomFull.Inner"',
        ) +
        rpc(
          "AlsoFine",
          'reason: "I" code: ABORTED detail: "near.v1.Near"',
          'reason: "J" code: ABORTED detail: "public.v1.Public"',
        ) +
        rpc(
          "Empty",
          'reason: "K" code: ABORTED detail: ".google.protobuf.Empty"',
          'reason: "L" code: ABORTED detail: ".demo.v1.Reply"',
        ),
      "",
      'import "near.proto";\nimport "google/rpc/error_details.proto";\n',
    ),
    "proto/near.proto":
      'syntax = "proto3"; package near.v1; import public "public.proto"; import "deep.proto"; message Near { deep.v1.Deep deep = 1; }',
    "proto/public.proto": 'syntax = "proto3"; package public.v1; message Public {}',
    "proto/deep.proto": 'syntax = "proto3"; package deep.v1; message Deep {}',
    "proto/other.proto": 'syntax = "proto3"; package other.v1; message Far {}',
    "proto/google/rpc/error_details.proto":
      'syntax = "proto3"; package google.rpc; message ErrorInfo { string reason = 1; } message RetryInfo {}',
  });
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "error_detail at «RomFull»: \`RomFull\` is not a message of this file, or of one that it imports; did you mean \`RoomFull\`?
    error_detail at «Kind»: \`Kind\` is not a message of this file, or of one that it imports; declare it, or import the file that does.
    error_detail at «other.v1.Far»: \`other.v1.Far\` is not a message of this file, or of one that it imports; declare it, or import the file that does.
    error_detail at «deep.v1.Deep»: \`deep.v1.Deep\` is not a message of this file, or of one that it imports; declare it, or import the file that does.
    error_detail at «google.rpc.ErrorInfo»: google.rpc.ErrorInfo is added by Raceway itself; remove detail; reason and domain are sent with every error.
    error_detail at «.google.rpc.RetryInfo»: google.rpc.RetryInfo is added by Raceway itself; remove detail, and have the handler say \`retryAfterMs\`."
  `);
});

test("reasons that cannot be told apart", async () => {
  using schema = new SchemaFolder(
    service(
      rpc("A", 'reason: "FULL" code: ABORTED', 'reason: "FULL" code: ABORTED') +
        rpc("B", 'reason: "ROOM_1" code: ABORTED', 'reason: "ROOM1" code: ABORTED') +
        rpc("C", 'reason: "GONE" code: NOT_FOUND', 'reason: "ODD" code: ABORTED detail: "RoomFull"') +
        rpc("D", 'reason: "GONE" code: UNAVAILABLE', 'reason: "ODD" code: ABORTED') +
        rpc("Fine", 'reason: "GONE" code: NOT_FOUND message: "It was."', 'reason: "FULL" code: ABORTED'),
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "error_duplicate at «"FULL"»: A declares FULL twice; remove one of them.
    name_collision at «"ROOM1"»: ROOM1 and ROOM_1 are both \`room1\` in TypeScript; rename one of them.
    error_duplicate at «code»: GONE is unavailable in D, and not_found in C; give both the same code, or another reason.
    error_duplicate at «"ODD"»: ODD brings no detail in D, and demo.v1.RoomFull in C; give both the same detail, or another reason."
  `);
});

test("what a service and its file declare for all channels is held to the same rules, and added to", async () => {
  using schema = new SchemaFolder(
    service(
      rpc(
        "A",
        'reason: "OF_FILE" code: ABORTED',
        'reason: "OF_SERVICE" code: ABORTED',
        'reason: "OF_METHOD" code: ABORTED',
      ) + rpc("B", 'reason: "OFSERVICE" code: ABORTED', 'reason: "OF_SERVICE_1" code: ABORTED'),
      '  option (raceway.v1.service).defaults.errors = { reason: "OF_SERVICE" code: ABORTED };\n  option (raceway.v1.service).defaults.errors = { reason: "OF_SERVICE1" code: OK };\n  option (raceway.v1.service).defaults.errors = { reason: "OF_FILE" code: ABORTED detail: "Nothing" };\n',
      'option (raceway.v1.file).defaults.errors = { reason: "OF_FILE" code: ABORTED };\noption (raceway.v1.file).defaults.errors = { reason: "of file" code: ABORTED };\n',
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "error_reason at «"of file"»: \`of file\` cannot be a reason; write it in capital letters and digits, words divided by _: OF_FILE.
    error_code at «"OF_SERVICE1"»: OF_SERVICE1 has no code, or OK; write \`code: FAILED_PRECONDITION\`, or another code that says what a caller can do.
    error_duplicate at «"OF_FILE"»: S has OF_FILE from demo/v1/demo.proto; remove one of them.
    error_detail at «Nothing»: \`Nothing\` is not a message of this file, or of one that it imports; declare it, or import the file that does.
    error_duplicate at «"OF_FILE"»: A has OF_FILE from S; remove one of them.
    error_duplicate at «"OF_SERVICE"»: A has OF_SERVICE from S; remove one of them.
    name_collision at «"OF_SERVICE_1"»: OF_SERVICE_1 and OF_SERVICE1 are both \`ofService1\` in TypeScript; rename one of them."
  `);
});
