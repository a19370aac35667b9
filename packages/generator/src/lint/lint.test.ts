// What people are told about options that are protobuf, but make no sense.
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../test-kit/schema-folder.ts";
import { type Rule, rules } from "../rules.ts";
import { inertOptions } from "./inert.ts";

/** Rpcs of one service, over messages that have a field of each sort. */
function service(rpcs: string, options = ""): Readonly<Record<string, string>> {
  return demo(`service S {
  ${options}
  ${rpcs.trim()}
}
message Key {
  string room = 1;
  string text = 2;
  bytes blob = 3;
  oneof choice { string one = 4; }
  string secret = 5 [(raceway.v1.field).sensitive = true];
  repeated string many = 6;
  bool flag = 7;
  Event event = 8;
  double size = 9;
  map<string, string> map = 10;
  Color color = 11;
  int64 number = 12;
  optional string maybe = 13;
}
message Event { string text = 1 [(raceway.v1.field).key = true]; double x = 2; }
message None {}
enum Color { COLOR_UNSPECIFIED = 0; }
`);
}

test("a finding has its place, the lines around it, and the mend", async () => {
  using schema = new SchemaFolder(
    service(`rpc Ticks(Key) returns (stream Event) {
    option (raceway.v1.channel).topic = { address: "rooms/{rom}" };
  }`),
  );
  expect(await schema.report()).toMatchInlineSnapshot(`
    "error address_field_unknown: the address names \`rom\`, which demo.v1.Key does not have
      proto/demo/v1/demo.proto:11:59
        10 |   rpc Ticks(Key) returns (stream Event) {
      > 11 |     option (raceway.v1.channel).topic = { address: "rooms/{rom}" };
           |                                                           ^^^^^
      mend: did you mean \`room\`?
    "
  `);
  expect(schema.list()).toEqual([]);
});

test("kinds that do not agree with who streams", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (Event) { option (raceway.v1.channel).topic = { address: "a" }; }
  rpc B(Key) returns (stream Event) { option (raceway.v1.channel) = { call: {} }; }
  rpc C(stream Key) returns (Event) { option (raceway.v1.channel).signal = {}; }
  rpc D(stream Key) returns (stream Event) { option (raceway.v1.channel).feed = {}; }
  rpc E(Key) returns (stream Event) { option (raceway.v1.channel).queue = { address: "e" }; }
  rpc F(stream Key) returns (Event) { option (raceway.v1.channel).duplex = {}; }
  rpc G(Key) returns (Event) { option (raceway.v1.channel).state = { address: "g" }; }
  rpc Fine(stream Key) returns (Event) { option (raceway.v1.channel).call = {}; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "kind_shape at «topic»: a topic is "rpc A(Key) returns (stream Event)", but the rpc is "rpc A(Key) returns (Event)"; write \`rpc A(Key) returns (stream Event)\`, or remove \`topic\` from the options.
    kind_shape at «call»: a call is "rpc B(Key) returns (Event)", but the rpc is "rpc B(Key) returns (stream Event)"; write \`rpc B(Key) returns (Event)\`, or remove \`call\` from the options.
    kind_shape at «signal»: a signal is "rpc C(stream Key) returns (google.protobuf.Empty)", but the rpc is "rpc C(stream Key) returns (Event)"; write \`rpc C(stream Key) returns (google.protobuf.Empty)\`, or remove \`signal\` from the options.
    kind_shape at «feed»: a feed is "rpc D(Key) returns (stream Event)", but the rpc is "rpc D(stream Key) returns (stream Event)"; write \`rpc D(Key) returns (stream Event)\`, or remove \`feed\` from the options.
    kind_shape at «queue»: a queue is "rpc E(stream Key) returns (stream Event)", but the rpc is "rpc E(Key) returns (stream Event)"; write \`rpc E(stream Key) returns (stream Event)\`, or remove \`queue\` from the options.
    kind_shape at «duplex»: a duplex is "rpc F(stream Key) returns (stream Event)", but the rpc is "rpc F(stream Key) returns (Event)"; write \`rpc F(stream Key) returns (stream Event)\`, or remove \`duplex\` from the options.
    kind_shape at «state»: a state is "rpc G(Key) returns (stream Event)", but the rpc is "rpc G(Key) returns (Event)"; write \`rpc G(Key) returns (stream Event)\`, or remove \`state\` from the options."
  `);
});

