// How the page reaches its server: by the first transport that gets through, best first.
import { connect } from "@raceway/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";

export const connection = connect(location.origin, { transports: [websocket(), sse(), poll()] });
