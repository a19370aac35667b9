// `raceway.v1.Admin`, by every way in: what an operator does happens, whoever else tries is refused, and what makes no sense is told.
// It is long because each act is held to its rules in one place.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type JsonValue, fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient } from "@connectrpc/connect";
import { type Logger, type StorePart, reasonOf } from "@raceway/core";
import { Admin, adminContract } from "@raceway/core/admin";
import { rbac } from "@raceway/middleware/rbac";
import { memory, raceway } from "@raceway/server";
import { serveAdmin } from "@raceway/server/admin";
import { virtualClock } from "@raceway/testkit";
import { validate } from "@raceway/validate/server";
import { describe, expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { roomService } from "../gen/chat/v1/room.server.ts";
import { RoomService } from "../gen/chat/v1/room_pb.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import type { Tick } from "../gen/lab/v1/lab_pb.ts";
import { sharedStore } from "../middleware/shared-store.ts";
import { first, names, outcome, wayNames } from "../middleware/stage.ts";
import { type Operator, adminStage, uses } from "./admin-stage.ts";

// Each way in opens sockets, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const json = (value: JsonValue): { case: "json"; value: ReturnType<typeof fromJson<typeof ValueSchema>> } => ({
  case: "json",
  value: fromJson(ValueSchema, value),
});
const ADDRESS = "boards/tea/ticks";
const nothing = (): void => undefined;

/** Reads a topic until its end: what came, and why it ended. */
function read(ticks: AsyncIterable<Tick>): { readonly symbols: string[]; readonly end: Promise<unknown> } {
  const symbols: string[] = [];
  const end = outcome(
    (async () => {
      for await (const { symbol } of ticks) symbols.push(symbol);
    })(),
  );
  return { symbols, end };
}

describe.each(wayNames)("by %s", (way) => {
  it("an operator publishes, sees who is there, unsubscribes and disconnects; nobody else is touched", async () => {
    await using it = await adminStage();
    const admin = it.operator(way);
    const [ann, bob] = [it.client("websocket", "ann"), it.client("gRPC door", "bob")];
    const [anns, bobs] = [read(ann.ticks({ board: "tea" })), read(bob.ticks({ board: "tea" }))];
    await it.subscribed(ADDRESS, 2);

    const first = await admin.publish({ address: ADDRESS, event: json({ symbol: "json", price: 1.5 }) });
    const { epoch, offset } = await admin.publish({
      address: ADDRESS,
      channel: "lab.v1.LabService/Ticks",
      event: { case: "binary", value: Uint8Array.from([0x0a, 3, 0x62, 0x69, 0x6e]) },
    });
    expect([first.offset, offset]).toEqual([1n, 2n]);
    expect(first.epoch).toBe(epoch);

    expect((await admin.listTopics({})).topics).toMatchObject([
      { address: ADDRESS, channel: "lab.v1.LabService/Ticks", subscribers: 2, epoch, offset: 2n },
    ]);
    const { sessions } = await admin.listSessions({ principal: "ann" });
    expect(sessions).toMatchObject([{ principal: "ann", transport: "websocket", calls: 0, subscriptions: 1 }]);
    expect(Math.abs(Number(sessions[0]!.since!.seconds) - Date.now() / 1_000)).toBeLessThan(60);
    expect(await admin.count({ address: ADDRESS })).toMatchObject({
      sessions: 1,
      subscriptions: 1,
      nativeCalls: 1,
      topics: 1,
    });

    const unsubscribed = await admin.unsubscribe({
      whom: { case: "principal", value: "bob" },
      address: ADDRESS,
      reason: "closing time",
    });
    expect(unsubscribed).toMatchObject({ subscriptions: 1, toldOthers: false });
    const end = ConnectError.from(await bobs.end);
    expect([reasonOf(end), end.rawMessage]).toEqual([
      "unsubscribed",
      `An administrator ended the subscription to ${ADDRESS}: closing time.`,
    ]);

    const session = sessions[0]!.session;
    const disconnected = await admin.disconnect({ whom: { case: "session", value: session }, reason: "again, please" });
    expect(disconnected).toMatchObject({ sessions: 1, nativeCalls: 0, toldOthers: false });
    await it.subscribed(ADDRESS, 1); // she came back, by herself
    await admin.publish({ address: ADDRESS, event: json({ symbol: "after" }) });
    while (anns.symbols.length < 3) await new Promise((resolve) => void setTimeout(resolve, 1));
    expect(anns.symbols).toEqual(["json", "bin", "after"]);
    expect(bobs.symbols).toEqual(["json", "bin"]);
    const [again] = (await admin.listSessions({ principal: "ann" })).sessions;
    expect(again?.session).not.toBe(session);
  });

  it.each(Object.keys(uses) as (keyof Operator)[])(
    "%s is refused to whoever is no operator, and does nothing",
    async (use) => {
      await using it = await adminStage();
      const anns = read(it.client("memory", "ann").ticks({ board: "tea" }));
      await it.subscribed(ADDRESS, 1);
      for (const [credential, reason] of [
        ["", "credential_missing"],
        ["bob", "permission_denied"],
        ["operator #admin operator", "permission_denied"],
      ] as const)
        expect(reasonOf(await outcome(uses[use](it.operator(way, credential))))).toBe(reason);
      expect((await it.operator().publish({ address: ADDRESS, event: json({ symbol: "mine" }) })).offset).toBe(1n);
      while (anns.symbols.length === 0) await new Promise((resolve) => void setTimeout(resolve, 1));
      expect(anns.symbols).toEqual(["mine"]);
    },
  );
});

