// The client with Server-Sent Events alone, without a schema.
export { connect } from "@raceway/client";
export { sse } from "@raceway/transport-sse/client";
