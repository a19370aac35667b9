// What only Node can do for a test: serve a transport over HTTP, and cut the connection under it.
export { type FaultProxy, faultProxy, type LocalAddress } from "./node/fault-proxy.ts";
export { serveTransport, type ServeTransportOptions } from "./node/serve-transport.ts";
