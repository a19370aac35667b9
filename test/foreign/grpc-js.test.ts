// A gRPC client that nobody here wrote (@grpc/grpc-js, with @grpc/proto-loader) calls the same handlers.
import { fileURLToPath } from "node:url";
import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  Metadata,
  type ServiceError,
  credentials,
  loadPackageDefinition,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { connect } from "@raceway/client";
import { type Raceway, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { websocket as websocketClient } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { afterAll, beforeAll, expect, it } from "vitest";
import { handlers, take } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";

type Message = Readonly<Record<string, unknown>>;
type Answer = (error: ServiceError | null, reply?: Message) => void;
interface ForeignLab extends Client {
  echo(request: Message, answer: Answer): void;
  echo(request: Message, metadata: Metadata, options: { deadline: number }, answer: Answer): void;
  count(request: Message): ClientReadableStream<Message>;
  sum(answer: Answer): ClientWritableStream<Message>;
  chat(): ClientDuplexStream<Message, Message>;
  ticks(request: Message, metadata: Metadata): ClientReadableStream<Message>;
}

const calls: string[] = [];
let app: Raceway;
let url = "";
let topics: LabPublishers;
let foreign: ForeignLab;

beforeAll(async () => {
  app = raceway({ transports: [websocket(), grpc()] });
  topics = app.serve(labService, {
    ...handlers(calls, virtualClock()),
    echo({ text }, context) {
      if (text === "wait") return new Promise((_, reject) => context.signal.addEventListener("abort", reject));
      return { text };
    },
  });
  ({ url } = await app.listen({ port: 0, host: "127.0.0.1" }));
  const includeDirs = ["test/schemas", "schemas", "third-party/protovalidate"].map((path) =>
    fileURLToPath(new URL(`../../${path}`, import.meta.url)),
  );
  const loaded = loadPackageDefinition(loadSync("lab/v1/lab.proto", { includeDirs, longs: Number, defaults: true }));
  const { LabService } = (
    loaded as unknown as { lab: { v1: { LabService: new (address: string, creds: unknown) => ForeignLab } } }
  ).lab.v1;
  foreign = new LabService(new URL(url).host, credentials.createInsecure());
});
afterAll(async () => {
  foreign.close();
  await app.close(0);
});

function answered(ask: (answer: Answer) => void): Promise<Message> {
  return new Promise((resolve, reject) => ask((error, reply) => (error === null ? resolve(reply!) : reject(error))));
}
async function all(stream: AsyncIterable<unknown>, count = Infinity): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const message of stream) if (messages.push(message as Message) === count) break;
  return messages;
}

it("makes a unary call", async () => {
  expect(await answered((answer) => foreign.echo({ text: "from afar" }, answer))).toMatchObject({ text: "from afar" });
});

it("streams down, up and both ways", async () => {
  expect((await all(foreign.count({ from: 1, to: 100 }))).map(({ value }) => value)).toEqual(
    Array.from({ length: 100 }, (_, at) => at + 1),
  );
  const sum = await answered((answer) => {
    const up = foreign.sum(answer);
    for (const value of [1, 2, 39]) up.write({ value });
    up.end();
  });
  expect(sum).toMatchObject({ sum: 42, count: 3 });
  const chat = foreign.chat();
  chat.write({ text: "a" });
  chat.write({ text: "b" });
  chat.end();
  expect((await all(chat)).map(({ text }) => text)).toEqual(["a!", "b!"]);
});

it("reads a topic from its start, and what is published while it reads; a Raceway client reads the same", async () => {
  for (const sequence of [1, 2]) await topics.ticks.publish({ board: "f" }, { sequence });
  const after = new Metadata();
  after.set("raceway-after", "start");
  const stream = foreign.ticks({ board: "f" }, after);
  stream.on("error", () => {}); // the cancel below
  const reading = all(stream, 3);
  await using connection = connect(url, { transports: [websocketClient()] });
  const own = take(labClient(connection).ticks({ board: "f" }, { from: "start" }), 3);
  await labClient(connection).add({ a: 1, b: 1 });
  await topics.ticks.publish({ board: "f" }, { sequence: 3 });
  expect((await reading).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect((await own).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  stream.cancel();
});

it("gets errors with gRPC's codes: a deadline, a wrong address, a method that is not there", async () => {
  const late = answered((answer) =>
    foreign.echo({ text: "wait" }, new Metadata(), { deadline: Date.now() + 100 }, answer),
  );
  await expect(late).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  await expect(all(foreign.ticks({ board: "" }, new Metadata()))).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
  });
  const nothing = new Promise((resolve) => {
    const pass = (bytes: Buffer): Buffer => bytes;
    foreign.makeUnaryRequest("/lab.v1.LabService/Nothing", pass, pass, Buffer.alloc(0), (error) =>
      resolve(error?.code),
    );
  });
  expect(await nothing).toBe(status.UNIMPLEMENTED);
});
