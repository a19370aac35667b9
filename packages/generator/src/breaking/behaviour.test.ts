// What people are told when a channel no longer does what it did: from one committed schema to the next, with the real git and buf.
import { expect, test } from "vitest";
import { changes } from "../../test-kit/schema-history.ts";

/** Rpcs from line 10 on, one a line. */
function service(...rpcs: readonly string[]): string {
  return `service S {
  option (raceway.v1.service_policy).max_concurrent = 50;
${rpcs.join("\n")}
}
message Key { string room = 1; string user = 2; }
message Event { string text = 1 [(raceway.v1.field).key = true]; string id = 2; }
message Full { int32 capacity = 1; }
`;
}

const call = (name: string, options: string): string => `rpc ${name}(Key) returns (Event) { ${options} }`;
const topic = (name: string, settings: string): string =>
  `rpc ${name}(Key) returns (stream Event) { option (raceway.v1.channel).topic = { ${settings} }; }`;

test("nothing is found between two schemas that are the same, or where more is allowed", async () => {
  const before = service(
    topic("A", `address: "a/{room}" history: { max_events: 10 } conflation: { interval: { seconds: 2 } }`),
    call("B", `option (raceway.v1.policy).auth.require = { scopes: ["x", "y"] };`),
    call("C", `option (raceway.v1.channel).errors = { reason: "FULL" code: UNAVAILABLE };`),
    call("D", `option (raceway.v1.policy).rate_limits = { limit: 10 window: { seconds: 1 } };`),
    call("E", `option (raceway.v1.channel) = { transport: { allow: ["sse"] } wire: { max_message_bytes: 100 } };`),
    call("F", ""),
  );
  const after = service(
    topic("A", `address: "a/{room}" history: { max_events: 11 }`),
    call("B", `option (raceway.v1.policy).auth.require = { scopes: ["x", "y"] match: MATCH_ANY };`),
    call(
      "C",
      `option (raceway.v1.channel) = { errors: { reason: "FULL" code: UNAVAILABLE } errors: { reason: "NEW" code: ABORTED } };`,
    ),
    call("D", `option (raceway.v1.policy).rate_limits = { limit: 1200 window: { seconds: 60 } };`),
    call(
      "E",
      `option (raceway.v1.channel) = { transport: { allow: ["sse", "poll"] } wire: { max_message_bytes: 200 } };`,
    ),
    call("F", "option idempotency_level = IDEMPOTENT;"),
    call("New", ""),
  );
  expect(await changes(before, before)).toBe("");
  expect(await changes(before, after)).toBe("");
});

test("kinds, addresses and keys", async () => {
  const state = (key: string): string =>
    `rpc Marked(Key) returns (stream Patch) { option (raceway.v1.channel).state = { address: "m/{room}" }; }
}
message Patch { ${["a", "b"].map((name, at) => `string ${name} = ${at + 1}${name === key ? " [(raceway.v1.field).key = true]" : ""};`).join(" ")}`;
  const found = await changes(
    service(
      topic("Kind", `address: "kind/{room}"`),
      topic("Address", `address: "a/{room}"`),
      topic("Field", `address: "f/{room}"`),
      topic("Keyed", `address: "key/{room}" conflation: {}`),
      state("a"),
    ),
    service(
      `rpc Kind(Key) returns (stream Event) { option (raceway.v1.channel).feed = {}; }`,
      topic("Address", `address: "b/{room}"`),
      topic("Field", `address: "f/{user}"`),
      topic("Keyed", `address: "key/{room}" conflation: { key: "id" }`),
      state("b"),
    ),
  );
  expect(found).toMatchInlineSnapshot(`
    "channel_kind at 10: Kind: the channel was a topic, and is a feed
    address_changed at 11: Address: the address was a/{room}, and is b/{room}: logs and subscribers of the old one are left behind
    address_changed at 12: Field: the address was f/{room}, and is f/{user}: logs and subscribers of the old one are left behind
    key_changed at 13: Keyed: the key of Event was \`text\`, and is \`id\`: other messages replace each other than before
    key_changed at 14: Marked: the key of Patch was \`a\`, and is \`b\`: other messages replace each other than before"
  `);
});

test("a field of an address may be renamed, for addresses stay the same", async () => {
  const before = service(topic("A", `address: "a/{room}"`));
  const after = before.replaceAll("{room}", "{hall}").replaceAll("string room", "string hall");
  expect(await changes(before, after)).toMatch(/FIELD_SAME_JSON_NAME|FIELD_SAME_NAME/);
  expect(await changes(before, after)).not.toContain("address_changed");
});

