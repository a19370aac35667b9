// The server of the chat on the front page.
import { raceway } from "@raceway/server";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { type RoomPublishers, roomService } from "./gen/chat/v1/room.server.ts";

const app = raceway({ transports: [websocket(), sse(), poll(), grpc()], log: console });
const rooms: RoomPublishers = app.serve(roomService, {
  async say({ room, text }) {
    const { offset } = await rooms.messages.publish({ room }, { text });
    return { offset };
  },
}); // a topic needs no handler
const { url } = await app.listen(Number(process.env.PORT ?? 8080)); // or: app.attach(existingServer), app.fetch(request)
console.log(`listening on ${url}`);
