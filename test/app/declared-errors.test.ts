// Errors that a schema declares: thrown by name in a handler, told apart by reason in a client, by every way in and for every kind.
import { type DescMessage, create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { connect } from "@raceway/client";
import {
  type ClientTransport,
  declaredError,
  definePlugin,
  errorInfo,
  failDeclared,
  fail as failRaceway,
  jsonCodec,
  memoryTransport,
  reasonOf,
  retryAfterMs,
} from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { grpc as grpcLink } from "@raceway/transport-grpc/client";
import { grpc } from "@raceway/transport-grpc/server";
import { poll as pollLink } from "@raceway/transport-poll/client";
import { poll } from "@raceway/transport-poll/server";
import { sse as sseLink } from "@raceway/transport-sse/client";
import { sse } from "@raceway/transport-sse/server";
import { websocket as websocketLink } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ClubJoinError,
  clubClient,
  clubInsideError,
  clubJoinAllError,
  clubJoinError,
  clubJoinOnceError,
  clubKnockError,
  clubTalkError,
  clubWatchError,
} from "../gen/club/v1/club.client.ts";
import { clubInsideErrors, clubJoinErrors, clubWatchErrors } from "../gen/club/v1/club.contract.ts";
import { type ClubHandlers, clubService } from "../gen/club/v1/club.server.ts";
import { ClubFullSchema, ClubService } from "../gen/club/v1/club_pb.ts";
import { BanSchema } from "../gen/club/v1/refusals_pb.ts";
import { from } from "./lab.ts";

const full = { capacity: 2, members: ["ada", "грейс"] };
const until = timestampFromMs(1_800_000_000_000);
const handled: string[] = [];

const handlers: ClubHandlers = {
  join({ name }, { fail }) {
    switch (name) {
      case "late":
        throw fail.clubFull(full, { retryAfterMs: 1_500 });
      case "rude":
        throw fail.banned({ until, by: "the owner" }, { message: "Not after last time." });
      case "monday":
        throw fail.closedToday();
      case "odd":
        throw new ConnectError("something else", Code.NotFound);
      case "misfit":
        throw fail.clubFull({ capacity: -1 });
      case "bug":
        throw new TypeError("a secret of the handler");
      default:
        return { name };
    }
  },
  joinOnce({ name }, { fail }) {
    handled.push(name);
    throw fail.clubFull(full);
  },
  async *watch({ name }, { fail }) {
    yield { name };
    throw fail.clubFull(full);
  },
  async joinAll(requests, { fail }) {
    for await (const { name } of requests) handled.push(name);
    throw fail.clubFull(full);
  },
  async *talk(requests, { fail }) {
    for await (const { name } of requests) {
      if (name === "late") throw fail.clubFull(full);
      yield { name };
    }
  },
  async knock(requests, { fail }) {
    for await (const { name } of requests) if (name === "late") throw fail.clubFull(full);
  },
  leave({ name }) {
    return { name };
  },
};

/** Lets nobody read what is said inside. */
const doorkeeper = definePlugin({
  name: "doorkeeper",
  start: () => ({
    topic: () => ({
      subscribe() {
        throw failDeclared(clubInsideErrors.banned, { until, by: "the doorkeeper" });
      },
    }),
  }),
});

let app: Raceway;
let url = "";
const memory = memoryTransport();
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  app = raceway({ transports: [memory.server, websocket(), sse(), poll(), grpc()], use: [doorkeeper] });
  app.serve(clubService, handlers);
  ({ url } = await app.listen({ port: 0, host: "127.0.0.1" }));
});
afterAll(async () => {
  for (const close of closers) await close();
  await app.close(0);
});

function session(transport: ClientTransport, json = false): Transport {
  const connection = connect(url, { transports: [transport], probeMs: 0, ...(json && { codecs: [jsonCodec()] }) });
  closers.push(() => connection.close());
  return connection;
}

const ways: readonly (readonly [string, () => Transport])[] = [
  ["memory", () => session(memory.client)],
  ["memory, as JSON", () => session(memory.client, true)],
  ["websocket", () => session(websocketLink())],
  ["websocket, as JSON", () => session(websocketLink(), true)],
  ["sse", () => session(sseLink())],
  ["poll", () => session(pollLink())],
  ["grpc", () => session(grpcLink())],
  ["gRPC door", () => createGrpcTransport({ baseUrl: url })],
  ["gRPC-web door", () => createGrpcWebTransport({ baseUrl: url, httpVersion: "2" })],
  ["Connect door", () => createConnectTransport({ baseUrl: url, httpVersion: "2" })],
  ["Connect door, binary", () => createConnectTransport({ baseUrl: url, httpVersion: "2", useBinaryFormat: true })],
];

