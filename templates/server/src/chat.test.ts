// The chat in memory, by `npm test`: no port, no real time, and links that break when the test says so.
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { collect, testApp } from "@raceway/testing";
import { chat } from "./chat.ts";
import { roomClient } from "./gen/chat/v1/room.client.ts";

test("what one says, all in the room hear, and nobody else", async () => {
  await using app = await testApp(chat);
  const tea = collect(roomClient(app.connect()).lines({ room: "tea" }, { from: "start" }));
  const coffee = collect(roomClient(app.connect()).lines({ room: "coffee" }, { from: "start" }));
  const ann = roomClient(app.connect());
  equal((await ann.say({ room: "tea", text: "hello" })).offset, 1);
  await app.clock.settle();
  deepEqual(
    tea.items.map(({ text }) => text),
    ["hello"],
  );
  deepEqual(coffee.items, []);
});

test("who was offline for a while hears all of it once", async () => {
  await using app = await testApp(chat);
  const connection = app.connect();
  const heard = collect(roomClient(connection).lines({ room: "tea" }, { from: "start" }));
  await app.clock.settle();
  connection.link.offline();
  await app.served.lines.publish({ room: "tea" }, { text: "one" });
  await app.served.lines.publish({ room: "tea" }, { text: "two" });
  await app.clock.advance(10_000);
  connection.link.online();
  await app.clock.advance(60_000);
  deepEqual(
    heard.items.map(({ text }) => text),
    ["one", "two"],
  );
});
