// The page: an input, and what was said.
import { connection } from "./connection.ts";
import { joinRoom } from "./room.ts";

document.body.innerHTML = `<input placeholder="Say something" autofocus /><ul></ul>`;
const input = document.querySelector("input")!;
const list = document.querySelector("ul")!;

const room = joinRoom(connection, "tea", ({ lines, live }) => {
  list.replaceChildren(
    ...lines.toReversed().map((text) => Object.assign(document.createElement("li"), { textContent: text })),
  );
  document.title = live ? "Room" : "Room (offline)";
});
input.onchange = () => {
  void room.say(input.value);
  input.value = "";
};