test("addresses that name what cannot be in them", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "a/{rom}" }; }
  rpc B(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "b/{blob}/{one}/{many}/{flag}/{event}/{size}/{map}" }; }
  rpc C(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "c/{secret}" }; }
  rpc D(stream Key) returns (stream Event) { option (raceway.v1.channel).queue = { address: "d/{room}" }; }
  rpc E(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "e/{room}/{room}" }; }
  rpc F(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "f/{zzzzzzzzz}" }; }
  rpc G(None) returns (stream Event) { option (raceway.v1.channel).topic = { address: "g/{room}" }; }
  rpc Fine(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "fine/{room}/{color}/{number}/{maybe}" }; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "address_field_unknown at «{rom}»: the address names \`rom\`, which demo.v1.Key does not have; did you mean \`room\`?
    address_field_type at «{blob}»: \`blob\` is bytes, which cannot be part of an address; name a single string, integer or enum field that is not in a oneof.
    address_field_type at «{one}»: \`one\` is part of the oneof \`choice\`, which cannot be part of an address; name a single string, integer or enum field that is not in a oneof.
    address_field_type at «{many}»: \`many\` is repeated, which cannot be part of an address; name a single string, integer or enum field that is not in a oneof.
    address_field_type at «{flag}»: \`flag\` is bool, which cannot be part of an address; name a single string, integer or enum field that is not in a oneof.
    address_field_type at «{event}»: \`event\` is the message demo.v1.Event, which cannot be part of an address; name a single string, integer or enum field that is not in a oneof.
    address_field_type at «{size}»: \`size\` is double, which cannot be part of an address; name a single string, integer or enum field that is not in a oneof.
    address_field_type at «{map}»: \`map\` is a map, which cannot be part of an address; name a single string, integer or enum field that is not in a oneof.
    address_field_sensitive at «{secret}»: \`secret\` is marked as sensitive, and addresses are logged; name another field, or remove the mark.
    address_field_unknown at «{room}»: a queue's request is a stream, so its address cannot depend on it; write a fixed segment in place of {room}.
    address_invalid at «{room}»: the address names \`room\` twice; name each field once.
    address_field_unknown at «{zzzzzzzzz}»: the address names \`zzzzzzzzz\`, which demo.v1.Key does not have; its fields are \`room\`, \`text\`, \`blob\`, \`one\`, \`secret\`, \`many\`, \`flag\`, \`event\`, \`size\`, \`map\`, \`color\`, \`number\`, \`maybe\`.
    address_field_unknown at «{room}»: the address names \`room\`, which demo.v1.None does not have; add a field to it."
  `);
});

test("addresses of a wrong form", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "/a" }; }
  rpc B(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "b//c" }; }
  rpc C(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "room-{room}" }; }
  rpc D(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "d/#/+/*" }; }
  rpc E(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "é/ " }; }
  rpc F(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "f/{event.text}" }; }
  rpc G(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "g/{room" }; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "address_invalid at «address: "/a"»: the address has an empty segment; remove the / at the start, at the end, or before another /.
    address_invalid at «address: "b//c"»: the address has an empty segment; remove the / at the start, at the end, or before another /.
    address_invalid at «room-{room}»: \`room-{room}\` cannot be a segment of an address; a field has a segment of its own: put a / before and after it.
    address_invalid at «#»: \`#\` cannot be a segment of an address; write letters, digits and . _ ~ - only.
    address_invalid at «+»: \`+\` cannot be a segment of an address; write letters, digits and . _ ~ - only.
    address_invalid at «*»: \`*\` cannot be a segment of an address; write letters, digits and . _ ~ - only.
    address_invalid at « »: \` \` cannot be a segment of an address; write letters, digits and . _ ~ - only.
    address_invalid at «é»: \`é\` cannot be a segment of an address; write letters, digits and . _ ~ - only.
    address_invalid at «{event.text}»: \`{event.text}\` cannot be a segment of an address; name a field of the request itself; fields of its messages cannot be reached.
    address_invalid at «{room»: \`{room\` cannot be a segment of an address; write letters, digits and . _ ~ - only."
  `);
});

