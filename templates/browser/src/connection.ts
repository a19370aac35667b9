// How the page reaches the server: by the first transport that gets through, best first. Another server: `VITE_SERVER=https://… npm run dev`.
import { connect } from "@raceway/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";

const server = (import.meta.env["VITE_SERVER"] as string | undefined) ?? "http://localhost:8080";
export const connection = connect(server, { transports: [websocket(), sse(), poll()] });