test("histories and conflation", async () => {
  const found = await changes(
    service(
      topic("Events", `address: "1/{room}" history: { max_events: 1000 max_age: { seconds: 60 } }`),
      topic("Added", `address: "2/{room}" history: { max_events: 10 }`),
      topic("All", `address: "3/{room}"`),
      topic("Slower", `address: "4/{room}" conflation: { interval: { seconds: 1 } }`),
    ),
    service(
      topic("Events", `address: "1/{room}" history: { max_events: 999 max_age: { seconds: 59 } }`),
      topic("Added", `address: "2/{room}" history: { max_events: 10 max_bytes: 9000000 }`),
      topic("All", `address: "3/{room}" conflation: { key: "text" }`),
      topic("Slower", `address: "4/{room}" conflation: { interval: { seconds: 2 } }`),
    ),
  );
  expect(found).toMatchInlineSnapshot(`
    "history_shortened at 10: Events: max_age of the history was 60000 ms, and is 59000 ms: who was away for longer misses events
    history_shortened at 10: Events: max_events of the history was 1000, and is 999: who was away for longer misses events
    history_shortened at 11: Added: max_bytes of the history was left to the server, and is 9000000 bytes: who was away for longer misses events
    conflation_added at 12: All: the topic had no conflation, and has one: subscribers that are behind no longer get all events
    conflation_added at 13: Slower: the interval of the conflation was 1000 ms, and is 2000 ms: subscribers get fewer events"
  `);
});

test("idempotency and caches", async () => {
  const get = "option idempotency_level = NO_SIDE_EFFECTS;";
  const cache = (seconds: number, scope = "SCOPE_PRIVATE"): string =>
    `${get} option (raceway.v1.channel).call = { cache: { max_age: { seconds: ${seconds} } scope: ${scope} } };`;
  const found = await changes(
    service(
      call("Get", get),
      call("Twice", "option idempotency_level = IDEMPOTENT;"),
      call("Fresh", get),
      call("Own", cache(5)),
    ),
    service(
      call("Get", "option idempotency_level = IDEMPOTENT;"),
      call("Twice", ""),
      call("Fresh", cache(5)),
      call("Own", cache(6, "SCOPE_PUBLIC")),
    ),
  );
  expect(found).toMatchInlineSnapshot(`
    "idempotency_weakened at 10: Get: the idempotency was no-side-effects, and is idempotent: clients that send the call again, or by GET, do harm or are refused
    idempotency_weakened at 11: Twice: the idempotency was idempotent, and is none: clients that send the call again, or by GET, do harm or are refused
    cache_widened at 12: Fresh: answers were never kept, and are for 5000 ms: clients see older ones
    cache_widened at 13: Own: answers were for their own principal only, and are for all who may make the call
    cache_widened at 13: Own: answers were kept for 5000 ms, and are for 6000 ms: clients see older ones"
  `);
});

test("transports and limits, also those that a service gives to all its channels", async () => {
  const rate = (limit: number, more = ""): string =>
    `option (raceway.v1.policy).rate_limits = { limit: ${limit} window: { seconds: 1 } ${more} };`;
  const before = service(
    call("Any", ""),
    call(
      "Two",
      `option (raceway.v1.channel).transport.allow = "sse"; option (raceway.v1.channel).transport.allow = "poll";`,
    ),
    call(
      "Size",
      `option (raceway.v1.channel) = { call: { timeout: { seconds: 9 } } wire: { max_message_bytes: 100 } };`,
    ),
    call("Rate", rate(10)),
    call("Burst", rate(10, "burst: 20")),
    topic("Many", `address: "many/{room}"`),
  );
  const after = service(
    call("Any", `option (raceway.v1.channel).transport.allow = "grpc";`),
    call("Two", `option (raceway.v1.channel).transport = { allow: ["sse", "poll"] deny: "poll" };`),
    call(
      "Size",
      `option (raceway.v1.channel) = { call: { timeout: { seconds: 8 } } wire: { max_message_bytes: 99 } };`,
    ),
    call("Rate", rate(10, "scope: SCOPE_CHANNEL")),
    call("Burst", rate(10, "burst: 19")),
    topic("Many", `address: "many/{room}"`).replace(/\}$/, " option (raceway.v1.policy).max_subscribers = 5; }"),
  ).replace("max_concurrent = 50", "max_concurrent = 49");
  expect(await changes(before, after)).toMatchInlineSnapshot(`
    "limit_lowered at 10: Any: max_concurrent was 50, and is 49
    transport_removed at 10: Any: the channel could be carried by all but grpc, and cannot any more: clients that have no other are cut off
    limit_lowered at 11: Two: max_concurrent was 50, and is 49
    transport_removed at 11: Two: the channel could be carried by poll, and cannot any more: clients that have no other are cut off
    limit_lowered at 12: Size: max_concurrent was 50, and is 49
    limit_lowered at 12: Size: timeout was 9000 ms, and is 8000 ms
    limit_lowered at 12: Size: max_message_bytes was 100 bytes, and is 99 bytes
    limit_lowered at 13: Rate: max_concurrent was 50, and is 49
    limit_lowered at 13: Rate: the rate was not limited in this scope, and is 10 in 1000 ms per channel
    limit_lowered at 14: Burst: max_concurrent was 50, and is 49
    limit_lowered at 14: Burst: the rate was 10 in 1000 ms per principal, 20 at once, and is 10 in 1000 ms per principal, 19 at once
    limit_lowered at 15: Many: max_concurrent was 50, and is 49
    limit_lowered at 15: Many: max_subscribers was left to the server, and is 5"
  `);
});

