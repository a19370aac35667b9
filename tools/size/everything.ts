// All that a page needs for the generated client of test/schemas/chat: session, race, three transports.
import { connect } from "@raceway/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";
import { type RoomClient, roomClient } from "../../test/gen/chat/v1/room.client.ts";

export const rooms: RoomClient = roomClient(connect(location.origin, { transports: [websocket(), sse(), poll()] }));
