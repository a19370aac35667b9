// Public names of @raceway/client: `connect`, and what generated clients call.
export { type DeclaredError, type ErrorOf, type UndeclaredError, declaredError } from "@raceway/core";
export type { BackoffOptions } from "./backoff.ts";
export { type CallOptions, callDuplex, callFeed, callUnary, callUpload } from "./calls.ts";
export { type ConnectOptions, type Connection, connect } from "./connection.ts";
export type { ConnectionOutbox, OutboxOptions, OutboxSnapshot } from "./outbox.ts";
export type { OutboxEntry, OutboxKeeper, OutboxStore, RestoredCall, StoreHost } from "./outbox-entry.ts";
export { type DiscoverUrlOptions, discoverUrl } from "./discover-url.ts";
export { type LeastLatencyOptions, leastLatency, rendezvous, roundRobin } from "./endpoint-policies.ts";
export type { EndpointSource, Endpoints, StartedEndpoints } from "./endpoints.ts";
export { type HealthCheckOptions, healthChecked } from "./health-checked.ts";
export { type SignalSender, openSignal } from "./signal.ts";
export { ConnectionState, type ConnectionSnapshot, type ConnectionStatus } from "./state.ts";
export { type Subscription, type TopicOptions, subscribeTopic } from "./subscribe.ts";
export type { Gap } from "./topic-options.ts";
