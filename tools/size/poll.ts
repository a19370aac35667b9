// The client with polling alone, without a schema.
export { connect } from "@raceway/client";
export { poll } from "@raceway/transport-poll/client";
