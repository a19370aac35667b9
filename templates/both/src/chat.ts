import type { Raceway } from "@raceway/server";
import { type RoomPublishers, roomService } from "./gen/chat/v1/room.server.ts";
export function chat(app: Raceway): RoomPublishers {
  const rooms: RoomPublishers = app.serve(roomService, { say: (line) => rooms.lines.publish(line, line) });
  return rooms; // to publish from elsewhere, and for tests
}
