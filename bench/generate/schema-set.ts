// Schemas to measure the generator with: services as people write them, with options, comments and imports, any number.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Services of one group know each other's messages: the first of them is imported by the others. */
const GROUP = 10;

/** Writes `services` schema files, a service each, and one that all import, under a folder; the same bytes each time. */
export async function writeSchemaSet(folder: string, services: number): Promise<void> {
  await write(folder, "shop/common/v1/common.proto", common);
  for (let at = 0; at < services; at++) await write(folder, schemaPath(at), schemaText(at));
}

/** Import path of a service's file. */
export function schemaPath(at: number): string {
  return `${packageOf(at).replaceAll(".", "/")}/service.proto`;
}

/** Its text; `edits` is in a comment and in the name of a field, so that each edit gives other code. */
export function schemaText(at: number, edits = 0): string {
  const first = at - (at % GROUP);
  const name = `Service${at}`;
  const other = at === first ? undefined : packageOf(first);
  return `syntax = "proto3";

package ${packageOf(at)};

import "google/protobuf/timestamp.proto";
import "raceway/v1/options.proto";
import "shop/common/v1/common.proto";
${other === undefined ? "" : `import "${schemaPath(first)}";\n`}
// Items of department ${at}, as edited ${edits} times.
service ${name} {
  option (raceway.v1.service_policy) = { auth: { require: { scopes: ["department-${at}"] } } };

  // Looks one item up.
  rpc GetItem(GetItemRequest) returns (Item) { option idempotency_level = NO_SIDE_EFFECTS; }

  // Writes an item. Sent again after a lost reply, it is written once.
  rpc PutItem(PutItemRequest) returns (PutItemResponse) {
    option idempotency_level = IDEMPOTENT;
    option (raceway.v1.channel).call = { timeout: { seconds: 10 } };
    option (raceway.v1.policy) = { rate_limits: [{ limit: 50 window: { seconds: 1 } }] };
  }

  // All items that a filter lets through.
  rpc ListItems(ListItemsRequest) returns (stream Item);

  // What happens to one item, from any position on.
  rpc ItemEvents(ItemEventsRequest) returns (stream ItemEvent) {
    option (raceway.v1.channel).topic = { address: "items-${at}/{shelf}/{item}" history: { max_events: 1000 } };
  }

  // Many at once, in both directions.
  rpc Exchange(stream PutItemRequest) returns (stream ItemEvent);
}

// What is sold.
message Item {
  string id = 1;
  string title = 2;
  Money price = 3;
  repeated string tags = 4;
  map<string, string> labels = 5;
  google.protobuf.Timestamp updated = 6;
  oneof place {
    string shelf = 7;
    shop.common.v1.Address address = 8;
  }
${other === undefined ? "" : `  ${other}.Item like = 9;\n`}
  // Cents, in a currency of ISO 4217.
  message Money {
    int64 cents = 1;
    string currency = 2;
  }
}

message GetItemRequest {
  string id = 1;
}
message PutItemRequest {
  Item item = 1;
  shop.common.v1.Actor actor = 2;
  // Edited ${edits} times.
  string note_${edits} = 3;
}
message PutItemResponse {
  uint64 revision = 1;
}
message ListItemsRequest {
  optional string filter = 1;
  uint32 page_size = 2;
}
message ItemEventsRequest {
  string shelf = 1;
  string item = 2;
}
message ItemEvent {
  string id = 1 [(raceway.v1.field).key = true];
  Kind kind = 2;
  Item item = 3;
  string secret = 4 [(raceway.v1.field).sensitive = true];
  enum Kind {
    KIND_UNSPECIFIED = 0;
    KIND_ADDED = 1;
    KIND_CHANGED = 2;
    KIND_REMOVED = 3;
  }
}
`;
}

const common = `syntax = "proto3";

package shop.common.v1;

// Who did something.
message Actor {
  string id = 1;
  string name = 2;
}

message Address {
  string street = 1;
  string city = 2;
  string country = 3;
}
`;

function packageOf(at: number): string {
  return `shop.group${Math.floor(at / GROUP)}.service${at}.v1`;
}

async function write(folder: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), text);
}
