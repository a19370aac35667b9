// The Node side of a server: its HTTP exchanges, listening, mounting, and a host for one transport.
export * from "./host-transport.ts";
export * from "./http-attach.ts";
export * from "./http-limits.ts";
export { type Listening, type ListenOptions as HttpListenOptions, listenOn } from "./http-listen.ts";
export { answerNode, type NodeHttp, nodeExchange, nodeHttp, nodeUpgrade, upgradeNode } from "./http-node.ts";
export * from "./http-router.ts";
