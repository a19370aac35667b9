// The client with WebSocket alone, without a schema.
export { connect } from "@raceway/client";
export { websocket } from "@raceway/transport-websocket/client";
