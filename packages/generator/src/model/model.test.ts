// From schema to model: what a channel is after all that its method, service and file say.
import type { ChannelModel } from "@raceway/core/target";
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../test-kit/schema-folder.ts";

async function channels(files: Readonly<Record<string, string>>): Promise<Readonly<Record<string, ChannelModel>>> {
  using schema = new SchemaFolder(files);
  const { model } = await schema.seen();
  return Object.fromEntries(
    model.files
      .flatMap((file) => file.services)
      .flatMap((service) => service.channels)
      .map((channel) => [channel.name, channel]),
  );
}

const messages = `message Key { string room = 1; optional string sub_room = 2; Color color = 3; }
message Event { string user_id = 1 [(raceway.v1.field).key = true]; string text = 2; }
enum Color { COLOR_UNSPECIFIED = 0; }
`;

test("without options the shape says the kind", async () => {
  const found = await channels({
    "proto/a.proto": `syntax = "proto3"; service S {
  rpc A(M) returns (M); rpc B(M) returns (stream M); rpc C(stream M) returns (M); rpc D(stream M) returns (stream M);
} message M {}`,
  });
  expect(Object.values(found).map(({ shape, contract, policy }) => ({ shape, contract, policy }))).toEqual([
    { shape: "unary", contract: { kind: "call" }, policy: undefined },
    { shape: "server_streaming", contract: { kind: "feed" }, policy: undefined },
    { shape: "client_streaming", contract: { kind: "call" }, policy: undefined },
    { shape: "bidi_streaming", contract: { kind: "duplex" }, policy: undefined },
  ]);
  expect(found["A"]!.path).toBe("/S/A");
});

test("all that a contract can say", async () => {
  const found = await channels(
    demo(`service S {
  rpc Call(Key) returns (Event) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (raceway.v1.channel) = {
      call: { timeout: { seconds: 2 nanos: 500000000 } max_retries: 3 cache: { max_age: { seconds: 5 } scope: SCOPE_PUBLIC } }
      wire: { max_message_bytes: 1000 window_messages: 8 window_bytes: 9000 }
      transport: { allow: ["sse", "poll"] prefer: "poll" deny: "grpc" }
    };
  }
  rpc Topic(Key) returns (stream Event) {
    option (raceway.v1.channel).topic = {
      address: "rooms/{room}/{sub_room}/{color}"
      history: { max_events: 10 max_bytes: 20 max_age: { seconds: 30 } }
      conflation: { interval: { nanos: 50000000 } }
    };
  }
  rpc Signal(stream Event) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = { conflation: { key: "text" } }; }
  rpc Queue(stream Key) returns (stream Event) { option (raceway.v1.channel).queue = { address: "jobs" }; }
  rpc State(Key) returns (stream Event) { option (raceway.v1.channel).state = { address: "state/{room}" history: { max_events: 0 } }; }
}
${messages}`),
  );
  expect(Object.fromEntries(Object.entries(found).map(([name, { contract }]) => [name, contract]))).toEqual({
    Call: {
      kind: "call",
      idempotency: "no-side-effects",
      timeoutMs: 2500,
      maxRetries: 3,
      cache: { maxAgeMs: 5000, scope: "public" },
      maxMessageBytes: 1000,
      window: { messages: 8, bytes: 9000 },
      transports: { allow: ["sse", "poll"], prefer: ["poll"], deny: ["grpc"] },
    },
    Topic: {
      kind: "topic",
      address: "rooms/{room}/{sub_room}/{color}",
      addressFields: ["room", "subRoom", "color"],
      history: { maxEvents: 10, maxBytes: 20, maxAgeMs: 30_000 },
      conflation: { key: "userId", intervalMs: 50 },
    },
    Signal: { kind: "signal", conflation: { key: "text" } },
    Queue: { kind: "queue", address: "jobs" },
    State: { kind: "state", address: "state/{room}", addressFields: ["room"], history: { maxEvents: 0 } },
  });
  expect(found["Topic"]!.key).toEqual([
    { property: "room", optional: false },
    { property: "subRoom", optional: true },
    { property: "color", optional: false },
  ]);
});

test("method wins over service over file, field by field; lists replace lists", async () => {
  const found = await channels(
    demo(`option (raceway.v1.file).defaults = { wire: { max_message_bytes: 1 window_bytes: 2 } transport: { allow: ["a", "b"] deny: "c" } };
service S {
  option (raceway.v1.service).defaults = { wire: { window_bytes: 3 window_messages: 4 } transport: { allow: "d" } };
  rpc Own(Key) returns (Event) { option (raceway.v1.channel) = { wire: { window_messages: 5 } transport: { prefer: "d" } }; }
  rpc Inherits(Key) returns (Event);
}
service T { rpc OfFile(Key) returns (Event); }
${messages}`),
  );
  expect(found["Own"]!.contract).toEqual({
    kind: "call",
    maxMessageBytes: 1,
    window: { messages: 5, bytes: 3 },
    transports: { allow: ["d"], prefer: ["d"], deny: ["c"] },
  });
  expect(found["Inherits"]!.contract).toEqual({
    kind: "call",
    maxMessageBytes: 1,
    window: { messages: 4, bytes: 3 },
    transports: { allow: ["d"], deny: ["c"] },
  });
  expect(found["OfFile"]!.contract).toEqual({
    kind: "call",
    maxMessageBytes: 1,
    window: { bytes: 2 },
    transports: { allow: ["a", "b"], deny: ["c"] },
  });
});

