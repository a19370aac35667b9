// Names for client, server and testkit; a plugin that needs one shows that a contract lacks something.
export * from "./frame.ts";
export * from "./batch.ts";
export { FrameWriter, encodeFrame, encodePublication } from "./frame-binary.ts";
export { frameToJson, partsToJson, readJsonFrames } from "./frame-json.ts";
export { readFrames } from "./frame-reader.ts";
export * from "./plugin-compose.ts";
export * from "./plugin-order.ts";
export { decodeFast } from "./proto-decoder.ts";
export * from "./timer-wheel.ts";
export { readVarint, varintSize, writeVarint } from "./varint.ts";
export * from "./calls.ts";
export * from "./flush-queue.ts";
export * from "./message-queue.ts";
export * from "./replay-buffer.ts";
export * from "./session.ts";
export * from "./session-link.ts";
export * from "./wire-values.ts";
