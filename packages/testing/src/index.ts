// Public names of @raceway/testing.
export type { VirtualClock } from "@raceway/testkit/clock";
export { type Collected, collect } from "./collect.ts";
export { type MockedService, type RequestsOf, mockClient, mockService, sample } from "./mock.ts";
export type { Problem } from "./problems.ts";
export {
  type TestApp,
  type TestAppOptions,
  type TestConnectOptions,
  type TestConnection,
  testApp,
} from "./test-app.ts";
export type { TestLink } from "./test-link.ts";