test("addresses that are missing", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (stream Event) { option (raceway.v1.channel).topic = {}; }
  rpc B(Key) returns (stream Event) { option (raceway.v1.channel) = { state: { history: { max_events: 1 } } }; }
  rpc C(stream None) returns (stream Event) { option (raceway.v1.channel).queue = {}; }
  rpc Fine(None) returns (stream Event) { option (raceway.v1.channel).topic = {}; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "address_missing at «topic»: this topic has no address; add one, such as address: "a/{room}".
    address_missing at «state»: this state has no address; add one, such as address: "b/{room}".
    address_missing at «queue»: this queue has no address; add one, such as address: "c"."
  `);
});

test("addresses of one package that can be the same", async () => {
  using schema = new SchemaFolder({
    ...service(`
  rpc A(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "rooms/{room}/x" }; }
  rpc B(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "rooms/{text}/x" }; }
  rpc C(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "rooms/tea/{text}" }; }
  rpc D(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "rooms/{room}" }; }
  rpc E(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "boards/{room}/x" }; }
`),
    "proto/other/v1/other.proto": `syntax = "proto3"; package other.v1; import "raceway/v1/options.proto";
service T { rpc A(M) returns (stream M) { option (raceway.v1.channel).topic = { address: "rooms/{room}/x" }; } } message M { string room = 1; }`,
  });
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "address_duplicate at «address: "rooms/{text}/x"»: "rooms/{text}/x" can be the same address as "rooms/{room}/x" of S.A; change a fixed segment of one of them.
    address_duplicate at «address: "rooms/tea/{text}"»: "rooms/tea/{text}" can be the same address as "rooms/{room}/x" of S.A; change a fixed segment of one of them."
  `);
});

test("histories that limit nothing or too much", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "a" history: {} }; }
  rpc B(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "b" history: { max_events: 0 max_age: { seconds: 60 } } }; }
  rpc C(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "c" history: { max_bytes: 0 } }; }
  rpc D(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "d" history: { max_events: 9007199254740993 } }; }
  rpc E(Key) returns (stream Event) { option (raceway.v1.channel).state = { address: "e" history: { max_age: { seconds: -5 } } }; }
  rpc Fine(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "fine" history: { max_events: 0 } }; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "history_invalid at «history»: this history limits nothing; add max_events, max_bytes or max_age, or remove history to have the server's limits.
    history_invalid at «max_events: 0»: max_events: 0 keeps nothing, so the other limits have no meaning; remove them, or max_events.
    history_invalid at «max_bytes: 0»: max_bytes: 0 has no room for any event; write max_events: 0 to keep nothing, or a size.
    history_invalid at «max_events: 9007199254740993»: max_events: 9007199254740993 is more than can be counted; write at most 9007199254740991.
    duration_invalid at «max_age»: max_age is -5000 ms; write more than zero, or remove max_age."
  `);
});

test("durations that are none", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (Event) { option (raceway.v1.channel).call = { timeout: {} }; }
  rpc B(Key) returns (Event) { option (raceway.v1.channel).call.timeout = { nanos: 1500 }; }
  rpc C(Key) returns (Event) { option (raceway.v1.channel).call.timeout.seconds = 9999999999; }
  rpc Fine(Key) returns (Event) { option (raceway.v1.channel).call.timeout.nanos = 5000000; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "duration_invalid at «timeout»: timeout is 0 ms; write more than zero, or remove timeout.
    duration_invalid at «timeout»: timeout is 0.0015 ms, and Raceway counts in whole milliseconds; write nanos as a multiple of 1000000.
    duration_invalid at «timeout»: timeout is more than ten years; check the unit: \`seconds\` are seconds."
  `);
});

test("conflation by what cannot be compared", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(stream Key) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = { conflation: { key: "rooom" } }; }
  rpc B(stream Key) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = { conflation: { key: "event" } }; }
  rpc C(stream Key) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = { conflation: { key: "secret" } }; }
  rpc D(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "d" conflation: { key: "x" interval: { seconds: 0 } } }; }
  rpc Fine(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "fine" conflation: {} }; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "conflation_key at «key: "rooom"»: demo.v1.Key has no field \`rooom\`; did you mean \`room\`?
    conflation_key at «key: "event"»: \`event\` is the message demo.v1.Event, which cannot be compared; name a single string, bool, integer or enum field.
    address_field_sensitive at «key: "secret"»: \`secret\` is marked as sensitive, and keys are logged; name another field.
    conflation_key at «key: "x"»: \`x\` is double, which cannot be compared; name a single string, bool, integer or enum field.
    duration_invalid at «interval»: interval is 0 ms; write more than zero, or remove interval."
  `);
});

