// The client alone, without a transport or a schema.
export { connect } from "@raceway/client";
