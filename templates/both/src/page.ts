import { connection } from "./connection.ts";
import { roomClient } from "./gen/chat/v1/room.client.ts";
const rooms = roomClient(connection); // goes on over reconnects and restarts
document.body.innerHTML = `<input placeholder="Say something" autofocus /><ul></ul>`;
const [input, list] = [document.querySelector("input")!, document.querySelector("ul")!];
input.onchange = () => rooms.say({ room: "tea", text: input.value });
for await (const { text } of rooms.lines({ room: "tea" }, { from: "start", onReset: () => list.replaceChildren() }))
  list.prepend(Object.assign(document.createElement("li"), { textContent: text }));
