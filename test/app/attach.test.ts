// Raceway in a server that somebody else made: transports, document and native doors are ours, everything else stays theirs.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "@raceway/client";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { poll as pollClient } from "@raceway/transport-poll/client";
import { poll } from "@raceway/transport-poll/server";
import { websocket as websocketClient } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { handlers } from "./lab.ts";

it("answers on all its paths in an existing server, and on no other", async () => {
  const server = createServer((request, response) => response.end(`theirs: ${request.url}`));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const app = raceway({ transports: [websocket(), poll(), grpc()] });
  app.serve(labService, handlers([], virtualClock()));
  await app.attach(server);
  for (const transport of [websocketClient(), pollClient()]) {
    await using connection = connect(url, { transports: [transport] });
    expect((await labClient(connection).echo({ text: transport.name })).text).toBe(transport.name);
  }
  const add = await fetch(`${url}/lab.v1.LabService/Add`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"a":1,"b":2}',
  });
  expect(await add.json()).toEqual({ sum: 3 });
  expect(await (await fetch(`${url}/.well-known/raceway`)).json()).toMatchObject({ versions: [1] });
  for (const path of ["/", "/racewayx", "/lab.v1.LabServiceX/Add", "/.well-known/other"])
    expect(await (await fetch(url + path)).text()).toBe(`theirs: ${path}`);
  await app.close(0);
  expect(await (await fetch(`${url}/raceway/poll`)).text()).toBe("theirs: /raceway/poll");
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
