// The client of the chat on the front page: says hello, and reads what all say.
import { connect } from "@raceway/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";
import { roomClient } from "./gen/chat/v1/room.client.ts";

const connection = connect(process.env.SERVER ?? "http://localhost:8080", { transports: [websocket(), sse(), poll()] });
const rooms = roomClient(connection);
connection.state.subscribe(({ status, transport }) => console.log(status, transport ?? "")); // connecting, open, resuming, …
await rooms.say({ room: "tea", text: "hello" });
for await (const message of rooms.messages({ room: "tea" }, { from: "start", onReset: console.warn }))
  console.log(message.text);
