// The cases of the kit, over a real server with a proxy in front that can cut connections.
import { hostTransport } from "@raceway/server/node";
import { type LinkSubject, transportSubject } from "@raceway/testkit";
import { behindProxy } from "@raceway/testkit/node";
import { describeLink } from "@raceway/testkit/vitest";
import { describe } from "vitest";
import { poll as client, type PollClientOptions } from "./client.ts";
import { poll as server } from "./server.ts";

const subject = (options: PollClientOptions): LinkSubject =>
  transportSubject({
    client: client({ retryMs: 10, ...options }),
    serve: async (opened) => behindProxy(await hostTransport(server(), opened)),
  });

describe("long", () => describeLink(subject({})));
describe("short", () => describeLink(subject({ mode: "short", intervalMs: 10 })));
describe("long, as text", () => describeLink(subject({ format: "text" })));
