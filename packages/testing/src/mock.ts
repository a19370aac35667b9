// Public names of @raceway/testing/mock: stand-ins made from the schema alone, which run in a page, too. What `*.mock.ts` imports.
export { mockClient } from "./mock-client.ts";
export { type MockedService, type RequestsOf, mockService } from "./mock-service.ts";
export { sample } from "./sample.ts";