async function thrown(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
async function read(messages: AsyncIterable<unknown>, into: unknown[] = []): Promise<void> {
  for await (const message of messages) into.push(message);
}

describe.each(ways)("by %s", (_, transport) => {
  it("a call's errors are told apart by reason, with their details", async () => {
    const club = clubClient(transport());
    const late = clubJoinError(await thrown(() => club.join({ name: "late" })));
    expect(late).toBeInstanceOf(ConnectError);
    expect(late).toMatchObject({ reason: "CLUB_FULL", code: Code.ResourceExhausted, rawMessage: "The club is full." });
    expect(late.detail).toEqual(create(ClubFullSchema, full));
    expect(retryAfterMs(late)).toBe(1_500);
    const rude = clubJoinError(await thrown(() => club.join({ name: "rude" })));
    expect(rude).toMatchObject({ reason: "BANNED", code: Code.PermissionDenied, rawMessage: "Not after last time." });
    expect(rude.detail).toEqual(create(BanSchema, { until, by: "the owner" }));
    const monday = clubJoinError(await thrown(() => club.join({ name: "monday" })));
    expect(monday).toMatchObject({ reason: "CLOSED_TODAY", code: Code.FailedPrecondition, detail: undefined });
  });

  it("whatever else fails is a ConnectError without a reason", async () => {
    const club = clubClient(transport());
    const odd = await thrown(() => club.join({ name: "odd" }));
    expect(clubJoinError(odd)).toBe(odd);
    expect(clubJoinError(odd)).toMatchObject({ code: Code.NotFound, rawMessage: "something else" });
    expect(clubJoinError(odd).reason).toBeUndefined();
    const bug = clubJoinError(await thrown(() => club.join({ name: "bug" })));
    expect(bug.reason).toBeUndefined();
    expect(bug.code).toBe(Code.Internal);
    expect(bug.message).not.toContain("secret");
  });

  it("a detail that does not fit its schema is the handler's mistake, and the session goes on", async () => {
    const club = clubClient(transport());
    const misfit = clubJoinError(await thrown(() => club.join({ name: "misfit" })));
    expect(misfit.reason).toBeUndefined();
    expect(misfit.code).toBe(Code.Internal);
    await expect(club.join({ name: "ada" })).resolves.toMatchObject({ name: "ada" });
  });

  it("streams end with them, after what came before", async () => {
    const club = clubClient(transport());
    const seen: unknown[] = [];
    const watched = clubWatchError(await thrown(() => read(club.watch({ name: "ada" }), seen)));
    expect(seen).toMatchObject([{ name: "ada" }]);
    expect(watched).toMatchObject({ reason: "CLUB_FULL", detail: full });
    const all = clubJoinAllError(await thrown(() => club.joinAll(from([{ name: "ada" }]))));
    expect(all).toMatchObject({ reason: "CLUB_FULL", detail: full });
    const talked = clubTalkError(await thrown(() => read(club.talk(from([{ name: "ada" }, { name: "late" }])))));
    expect(talked).toMatchObject({ reason: "CLUB_FULL", detail: full });
  });

  it("a signal's sender hears of them", async () => {
    const sender = clubClient(transport()).knock();
    sender.send({ name: "late" });
    const error = clubKnockError(await thrown(() => sender.close()));
    expect(error).toMatchObject({ reason: "CLUB_FULL", detail: full });
  });

  it("a topic's subscribers get what a gate declares", async () => {
    const error = clubInsideError(await thrown(() => read(clubClient(transport()).inside({ room: "bar" }))));
    expect(error).toMatchObject({ reason: "BANNED", detail: { by: "the doorkeeper" } });
  });

  it("a call that runs once gives the same error to whoever repeats it", async () => {
    const club = clubClient(transport());
    const headers = { "idempotency-key": `key ${ways.findIndex(([name]) => name === _)}` };
    const before = handled.length;
    const errors = [
      clubJoinOnceError(await thrown(() => club.joinOnce({ name: "eve" }, { headers }))),
      clubJoinOnceError(await thrown(() => club.joinOnce({ name: "eve" }, { headers }))),
    ];
    for (const error of errors) expect(error).toMatchObject({ reason: "CLUB_FULL", detail: full });
    expect(handled.slice(before)).toEqual(["eve"]);
  });

  it("Connect's own client gets the same", async () => {
    const foreign = createClient(ClubService, transport());
    const error = await thrown(() => foreign.join({ name: "rude" }));
    expect(clubJoinError(error)).toMatchObject({ reason: "BANNED", detail: { by: "the owner" } });
    expect((error as ConnectError).findDetails(BanSchema)).toMatchObject([{ by: "the owner" }]);
    expect(errorInfo(error)).toEqual({ reason: "BANNED", domain: "club.v1.ClubService", metadata: {} });
  });
});

describe("what a client does not know", () => {
  const come = (
    reason: string,
    details: readonly (readonly [DescMessage, object])[],
    domain = "club.v1.ClubService",
  ) => {
    const error = failDeclared({ domain, reason, code: Code.Aborted, message: "m", detail: undefined });
    for (const [desc, value] of details)
      error.details.push({ type: desc.typeName, value: toBinary(desc, create(desc, value as never)) });
    return error;
  };

  it("a reason that a newer server declares stays a ConnectError, with its reason in its ErrorInfo", () => {
    const error = come("DRESS_CODE", []);
    expect(clubJoinError(error)).toBe(error);
    expect(clubJoinError(error).reason).toBeUndefined();
    expect(errorInfo(clubJoinError(error))?.reason).toBe("DRESS_CODE");
  });

  it("the same reason of another service is another error", () => {
    expect(clubJoinError(come("CLUB_FULL", [], "other.v1.ClubService")).reason).toBeUndefined();
  });

  it("a detail that an older server does not send is empty, and so is one that cannot be read", () => {
    expect(clubJoinError(come("CLUB_FULL", []))).toMatchObject({ reason: "CLUB_FULL", detail: { capacity: 0 } });
    const broken = come("CLUB_FULL", []);
    broken.details.push({ type: "club.v1.ClubFull", value: Uint8Array.of(0xff) });
    expect(clubJoinError(broken)).toMatchObject({ reason: "CLUB_FULL", detail: { capacity: 0, members: [] } });
  });

  it("details that the schema does not name are passed over", () => {
    const error = come("CLUB_FULL", [
      [BanSchema, { by: "nobody" }],
      [ClubFullSchema, { capacity: 3 }],
    ]);
    expect(clubJoinError(error).detail).toMatchObject({ capacity: 3 });
  });

  it("what is no ConnectError becomes one", () => {
    const stopped = clubJoinError(new DOMException("stopped", "AbortError"));
    expect(stopped).toMatchObject({ code: Code.Canceled, rawMessage: "stopped" });
    expect(clubJoinError("text")).toBeInstanceOf(ConnectError);
    expect(clubJoinError(undefined).reason).toBeUndefined();
  });

  it("Raceway's own reasons stay Raceway's", () => {
    const error = clubJoinError(failRaceway("call_cancelled"));
    expect(error.reason).toBeUndefined();
    expect(reasonOf(error)).toBe("call_cancelled");
    expect(reasonOf(clubJoinError(come("CLUB_FULL", [])))).toBeUndefined();
  });

  it("an error that is looked at twice, by two channels, is not changed by it", () => {
    const error = come("BANNED", []);
    expect(clubJoinError(error).reason).toBe("BANNED");
    expect(declaredError(error, clubWatchErrors)).toBe(error);
    expect(error).not.toHaveProperty("reason");
    const again = clubJoinError(clubJoinError(error));
    expect(again).toMatchObject({ reason: "BANNED", code: Code.Aborted, rawMessage: "m" });
    expect(again.stack).toBe(error.stack);
  });
});

it("`fail` has what the schema declares, and nothing else", async () => {
  const seen: object[] = [];
  const own = memoryTransport();
  await using other = raceway({ transports: [own.server] });
  other.serve(clubService, {
    ...handlers,
    join(_, context) {
      seen.push(context.fail);
      return {};
    },
    leave(_, context) {
      seen.push(context.fail);
      return {};
    },
  });
  await other.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://club", { transports: [own.client] });
  const club = clubClient(connection);
  await club.join({});
  await club.join({});
  await club.leave({});
  expect(seen.map((fail) => Object.keys(fail))).toEqual([
    Object.keys(clubJoinErrors),
    Object.keys(clubJoinErrors),
    ["clubFull"],
  ]);
  expect(seen[0]).toBe(seen[1]); // made once per channel
  expect(Object.isFrozen(seen[0])).toBe(true);
});

it("a switch over the reasons is complete", () => {
  const say = (error: ClubJoinError): string => {
    switch (error.reason) {
      case "CLUB_FULL":
        return `${error.detail.capacity} seats`;
      case "BANNED":
        return `by ${error.detail.by}`;
      case "CLOSED_TODAY":
        return "closed";
      case undefined:
        return error.rawMessage;
    }
  };
  expect(say(clubJoinError(failDeclared(clubJoinErrors.clubFull, full)))).toBe("2 seats");
  expect(say(clubJoinError(failDeclared(clubJoinErrors.closedToday)))).toBe("closed");
  expect(say(clubJoinError(new Error("no")))).toBe("no");
});
