// The cases of the kit, over a real server with a proxy in front that can cut connections.
import { hostTransport } from "@raceway/server/node";
import { type LinkSubject, transportSubject } from "@raceway/testkit";
import { behindProxy } from "@raceway/testkit/node";
import { describeLink } from "@raceway/testkit/vitest";
import { describe } from "vitest";
import { sse as client, type SseClientOptions } from "./client.ts";
import { sse as server } from "./server.ts";

const subject = (options: SseClientOptions): LinkSubject =>
  transportSubject({
    client: client({ retryMs: 10, ...options }),
    serve: async (opened) => behindProxy(await hostTransport(server(), opened)),
  });

describe("binary", () => describeLink(subject({})));
describe("text", () => describeLink(subject({ format: "text" })));
