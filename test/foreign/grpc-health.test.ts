// gRPC's own health service, asked by a client that nobody here wrote, from the proto text that everybody has.
import { fileURLToPath } from "node:url";
import {
  type Client,
  type ClientReadableStream,
  type ServiceError,
  credentials,
  loadPackageDefinition,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { connect } from "@raceway/client";
import { definePlugin } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { websocket as websocketClient } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";

interface Status {
  readonly status: string;
}
type Answer<T> = (error: ServiceError | null, reply?: T) => void;
interface ForeignHealth extends Client {
  check(request: { service: string }, answer: Answer<Status>): void;
  list(request: object, answer: Answer<{ statuses: Record<string, Status> }>): void;
  watch(request: { service: string }): ClientReadableStream<Status>;
}

interface World extends AsyncDisposable {
  readonly app: Raceway;
  readonly url: string;
  readonly health: ForeignHealth;
  fails: boolean;
}

async function world(): Promise<World> {
  const it = { fails: false };
  const plugin = definePlugin({
    name: "keys",
    start: () => ({ healthy: () => (it.fails ? Promise.reject(new Error("away")) : true) }),
  });
  const app = raceway({ transports: [websocket(), grpc()], use: [plugin] });
  app.serve(labService, handlers([], virtualClock()));
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  const includeDirs = [fileURLToPath(new URL("../../third-party/grpc", import.meta.url))];
  const loaded = loadPackageDefinition(
    loadSync("grpc/health/v1/health.proto", { includeDirs, enums: String, defaults: true }),
  ) as unknown as { grpc: { health: { v1: { Health: new (address: string, creds: unknown) => ForeignHealth } } } };
  const health = new loaded.grpc.health.v1.Health(new URL(url).host, credentials.createInsecure());
  return Object.assign(it, {
    app,
    url,
    health,
    async [Symbol.asyncDispose]() {
      health.close();
      await app.close(0);
    },
  });
}

function answered<T>(ask: (answer: Answer<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => ask((error, reply) => (error === null ? resolve(reply!) : reject(error))));
}
/** What a watcher was told, in order; "over" at the end, or the code it ended with. */
function watched(health: ForeignHealth, service: string): string[] {
  const told: string[] = [];
  const stream = health.watch({ service });
  stream.on("data", ({ status: now }: Status) => told.push(now));
  stream.on("error", ({ code }: ServiceError) => told.push(String(code)));
  stream.on("end", () => told.push("over"));
  return told;
}

it(
  "Check says how the server is, and each service of it; of others it knows nothing",
  { timeout: 30_000 },
  async () => {
    await using it = await world();
    for (const service of ["", "lab.v1.LabService"])
      expect(await answered<Status>((answer) => it.health.check({ service }, answer))).toEqual({ status: "SERVING" });
    await expect(
      answered<Status>((answer) => it.health.check({ service: "lab.v1.Other" }, answer)),
    ).rejects.toMatchObject({ code: status.NOT_FOUND });
  },
);

it("List names all services", { timeout: 30_000 }, async () => {
  await using it = await world();
  const { statuses } = await answered<{ statuses: Record<string, Status> }>((answer) => it.health.list({}, answer));
  expect(statuses).toEqual({ "": { status: "SERVING" }, "lab.v1.LabService": { status: "SERVING" } });
});

it("Watch follows a plugin that fails and mends", { timeout: 30_000 }, async () => {
  await using it = await world();
  const told = watched(it.health, "lab.v1.LabService");
  await expect.poll(() => told, { timeout: 15_000 }).toEqual(["SERVING"]);
  it.fails = true;
  await expect.poll(() => told, { timeout: 10_000 }).toEqual(["SERVING", "NOT_SERVING"]);
  expect(await answered<Status>((answer) => it.health.check({ service: "" }, answer))).toEqual({
    status: "NOT_SERVING",
  });
  it.fails = false;
  await expect.poll(() => told, { timeout: 10_000 }).toEqual(["SERVING", "NOT_SERVING", "SERVING"]);
});

it("Watch says that a service is unknown, and stays", { timeout: 30_000 }, async () => {
  await using it = await world();
  const told = watched(it.health, "lab.v1.Other");
  await expect.poll(() => told, { timeout: 15_000 }).toEqual(["SERVICE_UNKNOWN"]);
  await answered<Status>((answer) => it.health.check({ service: "" }, answer));
  expect(told).toEqual(["SERVICE_UNKNOWN"]);
});

it(
  "a drain is told at once, and the streams end in good order when the server goes down",
  { timeout: 30_000 },
  async () => {
    await using it = await world();
    await using connection = connect(it.url, { transports: [websocketClient()] });
    await labClient(connection).peek({});
    const told = watched(it.health, "");
    await expect.poll(() => told, { timeout: 15_000 }).toEqual(["SERVING"]);
    const draining = it.app.drain({ drainMs: 30_000, spreadMs: 30_000 });
    await expect.poll(() => told, { timeout: 15_000 }).toEqual(["SERVING", "NOT_SERVING"]);
    expect(await answered<Status>((answer) => it.health.check({ service: "" }, answer))).toEqual({
      status: "NOT_SERVING",
    });
    const closing = it.app.close(0);
    await expect.poll(() => told, { timeout: 15_000 }).toEqual(["SERVING", "NOT_SERVING", "over"]);
    await connection.close();
    await Promise.all([closing, draining]);
  },
);

it("Connect asks it as any other service", { timeout: 30_000 }, async () => {
  await using it = await world();
  const response = await fetch(`${it.url}/grpc.health.v1.Health/Check`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  expect(await response.json()).toEqual({ status: "SERVING" });
});
