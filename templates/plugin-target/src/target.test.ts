// What only this target does: its lines.
import { compileSchemas } from "@raceway/generator";
import { expect, test } from "vitest";
import channels from "./target.ts";

const schema = `
syntax = "proto3";
package chat.v1;
import "raceway/v1/options.proto";
service RoomService {
  // Says something
  // in a room.
  rpc Say(Line) returns (Line);
  rpc Lines(Line) returns (stream Line) { option (raceway.v1.channel).topic = { address: "rooms/{room}" }; }
}
message Line { string room = 1; }
`;

test("writes a line for each channel: kind, path, messages, comment", async () => {
  const { model, context } = await compileSchemas({ "chat/v1/room.proto": schema });
  const files = [...(await channels({ title: "Chat" }).generate(model, context))];
  expect(files.map(({ path }) => path)).toEqual(["chat/v1/room.channels.txt"]);
  expect(files[0]?.text).toBe(`Chat

call  /chat.v1.RoomService/Say  chat.v1.Line -> chat.v1.Line  Says something in a room.
topic  /chat.v1.RoomService/Lines  chat.v1.Line -> chat.v1.Line
`);
});

test("writes nothing for a schema without services", async () => {
  const { model, context } = await compileSchemas({ "a/v1/a.proto": 'syntax = "proto3"; package a.v1; message M {}' });
  expect([...(await channels().generate(model, context))]).toEqual([]);
});
