// The client side of WebSocket alone, with what it takes from core.
export { websocket } from "@raceway/transport-websocket/client";
