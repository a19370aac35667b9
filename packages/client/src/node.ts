// What a client in Node has beyond one in a browser.
export { type FileOutboxOptions, fileOutbox } from "./node-outbox.ts";
export { type DiscoverSrvOptions, type SrvRecord, discoverSrv } from "./node-srv.ts";
