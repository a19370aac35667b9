// A gRPC client that nobody here wrote (@grpc/grpc-js, with @grpc/proto-loader) calls the same handlers.
import { createRequire } from "node:module";
import { dirname } from "node:path";
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
import { clubService } from "../gen/club/v1/club.server.ts";
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

const includeDirs = ["test/schemas", "schemas", "third-party/protovalidate"].map((path) =>
  fileURLToPath(new URL(`../../${path}`, import.meta.url)),
);
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
  const refuse = (): never => {
    throw new Error("not asked here");
  };
  app.serve(clubService, {
    join({ name }, { fail }) {
      if (name !== "late") throw fail.closedToday();
      throw fail.clubFull({ capacity: 2, members: ["ada", "грейс"] }, { retryAfterMs: 1_500 });
    },
    async *watch({ name }, { fail }) {
      yield { name };
      throw fail.clubFull({ capacity: 1 });
    },
    joinOnce: refuse,
    joinAll: refuse,
    talk: refuse,
    knock: refuse,
    leave: refuse,
  });
  ({ url } = await app.listen({ port: 0, host: "127.0.0.1" }));
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

it("goes on with a topic after a lost connection, by the position that it was told and the messages that it counted", async () => {
  for (const sequence of [1, 2, 3]) await topics.ticks.publish({ board: "g" }, { sequence });
  const read = async (after: string, count: number): Promise<[position: string, sequences: unknown[]]> => {
    const metadata = new Metadata();
    if (after !== "") metadata.set("raceway-after", after);
    const stream = foreign.ticks({ board: "g" }, metadata);
    stream.on("error", () => {}); // the cancel below
    const told = new Promise<string>((resolve) =>
      stream.on("metadata", (answer: Metadata) => resolve(String(answer.get("raceway-position")[0]))),
    );
    const sequences = (await all(stream, count)).map(({ sequence }) => sequence);
    stream.cancel();
    return [await told, sequences];
  };
  const [began, first] = await read("start", 2);
  expect(first).toEqual([1, 2]);
  const [epoch, offset] = began.split(":");
  const next = `${epoch}:${Number(offset) + first.length}`;
  expect(await read(next, 1)).toEqual([next, [3]]);
  // Where nothing was there yet, the header comes with what is said first, and is the position before that.
  const end = `${epoch}:${Number(offset) + 3}`;
  const waiting = read(end, 1);
  await topics.ticks.publish({ board: "g" }, { sequence: 4 });
  expect(await waiting).toEqual([end, [4]]);
  await expect(read("another:7", 1)).rejects.toMatchObject({ code: status.DATA_LOSS });
});

it("gets errors with gRPC's codes: a deadline, a wrong address, a method that is not there", async () => {
  const late = answered((answer) =>
    foreign.echo({ text: "wait" }, new Metadata(), { deadline: Date.now() + 100 }, answer),
  );
  await expect(late).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  await expect(all(foreign.ticks({ board: "" }, new Metadata()))).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
  });
  const nothing = new Promise<ServiceError | null>((resolve) => {
    const pass = (bytes: Buffer): Buffer => bytes;
    foreign.makeUnaryRequest("/lab.v1.LabService/Nothing", pass, pass, Buffer.alloc(0), (error) => resolve(error));
  });
  const missing = await nothing;
  expect(missing?.code).toBe(status.UNIMPLEMENTED);
  // grpc-js leaves commas and slashes of a message escaped.
  expect(decodeURIComponent(missing?.details ?? "")).toMatch(
    /^There is no channel \/lab\.v1\.LabService\/Nothing here\. The client is grpc-node-js\/\S+, the server has version [0-9a-f]{8} of its schema\. /,
  );
});

it("reads declared errors as gRPC has them: the code, the message, and the details of google.rpc.Status", async () => {
  const { ClubService } = (
    loadPackageDefinition(loadSync("club/v1/club.proto", { includeDirs })) as unknown as {
      club: {
        v1: {
          ClubService: new (
            address: string,
            creds: unknown,
          ) => Client & {
            join(request: Message, answer: Answer): void;
            watch(request: Message): ClientReadableStream<Message>;
          };
        };
      };
    }
  ).club.v1;
  const club = new ClubService(new URL(url).host, credentials.createInsecure());
  try {
    const late = await refusal(answered((answer) => club.join({ name: "late" }, answer)));
    expect(late.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(late.details).toBe("The club is full.");
    expect(detailsOf(late)).toEqual({
      "google.rpc.ErrorInfo": { reason: "CLUB_FULL", domain: "club.v1.ClubService" },
      "club.v1.ClubFull": { capacity: 2, members: ["ada", "грейс"] },
      "google.rpc.RetryInfo": { retryDelay: { seconds: 1, nanos: 500_000_000 } },
    });
    const closed = await refusal(answered((answer) => club.join({ name: "ada" }, answer)));
    expect(closed).toMatchObject({ code: status.FAILED_PRECONDITION, details: "CLOSED_TODAY" });
    expect(detailsOf(closed)).toEqual({
      "google.rpc.ErrorInfo": { reason: "CLOSED_TODAY", domain: "club.v1.ClubService" },
    });
    const watched = await refusal(all(club.watch({ name: "ada" })));
    expect(detailsOf(watched)).toMatchObject({ "club.v1.ClubFull": { capacity: 1 } });
  } finally {
    club.close();
  }
});

async function refusal(call: Promise<unknown>): Promise<ServiceError> {
  return call.then(
    () => {
      throw new Error("it was not refused");
    },
    (error: unknown) => error as ServiceError,
  );
}

/** The details in the trailer `grpc-status-details-bin`, by type name, read by protobuf.js with Google's own schemas. */
function detailsOf(error: ServiceError): Readonly<Record<string, Message>> {
  const types = loadSync(["club/v1/club.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"], {
    includeDirs: [...includeDirs, dirname(createRequire(import.meta.url).resolve("google-proto-files/package.json"))],
    longs: Number,
  }) as unknown as Readonly<Record<string, { deserialize(bytes: Buffer): Message }>>;
  const [trailer] = error.metadata.get("grpc-status-details-bin");
  const { code, message, details } = types["google.rpc.Status"]!.deserialize(trailer as Buffer);
  expect([code, message]).toEqual([error.code, error.details]);
  return Object.fromEntries(
    (details as readonly { readonly type_url: string; readonly value: Buffer }[]).map(({ type_url: url, value }) => {
      const name = url.slice(url.lastIndexOf("/") + 1);
      return [name, types[name]!.deserialize(value)];
    }),
  );
}