test("answers that cannot be kept", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (Event) { option (raceway.v1.channel).call.cache = { max_age: { seconds: 1 } }; }
  rpc B(Key) returns (Event) { option idempotency_level = IDEMPOTENT; option (raceway.v1.channel).call = { cache: { max_age: { seconds: 1 } } }; }
  rpc C(stream Key) returns (Event) { option idempotency_level = NO_SIDE_EFFECTS; option (raceway.v1.channel).call.cache = { max_age: { seconds: 1 } }; }
  rpc D(Key) returns (Event) { option idempotency_level = NO_SIDE_EFFECTS; option (raceway.v1.channel).call.cache = { scope: SCOPE_PUBLIC }; }
  rpc E(Key) returns (Event) { option idempotency_level = NO_SIDE_EFFECTS; option (raceway.v1.channel).call.cache = { max_age: { seconds: 31536001 } }; }
  rpc F(Key) returns (Event) { option idempotency_level = NO_SIDE_EFFECTS; option (raceway.v1.channel).call.cache = { max_age: { seconds: 0 } }; }
  rpc G(Key) returns (stream Event) { option idempotency_level = NO_SIDE_EFFECTS; option (raceway.v1.channel).call.cache = { max_age: { seconds: 1 } }; }
  rpc Fine(Key) returns (Event) { option idempotency_level = NO_SIDE_EFFECTS; option (raceway.v1.channel).call.cache = { max_age: { seconds: 31536000 } scope: SCOPE_PRIVATE }; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "cache_invalid at «cache»: A may have effects, which a kept answer would not have; add \`option idempotency_level = NO_SIDE_EFFECTS;\` to the rpc if it has none, or remove cache.
    cache_invalid at «cache»: B may have effects, which a kept answer would not have; add \`option idempotency_level = NO_SIDE_EFFECTS;\` to the rpc if it has none, or remove cache.
    cache_invalid at «cache»: what a stream of requests is answered cannot be given again; remove cache.
    cache_invalid at «cache»: nothing says for how long an answer is good; add a max_age, such as max_age: { seconds: 60 }.
    cache_invalid at «max_age»: max_age is more than a year; write at most 31536000 seconds, and check the unit.
    duration_invalid at «max_age»: max_age is 0 ms; write more than zero, or remove max_age.
    kind_shape at «call»: a call is "rpc G(Key) returns (Event)", but the rpc is "rpc G(Key) returns (stream Event)"; write \`rpc G(Key) returns (Event)\`, or remove \`call\` from the options."
  `);
});