test("policies: auth is one decision, other fields are inherited one by one", async () => {
  const found = await channels(
    demo(`option (raceway.v1.file_policy) = { auth: { require: { roles: "admin" match: MATCH_ANY } } audit: "file" max_concurrent: 9 };
service S {
  option (raceway.v1.service_policy) = {
    auth: { require: { scopes: ["read", "write"] methods: "token" policy: "owner" match: MATCH_ALL } }
    rate_limits: [{ limit: 5 window: { seconds: 1 } scope: SCOPE_ADDRESS burst: 10 }]
    max_subscribers: 100
  };
  rpc Public(Key) returns (Event) { option (raceway.v1.policy) = { auth: { public: true } audit: "public" }; }
  rpc Rates(Key) returns (Event) { option (raceway.v1.policy) = { rate_limits: [{ limit: 1 window: { seconds: 60 } }, { limit: 2 window: { nanos: 1000000 } scope: SCOPE_CHANNEL }] }; }
  rpc Anybody(Key) returns (Event) { option (raceway.v1.policy).auth.require = {}; }
  rpc Topic(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "t/{room}" }; option (raceway.v1.policy).max_concurrent = 0; }
}
service T { rpc OfFile(Key) returns (Event); }
${messages}`),
  );
  const auth = { require: { scopes: ["read", "write"], methods: ["token"], policy: "owner", match: "all" } };
  const rateLimits = [{ limit: 5, windowMs: 1000, scope: "address", burst: 10 }];
  expect(Object.fromEntries(Object.entries(found).map(([name, { policy }]) => [name, policy]))).toEqual({
    Public: { auth: { public: true }, rateLimits, maxConcurrent: 9, audit: "public" },
    Rates: {
      auth,
      rateLimits: [
        { limit: 1, windowMs: 60_000 },
        { limit: 2, windowMs: 1, scope: "channel" },
      ],
      maxConcurrent: 9,
      audit: "file",
    },
    Anybody: { auth: { require: {} }, rateLimits, maxConcurrent: 9, audit: "file" },
    Topic: { auth, rateLimits, maxSubscribers: 100, maxConcurrent: 0, audit: "file" },
    OfFile: { auth: { require: { roles: ["admin"], match: "any" } }, maxConcurrent: 9, audit: "file" },
  });
});

test("comments, before or behind, and deprecation", async () => {
  using schema = new SchemaFolder(
    demo(`// Not of the service.

// First line.
//
//   Indented.
service S {
  option deprecated = true;
  /* Starred
   * lines. */
  rpc A(Key) returns (Event) { option deprecated = true; }
  rpc B(Key) returns (Event); // Behind.
  rpc C(Key) returns (Event);
}
${messages}`),
  );
  const [service] = (await schema.seen()).model.files[0]!.services;
  expect(service!.comment).toEqual(["First line.", "", "  Indented."]);
  expect(service!.deprecated).toBe(true);
  expect(service!.channels.map(({ comment, deprecated }) => ({ comment, deprecated }))).toEqual([
    { comment: ["Starred", "lines."], deprecated: true },
    { comment: ["Behind."], deprecated: false },
    { comment: [], deprecated: false },
  ]);
});

