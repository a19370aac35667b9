// What only Node can do for a test: serve a transport over HTTP, and cut the connection under it.
export { behindProxy, type HostedTransport } from "./node/behind-proxy.ts";
export { type FaultedConnection } from "./node/fault-connection.ts";
export { type FaultProxy, faultProxy, type FaultProxyOptions, type LocalAddress } from "./node/fault-proxy.ts";
export { type FaultAdmission, type FaultDirection, type Faults, type FaultShape } from "./node/fault-shape.ts";
export { serveTransport, type ServeTransportOptions } from "./node/serve-transport.ts";
export { type RelayedTransports, startRelay, type TransportRelay } from "./node/relay.ts";
