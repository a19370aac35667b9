// Schemas that try to break out of their generated code, by names and by comments: it compiles, and does nothing but declare.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { generate } from "@raceway/generator";
import { expect, test } from "vitest";
import { CodeFolder } from "./type-check.ts";

const evil = "globalThis.hostile = true;";

const hostile = `/*
 * ${evil} */ /* second */
/// <reference types="nothing-that-exists" />
// a line separator\u2028${evil}
// a carriage return\r${evil}
syntax = "proto3";

// No package. */ ${evil} /*
import "google/protobuf/empty.proto";
import "google/protobuf/struct.proto";
import "old.proto";
import "raceway/v1/options.proto";

/* A line separator \u2028 ${evil} */
message Promise { string text = 1; message Nested { message Deep { int32 x = 1; } } }
message Transport { string a = 1; }
message CallOptions { string constructor = 1; string __proto__ = 2; string new = 3; string toString = 4; }
message Record { string a = 1; }
message AsyncIterable { string a = 1; }
message MessageInitShape { string a = 1; }
message NonNullable { string a = 1; }
message Subscription { string a = 1; }
message CallContext { optional string room = 1; uint64 big = 2; int64 str = 3 [jstype = JS_STRING]; Kind kind = 4; string toString = 5; string default = 6; }
message PromiseSchema { string a = 1; }
message Promise_Nested { string a = 1; }
message Object { string a = 1; }
message Client { string a = 1; }
message roomClient { string a = 1; }
message ChannelContract { string a = 1; }
enum Kind { KIND_UNSPECIFIED = 0; KIND_A = 1; }

/* \`backtick \${${evil}} "quotes' \\u002a/ *\\/ */
service Service {
  // \`not closed
  rpc delete(.Promise) returns (.Transport);
  // "not closed
  rpc constructor(.CallOptions) returns (.Record);
  // 'not closed
  rpc then(.AsyncIterable) returns (stream .AsyncIterable);
  // /* not closed
  rpc new(stream .MessageInitShape) returns (.NonNullable);
  // \${
  rpc toString(stream .Subscription) returns (stream .CallContext);
  rpc hasOwnProperty(google.protobuf.Value) returns (google.protobuf.Struct) { option deprecated = true; }
  rpc prototype(.Promise.Nested.Deep) returns (.PromiseSchema);
  rpc await(.Object) returns (.roomClient);
  rpc class(.Other) returns (.Other.Inner);
  rpc Client(.Client) returns (.ChannelContract);
  rpc Topic(.CallContext) returns (stream .Promise_Nested) { option (raceway.v1.channel).topic = { address: "a/{room}/{big}/{str}/{kind}/{toString}/{default}" }; }
  rpc Signal(stream .Promise) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = {}; }
  rpc Bare(google.protobuf.Empty) returns (stream .Promise) { option (raceway.v1.channel).topic = {}; }
  rpc State(.CallContext) returns (stream .Promise) { option (raceway.v1.channel).state = { address: "s/{room}" }; }
  rpc Queue(stream .CallContext) returns (stream .Promise) { option (raceway.v1.channel).queue = { address: "jobs" }; option (raceway.v1.policy).audit = "\\"; ${evil} //"; }
}
service Room { rpc Service(.Other) returns (.Other); rpc Client(.Other) returns (.Other); }
service RoomService { rpc X(.Other) returns (.Other); rpc Client(.Other) returns (.Other); }
service room { rpc x(.Other) returns (.Other); }
service Subscribe { rpc Topic(.CallContext) returns (stream .Promise) { option (raceway.v1.channel).topic = { address: "b/{kind}" }; } }
service Call { rpc Unary(.Other) returns (.Other); }
service request { rpc connection(.Other) returns (.Other); rpc options(stream .Other) returns (stream .Other); }
service Empty {}
service EmptyService { option deprecated = true; }
service IAMPolicy { rpc GetIAM(.Other) returns (.Other); }
service _ { rpc _(.Other) returns (.Other); rpc __(.Other) returns (.Other); rpc _a_b(.Other) returns (.Other); }
`;

const old = `syntax = "proto2";
message Other { optional string room = 1 [default = "*/ ${evil} /*"]; required int32 n = 2; message Inner { optional group Part = 1 { optional int32 a = 1; } } extensions 100 to 200; }
extend Other { optional string extra = 100; }
`;

const edition = `edition = "2024";
package ed.v1;
import option "raceway/v1/options.proto";
service EdService { rpc Watch(EdRequest) returns (stream EdResponse) { option (raceway.v1.channel).topic = { address: "ed/{room}/{plain}" }; } }
message EdRequest { string room = 1; string plain = 2 [features.field_presence = IMPLICIT]; }
message EdResponse { string room = 1; }
`;

test("hostile names and comments stay names and comments", async () => {
  using folder = new CodeFolder();
  const proto = join(folder.path, "proto");
  mkdirSync(join(proto, "odd folder"), { recursive: true });
  writeFileSync(join(proto, "odd folder/it's.proto"), hostile);
  writeFileSync(join(proto, "old.proto"), old);
  writeFileSync(join(proto, "ed.proto"), edition);
  const result = await generate({ inputs: [proto], protoPath: [proto], out: folder.path, importExtension: "ts" });
  expect(result.diagnostics).toEqual([]);
  expect(folder.typeErrors()).toEqual([]);
  for (const { path } of result.changes) {
    if (path.endsWith("_pb.ts") || path.endsWith(".contract.ts"))
      await import(pathToFileURL(join(folder.path, path)).href);
  }
  expect(globalThis).not.toHaveProperty("hostile");
  const client = folder.read("odd folder/it's.client.ts");
  // A client with a method `then` would be taken for a promise; `new(…)` would be a constructor.
  expect(client).toContain("  then$(request");
  expect(client).toContain('  "new"(');
  expect(folder.read("ed.server.ts")).toContain(
    '{ readonly room: NonNullable<EdRequest["room"]>; readonly plain: EdRequest["plain"] }',
  );
}, 120_000);
