// What people are told about options that contradict each other, or mean something else than they seem to.
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../test-kit/schema-folder.ts";

const messages = `
message Key { string room = 1; string text = 2; }
message Event { string text = 1; }
`;

function service(rpcs: string, options = ""): Readonly<Record<string, string>> {
  return demo(`service S {\n${options}\n${rpcs}}\n${messages}`);
}

/** A unary rpc with a policy. */
function guarded(name: string, policy: string): string {
  return `  rpc ${name}(Key) returns (Event) { option (raceway.v1.policy) = { ${policy} }; }\n`;
}

const severities = async (schema: SchemaFolder): Promise<unknown> =>
  (await schema.generate()).diagnostics
    .filter(({ rule }) => rule !== "option_inert")
    .map(({ rule, severity }) => `${severity} ${rule}`);

test("fields that are marked as key and cannot be one", async () => {
  using schema = new SchemaFolder(
    demo(`
message A { bytes id = 1 [(raceway.v1.field).key = true]; }
message B { repeated string id = 1 [(raceway.v1.field) = { key: true }]; }
message C { oneof one { string id = 1 [(raceway.v1.field).key = true]; } }
message D { C id = 1 [(raceway.v1.field).key = true]; message E { double id = 1 [(raceway.v1.field).key = true]; } }
message F { map<string, string> id = 1 [(raceway.v1.field).key = true]; }
message G { string id = 1 [(raceway.v1.field).key = true, (raceway.v1.field).sensitive = true]; }
message Fine { optional fixed64 id = 1 [(raceway.v1.field).key = true]; bytes other = 2 [(raceway.v1.field).key = false]; }
message AlsoFine { Color id = 1 [(raceway.v1.field).key = true]; }
enum Color { COLOR_UNSPECIFIED = 0; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "key_type at «(raceway.v1.field).key = true»: \`id\` is bytes, which cannot be compared; mark a single string, bool, integer or enum field.
    key_type at «key: true»: \`id\` is repeated, which cannot be compared; mark a single string, bool, integer or enum field.
    key_type at «(raceway.v1.field).key = true»: \`id\` is part of the oneof \`one\`, which cannot be compared; mark a single string, bool, integer or enum field.
    key_type at «(raceway.v1.field).key = true»: \`id\` is the message demo.v1.C, which cannot be compared; mark a single string, bool, integer or enum field.
    key_type at «(raceway.v1.field).key = true»: \`id\` is double, which cannot be compared; mark a single string, bool, integer or enum field.
    key_type at «(raceway.v1.field).key = true»: \`id\` is a map, which cannot be compared; mark a single string, bool, integer or enum field.
    address_field_sensitive at «(raceway.v1.field).key = true»: \`id\` is marked as sensitive and as key, and keys are logged; remove one of the marks."
  `);
});

test("a state's address of a field that cannot be in it", async () => {
  using schema = new SchemaFolder(
    demo(`service S {
  rpc A(Key) returns (stream Event) { option (raceway.v1.channel).state = { address: "a/{size}" }; }
  rpc B(Key) returns (stream Event) { option (raceway.v1.channel).state = { address: "b/{room}" }; }
}
message Key { double size = 1; string room = 2; }
message Event {}
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(
    `"address_field_type at «{size}»: \`size\` is double, which cannot be part of an address; name a single string, integer or enum field that is not in a oneof."`,
  );
});

test("segments that mean something else in paths, and addresses that are too long for any value", async () => {
  const long = "a".repeat(600);
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "a/../b" }; }
  rpc B(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "./b" }; }
  rpc C(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "${long}/{room}" }; }
  rpc Fine(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "v1.2/...x" }; }
`),
  );
  expect((await schema.findings()).replaceAll(long, "LONG")).toMatchInlineSnapshot(`
    "address_invalid at «..»: \`..\` is another segment's name, or none, to whatever reads addresses as paths; write a name.
    address_invalid at «.»: \`.\` is another segment's name, or none, to whatever reads addresses as paths; write a name.
    address_invalid at «address: "LONG/{room}"»: an address of 601 bytes and its fields is longer than servers take, which is 512 bytes; shorten it, or raise limits.addressBytes of the server."
  `);
  expect(await severities(schema)).toEqual([
    "error address_invalid",
    "error address_invalid",
    "warning address_invalid",
  ]);
});

test("a burst that is taken for more than the limit", async () => {
  using schema = new SchemaFolder(
    service(
      guarded("A", "rate_limits: { limit: 100 window: { seconds: 1 } burst: 20 }") +
        guarded("Fine", "rate_limits: { limit: 100 window: { seconds: 1 } burst: 100 }"),
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(
    `"rate_limit_burst at «rate_limits: { limit: 100 window: { seconds: 1 } burst: 20 }»: burst: 20 is all that may come at once, not what may come on top of limit: 100; write at least 100, or remove burst; leave it if callers are to spread what they send."`,
  );
  expect(await severities(schema)).toEqual(["warning rate_limit_burst"]);
});

test("rate limits of which one refuses nothing", async () => {
  const limit = (text: string): string => `rate_limits: { ${text} } `;
  using schema = new SchemaFolder(
    service(
      guarded("Twice", limit("limit: 5 window: { seconds: 1 }") + limit("limit: 5 window: { seconds: 1 }")) +
        guarded(
          "Wider",
          limit("limit: 9 window: { seconds: 1 }") + limit("limit: 5 window: { seconds: 1 } scope: SCOPE_PRINCIPAL"),
        ) +
        guarded("Longer", limit("limit: 10 window: { seconds: 1 }") + limit("limit: 1000 window: { seconds: 60 }")) +
        guarded("Unset", limit("window: { seconds: 1 }") + limit("limit: 1000 window: { seconds: 60 }")) +
        guarded("Fine", limit("limit: 10 window: { seconds: 1 }") + limit("limit: 100 window: { seconds: 60 }")) +
        guarded(
          "FineToo",
          limit("limit: 5 window: { seconds: 1 }") + limit("limit: 5 window: { seconds: 1 } scope: SCOPE_ADDRESS"),
        ) +
        guarded(
          "FineAsWell",
          limit("limit: 10 window: { seconds: 1 } burst: 99") + limit("limit: 20 window: { seconds: 1 }"),
        ),
      "option (raceway.v1.service_policy) = { rate_limits: { limit: 3 window: { seconds: 2 } scope: SCOPE_CHANNEL } rate_limits: { limit: 3 window: { seconds: 1 } scope: SCOPE_CHANNEL } };",
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "rate_limit_redundant at «rate_limits: { limit: 3 window: { seconds: 1 } scope: SCOPE_CHANNEL }»: 3 in 1000 ms refuses nothing that 3 in 2000 ms of the same scope lets through; remove one of them, or change its scope.
    rate_limit_redundant at «rate_limits: { limit: 5 window: { seconds: 1 } }»: 5 in 1000 ms refuses nothing that 5 in 1000 ms of the same scope lets through; remove one of them, or change its scope.
    rate_limit_redundant at «rate_limits: { limit: 9 window: { seconds: 1 } }»: 9 in 1000 ms refuses nothing that 5 in 1000 ms of the same scope lets through; remove one of them, or change its scope.
    rate_limit_redundant at «rate_limits: { limit: 1000 window: { seconds: 60 } }»: 1000 in 60000 ms refuses nothing that 10 in 1000 ms of the same scope lets through; remove one of them, or change its scope.
    rate_limit_invalid at «rate_limits: { window: { seconds: 1 } }»: this rate limit has no limit; add \`limit: 10\`, or another number of more than zero."
  `);
});

test("numbers that stand for no value", async () => {
  using schema = new SchemaFolder(
    service(
      guarded("A", "rate_limits: { limit: 5 window: { seconds: 1 } scope: 99 }") +
        guarded("B", 'auth: { require: { scopes: "a" match: 7 } }') +
        '  rpc C(Key) returns (Event) { option (raceway.v1.channel).errors = { reason: "A" code: 99 }; }\n' +
        "  rpc D(Key) returns (Event) { option idempotency_level = NO_SIDE_EFFECTS; option (raceway.v1.channel).call.cache = { max_age: { seconds: 1 } scope: 9 }; }\n",
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "rate_limit_invalid at «rate_limits: { limit: 5 window: { seconds: 1 } scope: 99 }»: 99 is not a scope; write SCOPE_PRINCIPAL, or another scope.
    auth_invalid at «match: 7»: 7 is not a match; write MATCH_ALL or MATCH_ANY.
    error_code at «option (raceway.v1.channel).errors = { reason: "A" code: 99 };»: 99 is not a code; write \`code: FAILED_PRECONDITION\`, or another code that says what a caller can do.
    cache_invalid at «scope»: 9 is not a scope; write SCOPE_PRIVATE or SCOPE_PUBLIC."
  `);
});

test("windows and histories without room for one message, where they are said", async () => {
  using schema = new SchemaFolder(
    service(
      `
  rpc A(Key) returns (Event) { option (raceway.v1.channel).wire = { max_message_bytes: 100 window_bytes: 99 }; }
  rpc B(Key) returns (Event) { option (raceway.v1.channel).wire.max_message_bytes = 5000; }
  rpc C(Key) returns (Event) { option (raceway.v1.channel).wire.window_bytes = 10; }
  rpc D(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "d" history: { max_bytes: 10 } }; }
  rpc E(Key) returns (stream Event) { option (raceway.v1.channel) = { topic: { address: "e" history: { max_bytes: 999 } } wire: { max_message_bytes: 1000 } }; }
  rpc Inherits(Key) returns (Event);
  rpc Fine(Key) returns (stream Event) { option (raceway.v1.channel) = { topic: { address: "fine" history: { max_bytes: 1000 } } wire: { window_bytes: 1000 } }; }
`,
      "option (raceway.v1.service).defaults.wire = { max_message_bytes: 1000 window_bytes: 4000 };",
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "size_conflict at «window_bytes»: a window of 99 bytes has no room for a message of max_message_bytes: 100; write a window_bytes of at least 100, or a smaller max_message_bytes.
    size_conflict at «max_message_bytes»: a window of 4000 bytes has no room for a message of max_message_bytes: 5000; write a window_bytes of at least 5000, or a smaller max_message_bytes.
    size_conflict at «window_bytes»: a window of 10 bytes has no room for a message of max_message_bytes: 1000; write a window_bytes of at least 1000, or a smaller max_message_bytes.
    size_conflict at «max_bytes»: a history of 10 bytes has no room for a message of max_message_bytes: 1000; write a max_bytes of at least 1000, or a smaller max_message_bytes.
    size_conflict at «max_bytes»: a history of 999 bytes has no room for a message of max_message_bytes: 1000; write a max_bytes of at least 1000, or a smaller max_message_bytes."
  `);
});

test("the same as defaults: a service against its file, and a file by itself", async () => {
  using schema = new SchemaFolder({
    ...demo(`option (raceway.v1.file).defaults.wire = { max_message_bytes: 1000 };
service S { option (raceway.v1.service).defaults.wire.window_bytes = 999; rpc A(Key) returns (Event); }
service Fine { option (raceway.v1.service).defaults.wire.window_bytes = 1000; rpc A(Key) returns (Event); }
${messages}`),
    "proto/other.proto":
      'syntax = "proto3"; package other.v1; import "raceway/v1/options.proto"; option (raceway.v1.file).defaults.wire = { max_message_bytes: 9 window_bytes: 8 }; service T { rpc A(M) returns (M); } message M {}',
  });
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "size_conflict at «window_bytes»: a window of 999 bytes has no room for a message of max_message_bytes: 1000; write a window_bytes of at least 1000, or a smaller max_message_bytes.
    size_conflict at «window_bytes»: a window of 8 bytes has no room for a message of max_message_bytes: 9; write a window_bytes of at least 9, or a smaller max_message_bytes."
  `);
});

test("names that are empty, or have what nobody sees", async () => {
  using schema = new SchemaFolder(
    service(
      guarded("A", 'audit: ""') +
        guarded("B", 'audit: " purge"') +
        guarded("C", 'auth: { require: { policy: "" } }') +
        guarded("D", 'auth: { require: { policy: "own\\n" } }') +
        guarded(
          "E",
          'auth: { require: { scopes: ["chat read", "a", "a"] roles: ["admin ", "r\\u200b"] methods: "\\ttoken" } }',
        ) +
        guarded(
          "Fine",
          'audit: "purge of a room" auth: { require: { policy: "own" scopes: ["chat:read", "chat:write"] roles: ["Chief Editor"] } }',
        ),
      'option (raceway.v1.service_policy).audit = "";',
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "policy_name at «option (raceway.v1.service_policy).audit = "";»: audit is empty; write a name, or remove audit.
    policy_name at «audit: ""»: audit is empty; write a name, or remove audit.
    policy_name at «audit: " purge"»: audit " purge" has a blank at an end, or a sign that is none; write it without.
    policy_name at «policy: ""»: policy is empty; write a name, or remove policy.
    policy_name at «policy: "own\\n"»: policy "own\\n" has a blank at an end, or a sign that is none; write it without.
    auth_invalid at «(raceway.v1.policy) = { auth: { require: { scopes: ["chat read", "a", "a"] roles: ["admin ", "r\\u200b"] methods: "\\ttoken" } } }»: "r\\u{200b}" in roles has a blank at an end, or a sign that is none; write it without.
    auth_invalid at «"chat read"»: "chat read" is 2 scopes, since blanks divide them; write ["chat", "read"].
    auth_invalid at «"a"»: "a" is in scopes twice; remove one of them.
    auth_invalid at «"admin "»: "admin " in roles has a blank at an end, or a sign that is none; write it without.
    auth_invalid at «"\\ttoken"»: "\\ttoken" in methods has a blank at an end, or a sign that is none; write it without."
  `);
});

test("transports that are nearly the name of one", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (Event) { option (raceway.v1.channel).transport = { allow: ["web-socket", "sse"] prefer: "sse" }; }
  rpc Fine(Key) returns (Event) { option (raceway.v1.channel).transport = { allow: ["carrier-pigeon", "mqtt"] }; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(
    `"transport_invalid at «"web-socket"»: no transport that comes with Raceway is called "web-socket"; did you mean "websocket"?"`,
  );
  expect(await severities(schema)).toEqual(["warning transport_invalid"]);
});

test("findings as JSON have file, line, column, frame, rule and mend", async () => {
  using schema = new SchemaFolder(service(guarded("A", 'audit: ""')));
  const { diagnostics } = await schema.generate();
  expect(JSON.parse(JSON.stringify(diagnostics))).toMatchInlineSnapshot(`
    [
      {
        "file": "proto/demo/v1/demo.proto",
        "frame": "   9 |
    > 10 |   rpc A(Key) returns (Event) { option (raceway.v1.policy) = { audit: "" }; }
         |                                                               ^^^^^^^^^",
        "mend": "write a name, or remove audit.",
        "message": "audit is empty",
        "range": {
          "column": 63,
          "endColumn": 72,
          "endLine": 10,
          "line": 10,
        },
        "rule": "policy_name",
        "severity": "error",
      },
    ]
  `);
});
