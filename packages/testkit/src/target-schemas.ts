// The schemas that targets are tested with: one that has everything, and one that wants to break out.

/** Stands in comments and texts of the hostile schema, and in no name. */
export const MARKER = "racewayBreakout";

export const plainSchemas: Readonly<Record<string, string>> = {
  "shop/v1/shop.proto": `syntax = "proto3"; package shop.v1;
import "google/protobuf/empty.proto"; import "google/protobuf/timestamp.proto"; import "raceway/v1/options.proto"; import "shop/v1/item.proto";
// Sells things.
service ShopService {
  option (raceway.v1.service_policy) = { auth: { require: { scopes: ["buy"] } } };
  option (raceway.v1.service).defaults.errors = { reason: "SHOP_CLOSED" code: UNAVAILABLE };
  // What there is.
  rpc List(ListRequest) returns (ListResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (raceway.v1.channel).errors = { reason: "NOTHING_LEFT" code: NOT_FOUND detail: "Shortage" message: "There is nothing left." };
  }
  rpc Buy(Item) returns (google.protobuf.Empty) { option deprecated = true; }
  rpc Upload(stream Item) returns (ListResponse);
  rpc Follow(ListRequest) returns (stream Item);
  rpc Prices(ListRequest) returns (stream Item) { option (raceway.v1.channel).topic = { address: "prices/{kind}" history: { max_events: 10 } }; }
  rpc News(google.protobuf.Empty) returns (stream Item) { option (raceway.v1.channel).topic = {}; }
  rpc Talk(stream Item) returns (stream Item);
  rpc Watched(stream Item) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = {}; }
}
message ListRequest { string kind = 1; map<int32, Item> items = 2; oneof choice { string a = 3; bytes b = 4; } }
message ListResponse { repeated Item items = 1; google.protobuf.Timestamp at = 2; }
`,
  "shop/v1/item.proto": `syntax = "proto3"; package shop.v1;
message Shortage { string name = 1; }
// A thing.
message Item { string name = 1; Item part = 2; Kind kind = 3; optional int64 count = 4; enum Kind { KIND_UNSPECIFIED = 0; } }
`,
};

const evil = `globalThis.${MARKER} = true;`;

export const hostileSchema: Readonly<Record<string, string>> = {
  "odd folder/it's.proto": `syntax = "proto3";
import "raceway/v1/options.proto";
/* ${evil} <script>${MARKER}()</script> --> <!-- \`\${${evil}} "quotes' */
service constructor {
  // */ ${evil} /* \u2028${evil}
  rpc constructor(.toString) returns (.valueOf);
  // [x](javascript:${MARKER}) | cell \\
  rpc then(.toString) returns (stream .valueOf) { option (raceway.v1.policy).audit = "\\"; ${evil} //"; }
  // \`\`\`
  // \${${evil}}
  rpc new(stream .Promise) returns (.toString);
  rpc fail(.Promise) returns (.toString) {
    option (raceway.v1.channel).errors = { reason: "CONSTRUCTOR" code: ABORTED detail: "valueOf" message: "*/ ${evil} \\n\\u2028${evil} \\r<script>${MARKER}()</script> | [x](javascript:${MARKER}) \`\`\`" };
    option (raceway.v1.channel).errors = { reason: "TO_STRING" code: CANCELLED detail: ".toString" message: "\\\\" };
    option (raceway.v1.channel).errors = { reason: "NEW" code: UNKNOWN };
  }
}
/* */ /* ${evil} */
message toString { string class = 1; string name = 2 [json_name = "__proto__"]; string b = 3 [json_name = "'\\"\\\\*/\`\${${evil}}"]; }
// </td></tr> ${evil}
message valueOf { hasOwnProperty kind = 1; map<string, Promise> promises = 2; }
message Promise { oneof oneof_ { string delete = 1; int32 function = 2; } }
// \u2029${evil}
enum hasOwnProperty { NONE = 0; /* */ /* ${evil} */ null = 1; }
`,
};