test("the model is plain data", async () => {
  using schema = new SchemaFolder({
    "proto/a/v1/a.proto": `syntax = "proto3"; package a.v1; import "b/v1/b.proto"; import "google/protobuf/empty.proto";
service AService { rpc X(b.v1.Outer.Inner) returns (google.protobuf.Empty); }`,
    "other/b/v1/b.proto": 'syntax = "proto3"; package b.v1; message Outer { message Inner {} } message Outer_Inner {}',
  });
  const { model } = await schema.seen({ protoPath: ["proto", "other"] });
  expect(JSON.parse(JSON.stringify(model))).toEqual(model);
  expect(model).toMatchInlineSnapshot(`
    {
      "enums": [],
      "files": [
        {
          "package": "a.v1",
          "path": "a/v1/a.proto",
          "requested": true,
          "services": [
            {
              "channels": [
                {
                  "comment": [],
                  "contract": {
                    "kind": "call",
                  },
                  "deprecated": false,
                  "errors": [],
                  "key": [],
                  "localName": "x",
                  "name": "X",
                  "path": "/a.v1.AService/X",
                  "request": {
                    "file": "b/v1/b.proto",
                    "schema": "Outer_InnerSchema",
                    "type": "Outer_Inner",
                    "typeName": "b.v1.Outer.Inner",
                  },
                  "response": {
                    "file": "google/protobuf/empty.proto",
                    "module": "@bufbuild/protobuf/wkt",
                    "schema": "EmptySchema",
                    "type": "Empty",
                    "typeName": "google.protobuf.Empty",
                  },
                  "shape": "unary",
                },
              ],
              "comment": [],
              "deprecated": false,
              "descriptor": "AService",
              "name": "AService",
              "typeName": "a.v1.AService",
            },
          ],
        },
        {
          "package": "b.v1",
          "path": "b/v1/b.proto",
          "requested": false,
          "services": [],
        },
      ],
      "messages": [
        {
          "comment": [],
          "deprecated": false,
          "extensible": false,
          "fields": [],
          "file": "b/v1/b.proto",
          "name": "Outer",
          "oneofs": [],
          "schema": "OuterSchema",
          "type": "Outer",
          "typeName": "b.v1.Outer",
        },
        {
          "comment": [],
          "deprecated": false,
          "extensible": false,
          "fields": [],
          "file": "b/v1/b.proto",
          "name": "Outer.Inner",
          "oneofs": [],
          "schema": "Outer_InnerSchema",
          "type": "Outer_Inner",
          "typeName": "b.v1.Outer.Inner",
        },
        {
          "comment": [],
          "deprecated": false,
          "extensible": false,
          "fields": [],
          "file": "b/v1/b.proto",
          "name": "Outer_Inner",
          "oneofs": [],
          "schema": "Outer_InnerSchema$",
          "type": "Outer_Inner$",
          "typeName": "b.v1.Outer_Inner",
        },
        {
          "comment": [
            "A generic empty message that you can re-use to avoid defining duplicated",
            "empty messages in your APIs. A typical example is to use it as the request",
            "or the response type of an API method. For instance:",
            "",
            "    service Foo {",
            "      rpc Bar(google.protobuf.Empty) returns (google.protobuf.Empty);",
            "    }",
          ],
          "deprecated": false,
          "extensible": false,
          "fields": [],
          "file": "google/protobuf/empty.proto",
          "module": "@bufbuild/protobuf/wkt",
          "name": "Empty",
          "oneofs": [],
          "schema": "EmptySchema",
          "type": "Empty",
          "typeName": "google.protobuf.Empty",
        },
      ],
      "version": 1,
    }
  `);
});

test("errors of a channel are those of its file, its service and itself, with the messages of their details", async () => {
  const files = {
    ...demo(`import "far.proto";
option (raceway.v1.file).defaults.errors = { reason: "GONE" code: NOT_FOUND };
service S {
  option (raceway.v1.service).defaults = { errors: { reason: "CLOSED_2_DAY" code: CANCELLED message: "Closed." } };
  rpc A(Key) returns (Event) {
    option (raceway.v1.channel).errors = { reason: "FAR" code: ABORTED detail: "far.v1.Far" };
    option (raceway.v1.channel).errors = { reason: "INNER" code: UNAUTHENTICATED detail: "Event.Inner" };
    option (raceway.v1.channel).errors = { reason: "KNOWN" code: INTERNAL detail: "google.protobuf.Empty" };
  }
  rpc B(Key) returns (Event);
}
message Key {}
message Event { message Inner {} }
`),
    "proto/far.proto": 'syntax = "proto3"; package far.v1; message Far { Deep deep = 1; } message Deep {}',
  };
  const found = await channels(files);
  const domain = "demo.v1.S";
  expect(found["B"]!.errors).toEqual([
    { reason: "GONE", domain, property: "gone", code: "not_found", message: "GONE" },
    { reason: "CLOSED_2_DAY", domain, property: "closed2Day", code: "canceled", message: "Closed." },
  ]);
  expect(found["A"]!.errors.slice(0, 2)).toEqual(found["B"]!.errors);
  expect(found["A"]!.errors.slice(2)).toEqual([
    {
      reason: "FAR",
      domain,
      property: "far",
      code: "aborted",
      message: "FAR",
      detail: { typeName: "far.v1.Far", file: "far.proto", type: "Far", schema: "FarSchema" },
    },
    expect.objectContaining({ detail: expect.objectContaining({ type: "Event_Inner", schema: "Event_InnerSchema" }) }),
    expect.objectContaining({ detail: expect.objectContaining({ module: "@bufbuild/protobuf/wkt" }) }),
  ]);
  using schema = new SchemaFolder(files);
  const { model } = await schema.seen({ inputs: ["proto/demo"] });
  // Asked for is one file; the other comes along because of the error alone.
  expect(model.files.map(({ path, requested }) => [path, requested])).toEqual([
    ["demo/v1/demo.proto", true],
    ["far.proto", false],
  ]);
  expect(model.messages.map(({ typeName }) => typeName)).toEqual([
    "demo.v1.Event",
    "demo.v1.Event.Inner",
    "demo.v1.Key",
    "far.v1.Deep",
    "far.v1.Far",
    "google.protobuf.Empty",
  ]);
});
