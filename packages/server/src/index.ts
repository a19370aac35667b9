// Public names of @raceway/server.
export { raceway } from "./app.ts";
export type {
  CloseOptions,
  DrainOptions,
  ListenOptions,
  ListeningApp,
  Raceway,
  RacewayOptions,
  TopicPublisher,
} from "./raceway.ts";
export { idempotencyKey } from "@raceway/core";
export type { CallContext } from "./call-context.ts";
export type { ServedChannel } from "./channel.ts";
export { type MemoryOptions, memory } from "./memory.ts";
export { MemoryStorage } from "./memory-log.ts";
export { AFTER_HEADER, POSITION_HEADER } from "./native.ts";
