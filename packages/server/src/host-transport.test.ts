// A server transport without an app, as compliance tests run it.
import { CONTRACT, type ServerTransport, type TransportHost, type TransportRoutes } from "@raceway/core";
import { expect, test } from "vitest";
import { hostTransport } from "./host-transport.ts";

/** A transport that says where it is asked, and notes its end. */
class Stub implements ServerTransport {
  readonly name = "stub";
  readonly contract = CONTRACT;
  readonly traits = { binary: true, duplex: true, push: true, maxBatchBytes: 1_000 };
  readonly ended: string[] = [];
  host: TransportHost | undefined;
  start(host: TransportHost): TransportRoutes {
    this.host = host;
    return {
      request: (exchange) => exchange.reply(200, {}, new TextEncoder().encode(exchange.path)),
      [Symbol.asyncDispose]: async () => void this.ended.push(`draining: ${host.draining.aborted}`),
    };
  }
}
const nobody = () => expect.unreachable();

test("a transport is reached below its name, and ends before the server does", async () => {
  const transport = new Stub();
  const hosted = await hostTransport(transport, nobody, { maxBatchBytes: 77 });
  const { url, path } = hosted.endpoint;
  expect(await (await fetch(`${url}${path}/stub/x`)).text()).toBe("/raceway/stub/x");
  expect((await fetch(`${url}${path}/other`)).status).toBe(404);
  expect(transport.host?.maxBatchBytes).toBe(77);
  expect(
    transport.host?.allowsOrigin("https://app.example", { address: "", secure: false, header: () => undefined }),
  ).toBe(false);
  await hosted[Symbol.asyncDispose]();
  expect(transport.ended).toEqual(["draining: true"]);
  await expect(fetch(`${url}${path}/stub`)).rejects.toThrow("fetch failed");
});

test("a transport that cannot be listened for is ended", async () => {
  const transport = new Stub();
  await using first = await hostTransport(new Stub(), nobody);
  const port = Number(new URL(first.endpoint.url).port);
  await expect(hostTransport(transport, nobody, { port })).rejects.toThrow("EADDRINUSE");
  expect(transport.ended).toEqual(["draining: true"]);
});