it("every method has a use in these tests, and a policy", () => {
  expect(Object.keys(uses)).toEqual(Admin.methods.map(({ localName }) => localName));
  expect(Object.keys(adminContract.channels)).toEqual(Object.keys(uses));
});

describe("mounted", () => {
  const app = (use: Parameters<typeof raceway>[0]["use"] = []) => raceway({ transports: [], use });
  it("not without a word on who may use it", () => {
    const require = { roles: ["operator"] };
    const two = [true, false].map((everybody) => ({ public: everybody, require })); // of which the first would count, without rbac
    const none = [undefined, {}, { require: {} }, { require: null }, { require: { roles: [], match: "any" } }];
    for (const auth of [...none, { public: false }, ...two])
      expect(reasonOf(thrown(() => serveAdmin(app(), { auth: auth as never })))).toBe("service_unguarded");
  });
  it("not by a rule with a slip in it, which would demand less than was meant", () => {
    const roles = ["operator"];
    for (const [options, said] of [
      [
        { auth: { require: { roles, scope: ["ops"] } } },
        "auth.require of raceway.v1.Admin: there is no option scope; known: scopes, roles, ",
      ],
      [{ auth: { require: { roles: "operator" } } }, 'option roles is "operator", expected a list of strings'],
      [{ auth: { require: { roles, match: "some" } } }, 'option match is "some", expected one of all, any'],
      [{ auth: { public: true }, rules: {} }, "serveAdmin: there is no option rules; known: auth."],
    ] as const)
      expect(() => serveAdmin(app(), options as never)).toThrow(said);
  });
  it("not where nobody keeps that word", async () => {
    const one = app([names]);
    serveAdmin(one, { auth: { require: { roles: ["operator"] } } });
    expect(reasonOf(await outcome(one.fetch(new Request("http://lab/"))))).toBe("policy_unenforced");
  });
  it("for everybody, if that is said", async () => {
    await using one = app();
    serveAdmin(one, { auth: { public: true } });
    expect((await one.fetch(new Request("http://lab/healthz"))).status).toBe(200);
  });
  it("once, and on nothing but a server of this package", () => {
    const one = app();
    serveAdmin(one, { auth: { public: true } });
    expect(reasonOf(thrown(() => serveAdmin(one, { auth: { public: true } })))).toBe("service_twice");
    expect(reasonOf(thrown(() => serveAdmin({} as never, { auth: { public: true } })))).toBe("option_invalid");
  });
  it("nowhere else: a server without it has no such service", async () => {
    await using it = await adminStage();
    const other = raceway({ transports: [] });
    other.serve(labService, handlers([], { after: () => ({ [Symbol.dispose]: nothing }) }));
    expect(other.channels.map(({ path }) => path).filter((path) => path.includes("Admin"))).toEqual([]);
    expect(it.app.channels.filter(({ path }) => path.includes("Admin"))).toHaveLength(6);
  });
});
function thrown(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

describe("publish", () => {
  it("holds an event to its schema, and says what is wrong", async () => {
    await using it = await adminStage({ use: [names, rbac({ default: "public" }), validate()] });
    const admin = it.operator();
    const publish = async (event: Parameters<Operator["publish"]>[0]["event"]): Promise<string> => {
      const error = ConnectError.from(await outcome(admin.publish({ address: ADDRESS, event: event! })));
      return `${reasonOf(error)}: ${error.rawMessage}`;
    };
    expect(await publish(json({ symbl: "x" }))).toMatch(/^payload_malformed: .*lab\.v1\.Tick.*symbl/);
    expect(await publish(json({ symbol: 5 }))).toMatch(/^payload_malformed: .*symbol/);
    expect(await publish(json(["x"]))).toMatch(/^payload_malformed: /);
    expect(await publish({ case: "binary", value: Uint8Array.of(0x0a, 200) })).toMatch(/^payload_malformed: /);
    expect(await publish(json({ price: -1 }))).toMatch(/^message_invalid: .*price/);
    expect((await admin.publish({ address: ADDRESS })).offset).toBe(1n); // an event with nothing in it
  });

  it.each([
    "",
    "boards",
    "boards//ticks",
    "boards/a/b/ticks",
    "boards/tea/ticks/",
    "boards/%74ea/ticks", // another way to write what is written "tea"
    "boards/%/ticks",
    "boards/a b/ticks",
    `boards/${"x".repeat(600)}/ticks`,
    "__proto__",
    "boards/\u0000/ticks",
  ])("knows no topic of the address %j", async (address) => {
    await using it = await adminStage();
    expect(reasonOf(await outcome(it.operator().publish({ address })))).toBe("topic_unknown");
  });
  it("knows no topic of another channel, nor one that is no topic", async () => {
    await using it = await adminStage();
    for (const channel of ["lab.v1.LabService/Echo", "raceway.v1.Admin/Publish", "x"])
      expect(reasonOf(await outcome(it.operator().publish({ address: ADDRESS, channel })))).toBe("topic_unknown");
  });

  it("publishes once with one key, by whatever way it comes again", async () => {
    await using it = await adminStage();
    const headers = { "idempotency-key": "once" };
    const offsets = new Set<bigint>();
    for (const way of wayNames)
      offsets.add(
        (await it.operator(way).publish({ address: ADDRESS, event: json({ symbol: "x" }) }, { headers })).offset,
      );
    expect([...offsets]).toEqual([1n]);
    const other = it.operator().publish({ address: ADDRESS, event: json({ symbol: "y" }) }, { headers });
    expect(reasonOf(await outcome(other))).toBe("idempotency_key_reused");
  });

  it("asks who may publish what, with the operator as the one who does", async () => {
    const asked: unknown[] = [];
    const use = [
      names,
      rbac({
        default: "public",
        publish: {
          "lab.v1.LabService/Ticks"({ principal, address, request, message }) {
            asked.push([principal.id, address, request, (message as Tick).symbol]);
            return (message as Tick).symbol !== "secret" || "not this one";
          },
        },
        rules: { "raceway.v1.Admin/Count": ({ principal: { id } }) => id === "chief" },
      }),
    ];
    await using it = await adminStage({ use });
    const admin = it.operator();
    expect((await admin.publish({ address: "boards/a%2Fb/ticks", event: json({ symbol: "x" }) })).offset).toBe(1n);
    expect(reasonOf(await outcome(admin.publish({ address: ADDRESS, event: json({ symbol: "secret" }) })))).toBe(
      "permission_denied",
    );
    expect(asked).toEqual([
      ["root", "boards/a%2Fb/ticks", { board: "a/b" }, "x"],
      ["root", ADDRESS, { board: "tea" }, "secret"],
    ]);
    expect(reasonOf(await outcome(admin.count({})))).toBe("permission_denied");
    expect(await outcome(it.operator("poll", "chief #operator").count({}))).toBe("ok");
  });
});

describe("lists", () => {
  it("come in pages, in order, each session once, whatever comes and goes meanwhile", async () => {
    await using it = await adminStage();
    const admin = it.operator();
    const visitors = await Promise.all(
      Array.from({ length: 5 }, async (_, at) => {
        const client = it.client("memory", `visitor-${at}`);
        await client.peek({});
        return client;
      }),
    );
    expect(visitors).toHaveLength(5);
    const { sessions: all } = await admin.listSessions({});
    const seen: string[] = [];
    let pageToken = "";
    do {
      const answer = await admin.listSessions({ pageSize: 2, pageToken });
      expect(answer.sessions.length).toBeLessThanOrEqual(2);
      seen.push(...answer.sessions.map(({ session }) => session));
      pageToken = answer.nextPageToken;
      await it.client("memory", "passer-by").peek({});
    } while (pageToken !== "");
    expect(seen).toEqual([...new Set(seen)].toSorted());
    expect(seen).toEqual(expect.arrayContaining(all.map(({ session }) => session)));
    // Of those whose name is asked for, and of nobody.
    expect((await admin.listSessions({ principal: "visitor-3" })).sessions).toHaveLength(1);
    expect((await admin.listSessions({ principal: "visitor" })).sessions).toEqual([]);
    expect((await admin.listSessions({ principal: "" })).sessions).toEqual([]);
  });

  it("take no harm of huge pages and wild tokens", async () => {
    await using it = await adminStage();
    const admin = it.operator();
    const everything = await admin.listSessions({ pageSize: 0xffff_ffff });
    expect(everything.sessions).toHaveLength(2); // the stage's own, and this one
    for (const pageToken of ["\uffff", "zzz", "x".repeat(10_000)])
      expect((await admin.listSessions({ pageSize: 1, pageToken })).sessions).toEqual([]);
    expect((await admin.listSessions({ pageToken: " " })).sessions).toEqual(everything.sessions);
    expect((await admin.listTopics({ prefix: "x".repeat(10_000) })).topics).toEqual([]);
    expect((await admin.listTopics({ pageSize: 0xffff_ffff })).topics).toEqual([]);
  });

  it("have topics while they have subscribers, and begin where it is said", async () => {
    await using it = await adminStage();
    const leaving = new AbortController();
    const boards = ["c", "a", "b"];
    for (const board of boards) void read(it.client("websocket", "ann").ticks({ board }, { signal: leaving.signal }));
    for (const board of boards) await it.subscribed(`boards/${board}/ticks`, 1);
    const admin = it.operator();
    const first = await admin.listTopics({ pageSize: 2 });
    expect(first.topics.map(({ address }) => address)).toEqual(["boards/a/ticks", "boards/b/ticks"]);
    const second = await admin.listTopics({ pageSize: 2, pageToken: first.nextPageToken });
    expect([second.topics.map(({ address }) => address), second.nextPageToken]).toEqual([["boards/c/ticks"], ""]);
    expect((await admin.listTopics({ prefix: "boards/b" })).topics).toHaveLength(1);
    expect(await admin.count({ principal: "ann" })).toMatchObject({ sessions: 3, subscriptions: 3, topics: 3 });
    leaving.abort();
    for (const board of boards) await it.subscribed(`boards/${board}/ticks`, 0);
    expect(await admin.count({ principal: "ann" })).toMatchObject({ sessions: 3, subscriptions: 0, topics: 0 });
  });
});

describe("disconnect", () => {
  const stay = (seconds: number): { seconds: bigint; nanos: number } => ({ seconds: BigInt(seconds), nanos: 0 });
  const disconnect = (admin: Operator, value: string, seconds: number): ReturnType<Operator["disconnect"]> =>
    admin.disconnect({ whom: { case: "principal", value }, reason: "spam", stayAway: stay(seconds) });

  it("keeps a principal away by every way, for as long as it says, or until it is taken back", async () => {
    await using it = await adminStage();
    const admin = it.operator();
    const streams = wayNames.map((way) => read(it.client(way, "mallory").ticks({ board: "tea" })));
    await it.subscribed(ADDRESS, streams.length);
    expect(await disconnect(admin, "mallory", 3_600)).toMatchObject({ sessions: 5, nativeCalls: 3 });
    for (const { end } of streams) expect(reasonOf(await end)).toBe("stays_away");
    for (const way of wayNames) {
      const error = ConnectError.from(await outcome(it.client(way, "mallory").peek({})));
      expect(reasonOf(error), way).toBe("stays_away");
      expect(error.rawMessage).toContain("spam");
      expect(await outcome(it.client(way, "ann").peek({})), way).toBe("ok");
    }
    await admin.disconnect({ whom: { case: "principal", value: "mallory" } });
    for (const way of wayNames) expect(await outcome(it.client(way, "mallory").peek({})), way).toBe("ok");
  });

  it.each(wayNames)("answers who sends himself away before he goes, by %s", async (way) => {
    await using it = await adminStage();
    const admin = it.operator(way);
    const isDoor = way.includes("door");
    const { sessions } = await admin.disconnect({ whom: { case: "principal", value: "root" } });
    expect(sessions).toBe(isDoor ? 1 : 2); // that of the stage, which counts, too
    expect(await outcome(admin.count({}))).toBe("ok");
  });

  it("ends the session of who sends himself away and waits for no answer", async () => {
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    using shared = await sharedStore(virtualClock());
    const store: StorePart = {
      ...shared.part,
      start: async (host) => ({
        ...(await shared.part.start(host)),
        async delete() {
          reached.resolve();
          await released.promise;
        },
      }),
    };
    await using it = await adminStage({ backplane: memory({ store }) });
    const [admin, other] = [it.operator("websocket", "ann #operator"), it.operator()];
    await admin.count({});
    const leaving = new AbortController();
    const whom = { case: "principal", value: "ann" } as const;
    const left = outcome(admin.disconnect({ whom }, { signal: leaving.signal }));
    await reached.promise;
    leaving.abort();
    expect(reasonOf(await left)).toBe("call_cancelled");
    await admin.count({}); // by then the server knows that nobody waits
    const [own] = (await other.listSessions({ principal: "ann" })).sessions;
    released.resolve();
    for (let sessions = [own]; sessions.some((each) => each?.session === own!.session);)
      ({ sessions } = await other.listSessions({ principal: "ann" }));
  });

  it("is told what makes no sense", async () => {
    await using it = await adminStage();
    const admin = it.operator();
    const session = "0123456789abcdef";
    for (const request of [
      {},
      { whom: { case: "principal", value: "" } },
      { whom: { case: "session", value: "" } },
      { whom: { case: "principal", value: "x".repeat(5_000) } },
      { whom: { case: "session", value: session }, stayAway: stay(1) },
      { whom: { case: "principal", value: "root" }, stayAway: stay(1) },
      { whom: { case: "principal", value: "bob" }, stayAway: stay(-1) },
      { whom: { case: "principal", value: "bob" }, stayAway: stay(365 * 86_400 + 1) },
      { whom: { case: "principal", value: "bob" }, reason: "x".repeat(501) },
    ] as const)
      expect(reasonOf(await outcome(admin.disconnect(request as never))), JSON.stringify(request, String)).toBe(
        "admin_request_invalid",
      );
    for (const address of ["", "x".repeat(600)])
      expect(reasonOf(await outcome(admin.unsubscribe({ whom: { case: "session", value: session }, address })))).toBe(
        "admin_request_invalid",
      );
    // Who is not there is not there.
    expect(await admin.disconnect({ whom: { case: "session", value: session } })).toMatchObject({ sessions: 0 });
    expect(await disconnect(admin, "nobody-knows", 1)).toMatchObject({ sessions: 0, nativeCalls: 0 });
  });
});

it("unsubscribing one address leaves the session and its other subscriptions alone", async () => {
  await using it = await adminStage();
  const ann = it.client("websocket", "ann");
  const [tea, milk] = [read(ann.ticks({ board: "tea" })), read(ann.ticks({ board: "milk" }))];
  await it.subscribed(ADDRESS, 1);
  await it.subscribed("boards/milk/ticks", 1);
  const admin = it.operator();
  const [{ session } = { session: "" }] = (await admin.listSessions({ principal: "ann" })).sessions;
  const whom = { case: "session", value: session } as const;
  expect(await admin.unsubscribe({ whom, address: "boards/none/ticks" })).toMatchObject({ subscriptions: 0 });
  expect(await admin.unsubscribe({ whom, address: ADDRESS })).toMatchObject({ subscriptions: 1 });
  expect(reasonOf(await tea.end)).toBe("unsubscribed");
  await admin.publish({ address: "boards/milk/ticks", event: json({ symbol: "on" }) });
  while (milk.symbols.length === 0) await new Promise((resolve) => void setTimeout(resolve, 1));
  expect((await admin.listSessions({ principal: "ann" })).sessions).toMatchObject([{ session, subscriptions: 1 }]);
});

it("what an operator does is in the log, with his name, and nothing in it forges a line", async () => {
  const lines: unknown[] = [];
  const log: Logger = { debug: nothing, warn: nothing, error: nothing, info: (...line) => void lines.push(line) };
  await using it = await adminStage({ log });
  const admin = it.operator();
  const { epoch } = await admin.publish({ address: ADDRESS });
  await admin.disconnect({ whom: { case: "principal", value: "bob" }, reason: "x\nINFO forged", stayAway: stayed });
  await admin.unsubscribe({ whom: { case: "session", value: "s\r" }, address: "a\u2028b" });
  const by = "root";
  const none = { sessions: 0, subscriptions: 0, nativeCalls: 0 };
  expect(lines).toEqual([
    ["admin", { by, act: "published", address: ADDRESS, channel: "/lab.v1.LabService/Ticks", epoch, offset: 1 }],
    [
      "admin",
      { by, act: "disconnected", principal: "bob", reason: "x\\u000aINFO forged", stayAwayMs: 60_000, ...none },
    ],
    ["admin", { by, act: "unsubscribed", session: "s\\u000d", reason: "", address: "a\\u2028b", ...none }],
  ]);
});
const stayed = { seconds: 60n, nanos: 0 };

it("answers curl, with the very lines of docs/admin.md", async () => {
  const page = await readFile(join(import.meta.dirname, "../../docs/admin.md"), "utf8");
  const commands = /```sh\n(admin\(\)[\s\S]*?)```/.exec(page)?.[1];
  await using it = await adminStage({ also: (app) => void app.serve(roomService, { say: () => ({}) }) });
  const ann = createClient(RoomService, it.transport("websocket", "ann chat"));
  const reading = outcome(first(ann.messages({ room: "tea" })));
  await it.subscribed("rooms/tea/messages", 1);
  const { stdout } = await promisify(execFile)("bash", ["-e", "-c", commands!], {
    env: { ...process.env, SERVER: it.url, TOKEN: "root #operator" },
  });
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  expect(answers).toMatchObject([
    { epoch: expect.any(String) as string, offset: "1" },
    { sessions: [{ principal: "ann", transport: "websocket" }] },
    { topics: [{ address: "rooms/tea/messages", channel: "chat.v1.RoomService/Messages", offset: "1" }] },
    { sessions: 2, nativeCalls: 1 },
    {},
    {},
  ]);
  expect(await reading).toBe("ok");
});

it("an operator's client needs nothing but the service's descriptor", async () => {
  await using it = await adminStage();
  const admin = createClient(Admin, it.transport("sse", "root #operator"));
  expect((await admin.count({})).sessions).toBe(2);
});
