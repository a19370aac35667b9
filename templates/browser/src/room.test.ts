// The room against a stand-in for the server, which is made from the schema: `npm test` needs no server.
import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { mockService, testApp } from "@raceway/testing";
import { roomService } from "./gen/chat/v1/room.server.ts";
import { joinRoom, type Shown } from "./room.ts";

test("shows what is said, in order, and says whether it is live", async () => {
  const rooms = mockService(roomService);
  await using app = await testApp((server) => server.serve(roomService, rooms.handlers));
  const connection = app.connect();
  const shown: Shown[] = [];
  const room = joinRoom(connection, "tea", (now) => shown.push(now));
  const ended = rejects(room.over); // the test closes the connection
  await app.served.lines.publish({ room: "tea" }, { text: "one" });
  await app.served.lines.publish({ room: "tea" }, { text: "two" });
  await app.clock.settle();
  deepEqual(shown.at(-1), { lines: ["one", "two"], live: true });

  connection.link.offline();
  await app.clock.settle();
  equal(shown.at(-1)?.live, false);
  const said = room.say("three"); // waits
  connection.link.online();
  await app.clock.advance(60_000);
  await said;
  equal(shown.at(-1)?.live, true);
  deepEqual(
    rooms.requests.say.map(({ room, text }) => `${room}: ${text}`),
    ["tea: three"],
  );

  await app.crash(); // and with it what was said
  await app.start();
  await app.clock.advance(60_000);
  await app.served.lines.publish({ room: "tea" }, { text: "four" });
  await app.clock.settle();
  deepEqual(shown.at(-1), { lines: ["four"], live: true });
  await connection.close();
  await ended;
});
