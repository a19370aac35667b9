// Pages of reference as people read them.
import { expect, test } from "vitest";
import { SchemaFolder } from "../../../test-kit/schema-folder.ts";

const files = {
  "proto/chat/v1/room.proto": `syntax = "proto3"; package chat.v1;
import "chat/v1/message.proto"; import "google/protobuf/empty.proto"; import "raceway/v1/options.proto";
// Rooms.
service RoomService {
  option (raceway.v1.service_policy) = { auth: { require: { scopes: ["secret-scope"] } } };
  // Says something.
  // - twice
  rpc Say(Message) returns (google.protobuf.Empty) {
    option idempotency_level = IDEMPOTENT;
    option deprecated = true;
    option (raceway.v1.channel).errors = { reason: "ROOM_FULL" code: RESOURCE_EXHAUSTED detail: "Key" message: "No | room <b>." };
    option (raceway.v1.channel).errors = { reason: "BANNED" code: PERMISSION_DENIED };
  }
  rpc Look(Key) returns (Key) { option idempotency_level = NO_SIDE_EFFECTS; option (raceway.v1.channel).call.cache = { max_age: { seconds: 9 } }; }
  // All that is said.
  rpc Messages(Key) returns (stream Message) { option (raceway.v1.channel).topic = { address: "rooms/{room}" history: { max_events: 9 } }; }
}
message Key { string room = 1; }
`,
  "proto/chat/v1/message.proto": `syntax = "proto3"; package chat.v1;
message Message {
  // Who | when.
  optional string by = 1;
  repeated Message quotes = 2 [deprecated = true];
  map<int32, Mood> moods = 3;
  oneof body { string text = 4; bytes picture = 5; }
}
enum Mood {
  MOOD_UNSPECIFIED = 0;
  // Fine.
  FINE = 1;
}
`,
};

test("a page has services, channels and types, with links, and no policy", async () => {
  using schema = new SchemaFolder(files);
  expect(await schema.report({ targets: ["markdown"] })).toBe("");
  expect(schema.read("gen/chat/v1/room.md").split("\n").slice(1).join("\n")).toMatchInlineSnapshot(`
    "# \`chat.v1\`

    From \`chat/v1/room.proto\`.

    ## \`RoomService\`

    Rooms.

    ### \`Say\`

    **Deprecated.**

    Says something.
    - twice

    |  |  |
    | --- | --- |
    | kind | call |
    | path | \`/chat.v1.RoomService/Say\` |
    | request | [\`chat.v1.Message\`](../../chat/v1/message.md#chat.v1.Message) |
    | response | \`google.protobuf.Empty\` |
    | may be sent again | idempotent |

    | error | code | detail |  |
    | --- | --- | --- | --- |
    | \`ROOM_FULL\` | \`resource_exhausted\` | [\`chat.v1.Key\`](#chat.v1.Key) | No \\| room &lt;b&gt;. |
    | \`BANNED\` | \`permission_denied\` |  |  |

    ### \`Look\`

    |  |  |
    | --- | --- |
    | kind | call |
    | path | \`/chat.v1.RoomService/Look\` |
    | request | [\`chat.v1.Key\`](#chat.v1.Key) |
    | response | [\`chat.v1.Key\`](#chat.v1.Key) |
    | may be sent again | no-side-effects |
    | may be kept | 9000 ms, for its own principal |

    ### \`Messages\`

    All that is said.

    |  |  |
    | --- | --- |
    | kind | topic |
    | path | \`/chat.v1.RoomService/Messages\` |
    | request | [\`chat.v1.Key\`](#chat.v1.Key) |
    | response | stream of [\`chat.v1.Message\`](../../chat/v1/message.md#chat.v1.Message) |
    | address | \`rooms/{room}\` |
    | history | 9 events |

    ## Messages

    <a id="chat.v1.Key"></a>

    ### \`Key\`

    | field | number | type |  |
    | --- | --- | --- | --- |
    | \`room\` | 1 | \`string\` |  |
    "
  `);
  expect(schema.read("gen/chat/v1/message.md").split("\n").slice(1).join("\n")).toMatchInlineSnapshot(`
    "# \`chat.v1\`

    From \`chat/v1/message.proto\`.

    ## Messages

    <a id="chat.v1.Message"></a>

    ### \`Message\`

    | field | number | type |  |
    | --- | --- | --- | --- |
    | \`by\` | 1 | optional \`string\` | Who \\| when. |
    | \`quotes\` | 2 | list of [\`chat.v1.Message\`](#chat.v1.Message) | **Deprecated.** |
    | \`moods\` | 3 | map of \`int32\` to [\`chat.v1.Mood\`](#chat.v1.Mood) |  |
    | \`text\` | 4 | \`string\` | One of \`body\`. |
    | \`picture\` | 5 | \`bytes\` | One of \`body\`. |

    ## Enums

    <a id="chat.v1.Mood"></a>

    ### \`Mood\`

    | value | number |  |
    | --- | --- | --- |
    | \`MOOD_UNSPECIFIED\` | 0 |  |
    | \`FINE\` | 1 | Fine. |
    "
  `);
  expect(schema.read("gen/chat/v1/room.md")).not.toContain("secret-scope");
});

test("a comment is no markup, and does not take the rest of the page along", async () => {
  using schema = new SchemaFolder({
    "proto/a.proto": `syntax = "proto3";
// <script>x()</script> [x](javascript:y) & more
// \`\`\`
// # no heading
// ---
message A {
  // a | b \\ [c](d)
  string a = 1;
}`,
  });
  await schema.generate({ targets: ["markdown"] });
  const page = schema.read("gen/a.md");
  expect(page).toContain(
    ["&lt;script&gt;x()&lt;/script&gt; \\[x\\](javascript:y) &amp; more", "\\```", "\\# no heading", "\\---"].join(
      "\n",
    ),
  );
  expect(page).toContain("| `a` | 1 | `string` | a \\| b \\\\ \\[c\\](d) |");
});