test("auth, by whom it shuts out", async () => {
  const auth = (rule: string): string => `option (raceway.v1.policy).auth = { ${rule} };`;
  const found = await changes(
    service(
      call("Unsaid", ""),
      call("Public", auth("public: true")),
      call("Scopes", auth(`require: { scopes: "a" }`)),
      call("Roles", auth(`require: { roles: ["a", "b"] match: MATCH_ANY }`)),
      call("All", auth(`require: { roles: ["a", "b"] match: MATCH_ANY }`)),
      call("Policy", auth(`require: { policy: "old" }`)),
      call("Server", auth("public: true")),
      call("Open", auth(`require: { scopes: "a" }`)),
    ),
    service(
      call("Unsaid", auth("require: {}")),
      call("Public", auth("require: {}")),
      call("Scopes", auth(`require: { scopes: ["a", "b"] }`)),
      call("Roles", auth(`require: { roles: "a" match: MATCH_ANY }`)),
      call("All", auth(`require: { roles: ["a", "b"] }`)),
      call("Policy", auth(`require: { policy: "new" }`)),
      call("Server", ""),
      call("Open", auth("public: true")),
    ),
  );
  expect(found).toMatchInlineSnapshot(`
    "auth_tightened at 10: Unsaid: auth was left to the server, and asks for any known principal
    auth_tightened at 11: Public: auth was public, and asks for any known principal
    auth_tightened at 12: Scopes: auth asked for the scope a, and asks for all of the scopes a, b
    auth_tightened at 13: Roles: auth asked for any of the roles a, b, and asks for the role a
    auth_tightened at 14: All: auth asked for any of the roles a, b, and asks for all of the roles a, b
    auth_tightened at 15: Policy: auth asked for the policy old, and asks for the policy new
    auth_tightened at 16: Server: auth was public, and is left to the server"
  `);
});

test("declared errors, also those of a service", async () => {
  const errors = (list: string): string => `option (raceway.v1.channel) = { ${list} };`;
  const found = await changes(
    service(
      call("Gone", errors(`errors: { reason: "GONE" code: NOT_FOUND }`)),
      call("Code", errors(`errors: { reason: "CODE" code: NOT_FOUND }`)),
      call("Detail", errors(`errors: { reason: "FULL" code: UNAVAILABLE detail: "Full" }`)),
      call("Moved", errors(`errors: { reason: "MOVED" code: ABORTED }`)),
    ),
    service(
      call("Gone", ""),
      call("Code", errors(`errors: { reason: "CODE" code: ABORTED }`)),
      call("Detail", errors(`errors: { reason: "FULL" code: UNAVAILABLE }`)),
      call("Moved", ""),
    ).replace(
      "service S {",
      `service S { option (raceway.v1.service).defaults.errors = { reason: "MOVED" code: ABORTED };`,
    ),
  );
  expect(found).toMatchInlineSnapshot(`
    "error_removed at 10: Gone: the error GONE was declared, and is not any more: what clients do about it is never done
    error_changed at 11: Code: the code of the error CODE was not_found, and is aborted
    error_changed at 12: Detail: the detail of the error FULL was demo.v1.Full, and is none"
  `);
});
