// Public names of @raceway/testkit: cases as data, what they are run on, and a runner without any framework.
export { type Case, type Need, RuleBroken } from "./case.ts";
export { type Format } from "./format.ts";
export { formatsOf, linkCases, type LinkCaseOptions } from "./link-cases.ts";
export { memorySubject } from "./memory-subject.ts";
export { pluginCases, pluginSuites } from "./plugin-cases.ts";
export {
  type KitChannel,
  kitChannels,
  type KitConnection,
  type KitServer,
  type KitVisitor,
  type KitWay,
  type PluginRefusal,
  type PluginSubject,
} from "./plugin/subject.ts";
export { type CaseResult, runCases, type Totals } from "./run-cases.ts";
export { codecCases } from "./codec-cases.ts";
export type { CodecSubject } from "./codec/subject.ts";
export { sessionCases, type SessionCaseOptions } from "./session-cases.ts";
export type { LinkSubject } from "./subject.ts";
export { linkSuites, type Suite } from "./suites.ts";
export { targetCases, type TargetInput, type TargetSubject } from "./target-cases.ts";
export { storeCases, type StoreSubject } from "./store-cases.ts";
export { type TestHost, testHost } from "./test-host.ts";
export { type ServedTransport, transportSubject, type TransportSubjectOptions } from "./transport-subject.ts";
export { virtualClock, type VirtualClock } from "./virtual-clock.ts";
export { relayedServe } from "./relay/relayed-serve.ts";
export * from "./simulator/auditor.ts";
export * from "./simulator/chance.ts";
export * from "./simulator/link.ts";
export * from "./simulator/model.ts";
export * from "./simulator/network.ts";
export * from "./simulator/plants.ts";
export * from "./simulator/process.ts";
export * from "./simulator/trace.ts";
export * from "./simulator/transport.ts";
export * from "./simulator/violation.ts";
export * from "./simulator/wire.ts";
export * from "./simulator/world.ts";
