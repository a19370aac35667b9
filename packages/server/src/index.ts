// Public names of @raceway/server.
export {
  type CloseOptions,
  type DrainOptions,
  type ListenOptions,
  type ListeningApp,
  type Raceway,
  type RacewayOptions,
  type TopicPublisher,
  raceway,
} from "./app.ts";
export { idempotencyKey } from "@raceway/core";
export type { CallContext } from "./call-context.ts";
export type { ServedChannel } from "./channel.ts";
export { type MemoryOptions, memory } from "./memory.ts";
export { MemoryStorage } from "./memory-log.ts";
export { AFTER_HEADER, POSITION_HEADER } from "./native.ts";
