// AsyncAPI documents, held against AsyncAPI's own parser.
import { Parser } from "@asyncapi/parser";
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../../test-kit/schema-folder.ts";
import { asyncapi } from "./target.ts";

const all = demo(`
service AllService {
  option (raceway.v1.service_policy) = { auth: { require: { scopes: ["secret-scope"] } } };
  // Asks.
  rpc Call(Key) returns (Event) {
    option (raceway.v1.channel).errors = { reason: "GONE" code: NOT_FOUND detail: "Gone" message: "It is gone." };
  }
  rpc Feed(Key) returns (stream Event);
  // All that happens.
  rpc Topic(Key) returns (stream Event) { option (raceway.v1.channel).topic = { address: "rooms/{room}/{sub_room}" history: { max_events: 10 } }; }
  rpc Bare(google.protobuf.Empty) returns (stream Event) { option (raceway.v1.channel).topic = {}; }
  rpc Duplex(stream Event) returns (stream Event);
  rpc Signal(stream Event) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = {}; }
}
message Key { string room = 1; string sub_room = 2; }
message Gone { Event last = 1; }
message Event { string text = 1; Event before = 2; map<string, bytes> more = 3; oneof a { string b = 4; string c = 5; } int64 at = 6; }
`);

test("every kind of channel, by the official parser", async () => {
  using schema = new SchemaFolder(all);
  await schema.generate({ targets: [asyncapi({ title: "All", version: "2" })] });
  const text = schema.read("gen/demo/v1/demo.asyncapi.json");
  const { document, diagnostics } = await new Parser().parse(text);
  expect(diagnostics.filter(({ severity }) => severity === 0)).toEqual([]);
  expect([document!.info().title(), document!.info().version()]).toEqual(["All", "2"]);
  const seen = document!
    .operations()
    .all()
    .map((operation) => ({
      id: operation.id(),
      action: operation.action(),
      address: operation.channels().all()[0]!.address(),
      messages: operation
        .messages()
        .all()
        .map((message) => message.name()),
      reply: operation
        .reply()
        ?.messages()
        .all()
        .map((message) => message.name()),
    }));
  const [key, event] = ["demo.v1.Key", "demo.v1.Event"];
  const path = "/demo.v1.AllService";
  const id = "demo.v1.AllService";
  const topic = { action: "send", messages: [event], reply: undefined };
  expect(seen).toEqual([
    { id: `${id}.Call`, action: "receive", address: `${path}/Call`, messages: [key], reply: [event] },
    { id: `${id}.Feed`, action: "receive", address: `${path}/Feed`, messages: [key], reply: [event] },
    { id: `${id}.Topic`, ...topic, address: "rooms/{room}/{sub_room}" },
    { id: `${id}.Bare`, ...topic, address: `${path}/Bare` },
    { id: `${id}.Duplex`, action: "receive", address: `${path}/Duplex`, messages: [event], reply: [event] },
    { id: `${id}.Signal`, action: "receive", address: `${path}/Signal`, messages: [event], reply: undefined },
  ]);
  const parameters = document!.channels().get(`${id}.Topic`)!.parameters().all();
  expect(parameters.map((parameter) => parameter.id())).toEqual(["room", "sub_room"]);
  expect(text).not.toContain("secret-scope");
  const { channels, components } = document!.json<{
    readonly channels: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly components: { readonly schemas: object };
  }>();
  expect(channels[`${id}.Call`]!["x-raceway-errors"]).toMatchObject([
    { reason: "GONE", domain: id, code: "not_found", message: "It is gone.", detail: { title: "Gone" } },
  ]);
  expect(channels[`${id}.Feed`]).not.toHaveProperty("x-raceway-errors");
  expect(components.schemas).toHaveProperty(["demo.v1.Gone"]);
}, 60_000);

test("a schema without channels gives no document", async () => {
  using schema = new SchemaFolder({ "proto/a.proto": 'syntax = "proto3"; message M {}' });
  expect((await schema.generate({ targets: ["asyncapi"] })).changes).toEqual([]);
});
