// Public names of @raceway/core: what authors of plugins and generated code may use.
export * from "./attempt-headers.ts";
export * from "./backplane.ts";
export {
  type BatchCoder,
  type BatchStation,
  type CodedGroup,
  type SharedCoder,
  type SharedDictionary,
  type SharedGroup,
  batchStation,
} from "./batch-station.ts";
export { type BatchWindow, type Pace, batchWindow } from "./batch-window.ts";
export { type ByteMeter, CallBytes, callBytes } from "./byte-meter.ts";
export * from "./channel.ts";
export * from "./clock.ts";
export * from "./clock-system.ts";
export type { Codec, CodecDefinition, MessageCodec } from "./codec.ts";
export { defineCodec } from "./define-codec.ts";
export * from "./codec-json.ts";
export * from "./codec-proto.ts";
export * from "./context.ts";
export * from "./cross-origin.ts";
export {
  type DeclaredError,
  type ErrorDeclaration,
  type ErrorDeclarations,
  type ErrorOf,
  type FailOf,
  type FailOptions,
  type UndeclaredError,
  declaredError,
  failDeclared,
  failOf,
} from "./declared-errors.ts";
export {
  ERROR_DOMAIN,
  type ErrorInfo,
  type Reason,
  type ValuesOf,
  errorInfo,
  fail,
  learn,
  reasonOf,
  retryAfterMs,
} from "./errors.ts";
export { middlewareReasons } from "./errors-middleware.ts";
export { oauthReasons } from "./errors-oauth.ts";
export { resilienceReasons } from "./errors-resilience.ts";
export { catalogue } from "./errors-server.ts";
export * from "./field-order.ts";
export * from "./http-batches.ts";
export * from "./http-links.ts";
export * from "./limits.ts";
export * from "./link.ts";
export * from "./memory-link.ts";
export * from "./memory-transport.ts";
export { networkOf } from "./network.ts";
export type * from "./observer.ts";
export * from "./options.ts";
export * from "./part.ts";
export * from "./plugin.ts";
export {
  type ChannelInspection,
  type ChannelStation,
  type CoderInspection,
  type Inspection,
  type PlacedPlugin,
  type WindowInspection,
  explainOrder,
  inspectPlugins,
} from "./plugin-inspect.ts";
export * from "./random.ts";
export { type RevocationOptions, Revocations } from "./revocations.ts";
export { schemaVersion } from "./schema-version.ts";
export * from "./sensitive.ts";
export * from "./topic-address.ts";
export * from "./transport.ts";
export * from "./watch-call.ts";
