// `testApp` of @raceway/testing: what a test can do to an application, and what the application makes of it.
import { Code, ConnectError } from "@connectrpc/connect";
import { type Clock, peer, principal, reasonOf } from "@raceway/core";
import { ipFilter } from "@raceway/middleware/ip-filter";
import { rbac } from "@raceway/middleware/rbac";
import { MemoryStorage, memory, type Raceway } from "@raceway/server";
import { collect, mockService, testApp } from "@raceway/testing";
import { grpc } from "@raceway/transport-grpc/server";
import { describe, expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { roomClient } from "../gen/chat/v1/room.client.ts";
import { type RoomPublishers, roomService } from "../gen/chat/v1/room.server.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";

/** The chat, as its author serves it, here and in production. */
function chat(app: Raceway): RoomPublishers {
  const rooms: RoomPublishers = app.serve(roomService, {
    async say({ room, text }, context) {
      if (text === "oops") throw new Error("the handler's own trouble");
      const { offset } = await rooms.messages.publish({ room }, { text, by: context.get(principal).id });
      return { offset };
    },
  });
  return rooms;
}
const lab = (app: Raceway, clock: Clock): unknown => app.serve(labService, handlers([], clock));
const ann = { id: "ann", scopes: ["chat"] };
const use = [rbac()];
/** How a call ends; the promise is looked at right away, so that its failure is nobody's surprise. */
const outcome = <T>(promise: Promise<T>): Promise<T | ConnectError> =>
  promise.catch((error: unknown) => ConnectError.from(error));

describe("an application in memory", () => {
  it("serves clients without a port, and gives back what was served", async () => {
    await using app = await testApp(chat, { use });
    const heard = collect(roomClient(app.connect({ as: ann })).messages({ room: "tea" }, { from: "start" }));
    expect(await roomClient(app.connect({ as: { ...ann, id: "bob" } })).say({ room: "tea", text: "hello" })).toEqual(
      expect.objectContaining({ offset: 1 }),
    );
    await app.served.messages.publish({ room: "tea" }, { text: "welcome", by: "house" });
    await app.clock.settle();
    expect(heard.items.map(({ text, by }) => `${by}: ${text}`)).toEqual(["bob: hello", "house: welcome"]);
    expect(app.server.sessions).toBe(2);
    await heard.stop();
    expect(heard.ended).toBe(true);
  });

  it("is started when the test gets it, so that what stops a start fails there", async () => {
    await expect(testApp(chat)).rejects.toSatisfy((error) => reasonOf(error) === "policy_unenforced");
  });

  it("holds callers to its rules: a client is who the test says it is", async () => {
    await using app = await testApp(chat, { use });
    const without = roomClient(app.connect({ as: { id: "eve", scopes: [] } }));
    expect(ConnectError.from(await outcome(without.say({ room: "tea", text: "x" }))).code).toBe(Code.PermissionDenied);
    const nobody = roomClient(app.connect());
    expect(ConnectError.from(await outcome(nobody.say({ room: "tea", text: "x" }))).code).toBe(Code.Unauthenticated);
  });

  it("sees the address and the headers that the test gives a client", async () => {
    const tellsCookie = (server: Raceway): unknown =>
      server.serve(
        labService,
        mockService(labService, { peek: (_, context) => ({ text: context.get(peer).header("cookie") ?? "none" }) })
          .handlers,
      );
    await using app = await testApp(tellsCookie, { use: [ipFilter({ deny: ["10.0.0.0/8"] })] });
    const letIn = labClient(app.connect({ address: "192.0.2.1", headers: { cookie: "a=1" } }));
    expect((await letIn.peek({})).text).toBe("a=1");
    expect((await labClient(app.connect()).peek({})).text).toBe("none");
    const denied = await outcome(labClient(app.connect({ address: "10.1.2.3" })).peek({}));
    expect(reasonOf(denied)).toBe("address_refused");
  });

  it("says why a call ended with `internal`", async () => {
    await using app = await testApp(chat, { use });
    const failed = await outcome(roomClient(app.connect({ as: ann })).say({ room: "tea", text: "oops" }));
    expect(failed).toMatchObject({ code: Code.Internal });
    expect(app.problems).toEqual([
      expect.objectContaining({ side: "server", level: "error", fields: expect.anything() }),
    ]);
    expect(JSON.stringify(app.problems)).toContain("the handler's own trouble");
  });

  it("answers over the network, too, with a transport for it", async () => {
    await using app = await testApp(lab, { transports: [grpc()] });
    const { url } = await app.server.listen({ port: 0, host: "127.0.0.1" });
    const response = await fetch(`${url}/lab.v1.LabService/Add`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"a":1,"b":2}',
    });
    expect(await response.json()).toEqual({ sum: 3 });
  });

  it("works beside a test's own fake timers", async () => {
    vi.useFakeTimers();
    try {
      await using app = await testApp(lab);
      expect((await labClient(app.connect()).add({ a: 1, b: 2 })).sum).toBe(3);
      await app.clock.advance(1_000);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("time", () => {
  it("is the test's: a deadline passes when the test lets it", async () => {
    await using app = await testApp((server, clock) =>
      server.serve(labService, { ...handlers([], clock), echo: () => new Promise(() => {}) }),
    );
    const call = outcome(labClient(app.connect()).echo({ text: "x" }, { timeoutMs: 60_000 }));
    let ended = false;
    void call.then(() => (ended = true));
    await app.clock.advance(59_000);
    expect(ended).toBe(false);
    await app.clock.advance(1_500);
    expect(await call).toMatchObject({ code: Code.DeadlineExceeded });
  });
});

describe("the link", () => {
  it("cut: the client comes back, and what was on its way comes once", async () => {
    await using app = await testApp(chat, { use });
    const connection = app.connect({ as: ann });
    const rooms = roomClient(connection);
    const heard = collect(rooms.messages({ room: "tea" }, { from: "start" }));
    await rooms.say({ room: "tea", text: "1" });
    connection.link.cut();
    const said = rooms.say({ room: "tea", text: "2" });
    await app.clock.advance(5_000);
    expect((await said).offset).toBe(2);
    expect(heard.items.map(({ text }) => text)).toEqual(["1", "2"]);
    expect(connection.link.opened).toBe(2);
    expect(connection.state.current.status).toBe("open");
  });

  it("stall: nothing passes, and nobody is told; flow: all comes in order", async () => {
    await using app = await testApp(chat, { use });
    const connection = app.connect({ as: ann });
    const rooms = roomClient(connection);
    const heard = collect(rooms.messages({ room: "tea" }, { from: "start" }));
    await rooms.say({ room: "tea", text: "1" });
    await app.clock.settle();
    connection.link.stall();
    const said = rooms.say({ room: "tea", text: "2" });
    await app.served.messages.publish({ room: "tea" }, { text: "3" });
    await app.clock.advance(2_000);
    expect(heard.items).toHaveLength(1);
    expect(connection.state.current.status).toBe("open");
    connection.link.flow();
    await said;
    await app.clock.settle();
    expect(heard.items.map(({ text }) => text)).toEqual(["1", "3", "2"]);
    expect(connection.link.opened).toBe(1);
  });

  it("stall for long: silence is noticed", async () => {
    await using app = await testApp(lab);
    const connection = app.connect();
    await labClient(connection).add({ a: 1, b: 2 });
    connection.link.stall();
    await app.clock.advance(60_000);
    expect(connection.state.current.status).not.toBe("open");
    connection.link.flow();
    await app.clock.advance(60_000);
    expect(connection.state.current.status).toBe("open");
  });

  it("stall: memory is bounded, for a stream that nobody takes away stops its handler", async () => {
    let made = 0;
    await using app = await testApp((server, clock) =>
      server.serve(labService, {
        ...handlers([], clock),
        async *count() {
          for (;;) yield { value: ++made };
        },
      }),
    );
    const connection = app.connect();
    const read = collect(labClient(connection).count({}));
    await vi.waitFor(() => expect(read.items.length).toBeGreaterThan(0));
    connection.link.stall();
    await app.clock.settle();
    const then = made;
    await app.clock.advance(5_000);
    expect(made - then).toBeLessThan(10_000);
    const later = made;
    await app.clock.advance(5_000);
    expect(made).toBe(later);
    await read.stop();
  });

  it("delay: a call takes two ways", async () => {
    await using app = await testApp(lab);
    const connection = app.connect();
    const client = labClient(connection);
    await client.add({ a: 1, b: 2 });
    connection.link.delay(200);
    let sum = 0;
    const call = client.add({ a: 2, b: 3 }).then((reply) => (sum = reply.sum));
    await app.clock.advance(399);
    expect(sum).toBe(0);
    await app.clock.advance(1);
    expect(sum).toBe(5);
    await call;
    // What is sent after what is still on its way does not overtake it.
    const stream = collect(client.count({ from: 1, to: 3 }));
    await app.clock.advance(200);
    connection.link.delay(0);
    const quick = client.add({ a: 1, b: 1 });
    await app.clock.advance(200);
    expect((await quick).sum).toBe(2);
    expect(stream.items.map(({ value }) => value)).toEqual([1, 2, 3]);
    expect(() => connection.link.delay(-1)).toThrow(RangeError);
  });

  it("delay: a link opens in one round trip, and the handshake takes another", async () => {
    await using app = await testApp(lab);
    const connection = app.connect();
    connection.link.delay(100);
    await app.clock.advance(0);
    connection.link.cut();
    await app.clock.advance(30_000);
    expect(connection.state.current.status).toBe("open");
    const ping = connection.ping();
    await app.clock.advance(200);
    expect(await ping).toBe(200);
  });

  it("offline: calls wait, and go when it is online again", async () => {
    await using app = await testApp(lab);
    const connection = app.connect();
    const client = labClient(connection);
    await client.add({ a: 1, b: 2 });
    connection.link.offline();
    await app.clock.settle();
    const waiting = client.add({ a: 2, b: 2 });
    await app.clock.advance(10_000);
    expect(connection.state.current.status).toBe("offline");
    expect(connection.outbox.current.count).toBe(1);
    connection.link.online();
    await app.clock.advance(40_000);
    expect((await waiting).sum).toBe(4);
  });

  it("is each client's own", async () => {
    await using app = await testApp(lab);
    const [lost, well] = [app.connect(), app.connect()];
    await app.clock.settle();
    lost.link.offline();
    expect((await labClient(well).add({ a: 1, b: 2 })).sum).toBe(3);
    expect(lost.state.current.status).not.toBe("open");
    expect(well.state.current.status).toBe("open");
  });
});

describe("the server's process", () => {
  it("crash and start: readers of a topic go on where they were, with what the backplane has kept", async () => {
    await using app = await testApp(chat, { use, backplane: memory({ storage: new MemoryStorage() }) });
    const connection = app.connect({ as: ann });
    const rooms = roomClient(connection);
    const heard = collect(rooms.messages({ room: "tea" }, { from: "start" }));
    await rooms.say({ room: "tea", text: "1" });
    await app.clock.settle();
    const before = app.server;
    await app.crash();
    await app.clock.advance(3_000);
    expect(connection.state.current.status).not.toBe("open");
    await app.start();
    expect(app.server).not.toBe(before);
    await app.served.messages.publish({ room: "tea" }, { text: "2" });
    await app.clock.advance(30_000);
    expect(heard.items.map(({ text }) => text)).toEqual(["1", "2"]);
  });

  it("crash and start without a backplane: readers are told that the history is gone", async () => {
    await using app = await testApp(chat, { use });
    const rooms = roomClient(app.connect({ as: ann }));
    const heard = collect(rooms.messages({ room: "tea" }, { from: "start" }));
    await rooms.say({ room: "tea", text: "1" });
    await app.clock.settle();
    await app.crash();
    await app.start();
    await app.served.messages.publish({ room: "tea" }, { text: "2" });
    await app.clock.advance(30_000);
    expect(heard.error && reasonOf(heard.error)).toBe("history_gone");
  });

  it("is started once", async () => {
    await using app = await testApp(lab);
    await expect(app.start()).rejects.toThrow("crash it first");
  });
});

it("ends at once, whatever the links are in the middle of", async () => {
  for (const trouble of ["stall", "offline", "cut"] as const) {
    const app = await testApp(lab);
    const connection = app.connect();
    const call = outcome(labClient(connection).echo({ text: "x", delayMs: 10_000 }));
    await app.clock.settle();
    connection.link[trouble]();
    await app[Symbol.asyncDispose]();
    expect(await call).toBeInstanceOf(ConnectError);
    expect(connection.state.current.status).toBe("closed");
  }
});
