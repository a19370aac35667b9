// The relay under the kit: links whose far ends are worked over HTTP keep all the rules that the links themselves keep.
import {
  type ClientTransport,
  type LinkOpened,
  type MemoryTransport,
  memoryTransport,
  resolveLimits,
} from "@raceway/core";
import { afterAll, expect, test } from "vitest";
import { linkCases } from "./link-cases.ts";
import { startRelay } from "./node.ts";
import { relayedServe } from "./relay/relayed-serve.ts";
import { sessionCases } from "./session-cases.ts";
import { testHost } from "./test-host.ts";
import { type ServedTransport, transportSubject } from "./transport-subject.ts";
import { registerCases } from "./vitest.ts";

/** A memory transport for each that is served; the endpoint says which one a link is for. */
const transports: MemoryTransport[] = [];

async function serveMemory(opened: LinkOpened): Promise<ServedTransport> {
  const { server, cut } = transports[transports.push(memoryTransport()) - 1] as MemoryTransport;
  const url = `http://memory/${transports.length - 1}`;
  const routes = await server.start({
    ...testHost("server"),
    path: "/raceway/memory",
    opened,
    maxBatchBytes: resolveLimits().batchBytes,
    allowsOrigin: () => true,
    native: { register() {} },
  });
  return {
    endpoint: { url, path: "/raceway" },
    cut: () => cut(),
    [Symbol.asyncDispose]: async () => routes[Symbol.asyncDispose]?.(),
  };
}

const client: ClientTransport = {
  ...memoryTransport().client,
  start: (host) => ({
    open: async (endpoint, opened, signal) =>
      transports[Number(endpoint.url.split("/").at(-1))]?.client.start(host).open(endpoint, opened, signal),
  }),
};

const relay = await startRelay({ memory: serveMemory });
afterAll(() => relay[Symbol.asyncDispose]());

const subject = transportSubject({ client, serve: relayedServe(relay.url, "memory") });
registerCases(linkCases(subject, { format: "binary" }));
registerCases(sessionCases(subject, { codec: "proto" }));
afterAll(() => subject[Symbol.asyncDispose]?.());

test("a relay says which transports it has", async () => {
  await expect(relayedServe(relay.url, "pigeon")(() => ({ batch() {}, drain() {}, closed() {} }))).rejects.toThrow(
    'no transport "pigeon" here, but memory',
  );
});