test("retries of what may have run already", async () => {
  using schema = new SchemaFolder(
    service(`
  rpc A(Key) returns (Event) { option (raceway.v1.channel).call.max_retries = 3; }
  rpc B(stream Key) returns (Event) { option idempotency_level = IDEMPOTENT; option (raceway.v1.channel).call = { max_retries: 1 }; }
  rpc Fine(Key) returns (Event) { option idempotency_level = NO_SIDE_EFFECTS; option (raceway.v1.channel).call = { max_retries: 1 }; }
  rpc Too(Key) returns (Event) { option (raceway.v1.channel).call.max_retries = 0; }
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "retries_unsafe at «max_retries»: A would be sent again although it may have run already; add \`option idempotency_level = IDEMPOTENT;\` (or NO_SIDE_EFFECTS) to the rpc if that does no harm, or remove max_retries.
    retries_unsafe at «max_retries»: a streamed request cannot be sent again, so max_retries has no meaning; remove max_retries."
  `);
});

test("sizes and transports that let nothing through, on a method and as defaults", async () => {
  using schema = new SchemaFolder(
    service(
      `
  rpc A(Key) returns (Event) { option (raceway.v1.channel).wire = { max_message_bytes: 0 window_messages: 0 }; }
  rpc B(Key) returns (Event) { option (raceway.v1.channel).transport = { deny: ["sse", "poll"] }; }
  rpc C(Key) returns (Event) { option (raceway.v1.channel).transport = { allow: ["poll", "poll"] prefer: "Web Socket" }; }
`,
      'option (raceway.v1.service).defaults = { wire: { window_bytes: 0 } transport: { allow: ["sse", "poll"] } };',
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "size_invalid at «window_bytes»: window_bytes: 0 lets nothing through; write more than zero, or remove window_bytes.
    size_invalid at «max_message_bytes»: max_message_bytes: 0 lets nothing through; write more than zero, or remove max_message_bytes.
    size_invalid at «window_messages»: window_messages: 0 lets nothing through; write more than zero, or remove window_messages.
    transport_none at «(raceway.v1.channel).transport = { deny: ["sse", "poll"] }»: B allows sse, poll, and denies all of them; allow another transport, or deny fewer.
    transport_invalid at «(raceway.v1.channel).transport = { allow: ["poll", "poll"] prefer: "Web Socket" }»: "poll" is in allow twice; remove one of them.
    transport_none at «(raceway.v1.channel).transport = { allow: ["poll", "poll"] prefer: "Web Socket" }»: C prefers Web Socket, which it does not allow; remove Web Socket from prefer, or allow it.
    transport_invalid at «"Web Socket"»: "Web Socket" cannot be the name of a transport; write its name in kebab-case, as in the plugin's README."
  `);
});

test("a large message is a warning, and the code is written all the same", async () => {
  using schema = new SchemaFolder(
    service("rpc A(Key) returns (Event) { option (raceway.v1.channel).wire.max_message_bytes = 33554432; }"),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(
    `"size_invalid at «max_message_bytes»: max_message_bytes: 33554432 is more than 16 MiB, which few peers and proxies take in one piece; send large things as a stream of parts."`,
  );
  expect(schema.list()).toContain("demo/v1/demo.client.ts");
});

test("options that nothing acts on yet are told as such, wherever they are written", async () => {
  using schema = new SchemaFolder(
    service(
      `
  rpc A(Key) returns (Event) { option idempotency_level = IDEMPOTENT; option (raceway.v1.channel) = { call: { max_retries: 1 timeout: { seconds: 1 } } wire: { max_message_bytes: 9 window_messages: 9 } }; }
  rpc B(Key) returns (stream Event) { option (raceway.v1.channel) = { topic: { address: "b" history: { max_events: 1 } conflation: {} } transport: { prefer: "sse" deny: "grpc" } }; }
  rpc C(stream Key) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = { conflation: { key: "room" interval: { seconds: 1 } } }; }
`,
      'option (raceway.v1.service).defaults = { wire: { window_bytes: 9 } transport: { allow: ["sse"] } };',
    ),
  );
  const { ok, diagnostics } = await schema.generate();
  expect(ok).toBe(true);
  expect(new Set(diagnostics.map(({ rule, severity }) => `${severity} ${rule}`))).toEqual(
    new Set(["warning option_inert"]),
  );
  const told = diagnostics.map(({ message }) => message.split(" is known to clients and servers,")[0]!);
  expect(told.toSorted()).toEqual(inertOptions.toSorted());
});

test("policies that say nothing, on a method, a service and a file", async () => {
  const files = service(
    `
  rpc A(Key) returns (Event) { option (raceway.v1.policy) = { auth: { public: false } max_subscribers: 3 }; }
  rpc B(Key) returns (Event) { option (raceway.v1.policy).auth.require = { scopes: ["read", " "] roles: "" }; }
  rpc C(Key) returns (Event) { option (raceway.v1.policy) = { rate_limits: [{ window: { seconds: 1 } }] }; }
  rpc D(Key) returns (Event) { option (raceway.v1.policy) = { rate_limits: [{ limit: 3 }] }; }
  rpc E(Key) returns (Event) { option (raceway.v1.policy) = { rate_limits: [{ limit: 3 window: {} burst: 0 }] }; }
  rpc Fine(Key) returns (Event) { option (raceway.v1.policy) = { auth: { require: {} } rate_limits: [{ limit: 3 window: { seconds: 1 } burst: 9 }] }; }
`,
    "option (raceway.v1.service_policy) = { auth: {} };",
  );
  const file = "proto/demo/v1/demo.proto";
  using schema = new SchemaFolder({
    [file]: files[file]!.replace(
      "service S",
      'option (raceway.v1.file_policy).auth.require.methods = "";\n\nservice S',
    ),
  });
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "auth_invalid at «""»: an entry of methods is empty; remove it, or write a name.
    auth_invalid at «auth»: this auth says nothing; write \`public: true\`, or \`require: {}\` for any known principal.
    auth_invalid at «public: false»: public: false says who may not, but not who may; write \`require: {}\` for any known principal.
    policy_misplaced at «max_subscribers: 3»: a call has no subscribers; write max_concurrent, or make the channel a topic.
    auth_invalid at «" "»: an entry of scopes is empty; remove it, or write a name.
    auth_invalid at «""»: an entry of roles is empty; remove it, or write a name.
    rate_limit_invalid at «rate_limits: [{ window: { seconds: 1 } }]»: this rate limit has no limit; add \`limit: 10\`, or another number of more than zero.
    rate_limit_invalid at «rate_limits: [{ limit: 3 }]»: this rate limit has no window; add \`window: { seconds: 1 }\`, or another time.
    duration_invalid at «rate_limits: [{ limit: 3 window: {} burst: 0 }]»: window is 0 ms; write more than zero, or remove window.
    rate_limit_invalid at «rate_limits: [{ limit: 3 window: {} burst: 0 }]»: burst: 0 lets nothing through; write more than zero, or remove burst."
  `);
});

test("names that TypeScript does not take at the top of a module", async () => {
  using schema = new SchemaFolder(
    demo(`message never { enum any { A = 0; } message unknown { int32 a = 1; } }
enum symbol { SYMBOL_UNSPECIFIED = 0; }
message as {}
service await { rpc any(never) returns (never); }
service eval { rpc await(never) returns (never); }
message string { .demo.v1.never never = 1; }
message null {}
service any {}
`),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "name_unusable at «never»: nothing can be declared as \`never\` in TypeScript, where it means something else; rename it, to Never for instance.
    name_unusable at «symbol»: nothing can be declared as \`symbol\` in TypeScript, where it means something else; rename it, to Symbol for instance.
    name_unusable at «as»: nothing can be declared as \`as\` in TypeScript, where it means something else; rename it, to As for instance.
    name_unusable at «await»: nothing can be declared as \`await\` in TypeScript, where it means something else; rename it, to Await for instance.
    name_unusable at «eval»: nothing can be declared as \`eval\` in TypeScript, where it means something else; rename it, to Eval for instance."
  `);
});

test("names that TypeScript and file systems cannot tell apart", async () => {
  using schema = new SchemaFolder({
    ...service(`
  rpc GetX(Key) returns (Event);
  rpc getX(Key) returns (Event);
  rpc __proto__(Key) returns (Event);
`),
    "proto/demo/v1/Demo.proto": 'syntax = "proto3"; package demo.v1; message Unrelated { string a = 1; }',
  });
  expect(await schema.findings()).toMatchInlineSnapshot(`
    "name_collision at «»: demo/v1/demo.proto and demo/v1/Demo.proto would be generated into the same files where case does not count; rename one of them.
    name_collision at «getX»: getX and GetX are both \`getX\` in TypeScript; rename one of them.
    name_unusable at «__proto__»: a property named __proto__ sets an object's prototype; rename the rpc."
  `);
});

test("messages with two keys", async () => {
  using schema = new SchemaFolder(
    demo(
      "message M { message In { string a = 1 [(raceway.v1.field).key = true]; string b = 2 [(raceway.v1.field) = { key: true }]; } string c = 1 [(raceway.v1.field).key = true]; }\n",
    ),
  );
  expect(await schema.findings()).toMatchInlineSnapshot(
    `"key_duplicate at «key: true»: demo.v1.M.In is marked with two keys: \`a\` and \`b\`; keep one of them."`,
  );
});

test("every rule says what it is about", () => {
  for (const rule of Object.keys(rules) as Rule[]) expect(rules[rule], rule).toMatch(/^[A-Z].*\.$/);
});
