// Handshakes that come late, twice, or to nothing: links that stand by, Hellos under way, plugins that fail, and a first link that dies at once.
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { definePlugin, fail, memoryTransport, reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { gate } from "./gate.ts";
import { handlers, lab } from "./lab.ts";
import { hello, open, rawPeer, welcomeOf } from "./raw-peer.ts";

const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);
const chat = (call: number) => open(call, "/lab.v1.LabService/Chat", { end: false, payload: undefined });

/** A server on two transports; who comes by "late" is let in when the test says so. */
async function lateDoor(options: { helloMs?: number } = {}) {
  const clock = virtualClock();
  const late = memoryTransport({ transport: "late" });
  const prompt = memoryTransport({ transport: "prompt" });
  let waiting: (() => void)[] = [];
  const calls: string[] = [];
  const app = raceway({
    transports: [late.server, prompt.server],
    clock,
    limits: { helloMs: options.helloMs ?? 10_000 },
    use: [
      definePlugin({
        name: "doorkeeper",
        start: () => ({
          session: async ({ transport }) => {
            if (transport === "late") await new Promise<void>((resolve) => waiting.push(resolve));
          },
        }),
      }),
    ],
  });
  app.serve(labService, handlers(calls, clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connection = connect("http://lab", {
    transports: [late.client, prompt.client],
    clock,
    probeMs: 0,
    limits: { helloMs: options.helloMs ?? 10_000 },
  });
  return {
    clock,
    app,
    late,
    prompt,
    connection,
    calls,
    client: labClient(connection),
    letIn(): void {
      for (const go of waiting) go();
      waiting = [];
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
      const closing = app.close(0);
      await clock.advance(100);
      await closing;
    },
  };
}

describe("a link that stands by", () => {
  it("is closed after the time of a handshake if the client never speaks on it, and the session stays where it is", async () => {
    await using it1 = await lab({ server: { limits: { helloMs: 1_000 } } });
    const first = await rawPeer(it1.memory, it1.clock);
    first.say(hello());
    await it1.clock.settle();
    const { session, secret } = welcomeOf(first);
    first.say(chat(1));
    await it1.clock.settle();
    const second = await rawPeer(it1.memory, it1.clock);
    second.say(hello({ session, secret }));
    await it1.clock.advance(900);
    expect(welcomeOf(second).resumed).toBe(true);
    expect([first.closed, second.closed]).toEqual([false, false]);
    await it1.clock.advance(200);
    expect([first.closed, second.closed]).toEqual([false, true]);
    first.say({ kind: "data", call: 1, payload: Uint8Array.of(0x0a, 1, 0x61), header: undefined });
    await it1.clock.settle();
    expect(first.frames.at(-1)).toMatchObject({ kind: "data", call: 1 });
    expect(second.frames.map(({ kind }) => kind)).toEqual(["welcome"]);
  });

  it("is used by the server when the link before it dies, without a word of the client", async () => {
    await using it1 = await lab();
    const first = await rawPeer(it1.memory, it1.clock);
    first.say(hello());
    await it1.clock.settle();
    const { session, secret } = welcomeOf(first);
    first.say(chat(1));
    first.say({ kind: "data", call: 1, payload: Uint8Array.of(0x0a, 1, 0x61), header: undefined });
    await it1.clock.settle();
    const second = await rawPeer(it1.memory, it1.clock);
    second.say(hello({ session, secret }));
    await it1.clock.settle();
    first.link.close();
    await it1.clock.settle();
    expect(second.frames.some((frame) => frame.kind === "data" && frame.call === 1)).toBe(true);
    expect(it1.app.sessions).toBe(2); // this one and the bystander's
  });
});

describe("a server that welcomes late", () => {
  it("when another link has won the race: the late session is not left behind", async () => {
    await using it1 = await lateDoor();
    await it1.clock.advance(300); // the stagger
    expect(it1.connection.state.current).toMatchObject({ status: "open", transport: "prompt" });
    it1.letIn();
    await it1.clock.advance(100);
    expect((await it1.client.echo({ text: "x" })).text).toBe("x");
    expect(it1.app.sessions).toBe(1);
    expect(it1.connection.state.current.transport).toBe("prompt");
  });

  it("during a switch: what is in flight goes on meanwhile, and nothing is forgotten that the Welcome may need", async () => {
    await using it1 = await lateDoor();
    await it1.clock.advance(300);
    const seen: number[] = [];
    const counting = (async () => {
      for await (const { value } of it1.client.count({ from: 1, to: 1_000 })) seen.push(value);
    })();
    const switching = it1.connection.switchTo("late");
    await it1.clock.advance(2_000); // far longer than acknowledgements are held back
    expect(seen.length).toBeGreaterThan(200);
    it1.letIn();
    await it1.clock.advance(100);
    await switching;
    expect(it1.connection.state.current).toMatchObject({ status: "open", transport: "late" });
    await counting;
    expect(seen).toEqual(upTo(1_000));
  });

  it("after the client has given up: it stays where it is, and so does the server", async () => {
    await using it1 = await lateDoor({ helloMs: 500 });
    await it1.clock.advance(300);
    const switching = it1.connection.switchTo("late").catch((error: unknown) => reasonOf(error));
    await it1.clock.advance(600);
    expect(await switching).toBe("hello_timeout");
    it1.letIn();
    await it1.clock.advance(100);
    expect((await it1.client.echo({ text: "x" })).text).toBe("x");
    expect(it1.connection.state.current).toMatchObject({ status: "open", transport: "prompt" });
    expect(it1.app.sessions).toBe(1);
  });

  it("when the link in use dies while the switch is under way: the session goes on over the new one", async () => {
    await using it1 = await lateDoor();
    await it1.clock.advance(300);
    const call = it1.client.echo({ text: "x", delayMs: 1_000 });
    await it1.clock.settle();
    const switching = it1.connection.switchTo("late").catch((error: unknown) => error);
    await it1.clock.advance(10);
    it1.prompt.cut();
    it1.letIn();
    await it1.clock.advance(5_000);
    it1.letIn(); // should the race have come by as well
    await it1.clock.advance(5_000);
    expect((await call).text).toBe("x");
    await switching;
    expect(it1.calls.filter((text) => text === "echo x")).toHaveLength(1);
    expect(it1.app.sessions).toBe(1);
  });
});

it("a first link that dies in the turn in which it was welcomed: another is opened", async () => {
  const clock = virtualClock();
  const link = memoryTransport();
  await using app = raceway({ transports: [link.server], clock });
  app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://lab", { transports: [link.client], clock });
  let deaths = 0;
  connection.state.subscribe(({ status }) => {
    if (status === "open" && deaths++ < 3) link.cut();
  });
  const call = labClient(connection).echo({ text: "x" });
  await clock.advance(30_000);
  expect((await call).text).toBe("x");
  expect(deaths).toBeGreaterThan(3);
  await connection.close();
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

describe("a plugin of the client", () => {
  const introducing = (introduce: () => Promise<void>) =>
    definePlugin({ name: "introducer", start: () => ({ introduce }) });

  it("that cannot introduce it now is asked again later", async () => {
    let asked = 0;
    await using it1 = await lab({
      client: {
        use: [
          introducing(async () => {
            if (++asked < 4) throw new Error("the token server is away");
          }),
        ],
      },
    });
    const call = it1.client.echo({ text: "x" });
    await it1.clock.advance(10_000);
    expect((await call).text).toBe("x");
    expect(asked).toBeGreaterThanOrEqual(4);
  });

  it("that says that there is no way ends all calls, and is asked no more", async () => {
    let asked = 0;
    await using it1 = await lab({
      client: {
        use: [
          introducing(async () => {
            asked++;
            throw new ConnectError("who are you?", Code.Unauthenticated);
          }),
        ],
      },
    });
    const call = it1.client.echo({ text: "x" }).catch((error: unknown) => ConnectError.from(error).code);
    await it1.clock.advance(60_000);
    expect(await call).toBe(Code.Unauthenticated);
    expect(asked).toBeLessThanOrEqual(2);
    expect(it1.connection.state.current.status).toBe("offline");
  });

  it("that cannot start ends all calls of every kind, those made later too", async () => {
    const broken = definePlugin({
      name: "broken",
      start: () => Promise.reject(fail("option_invalid", { part: "broken", option: "x", value: "1", expected: "2" })),
    });
    await using it1 = await lab({ client: { use: [broken] } });
    const first = it1.client.echo({ text: "x" }).catch((error: unknown) => reasonOf(error));
    await it1.clock.advance(1_000);
    const second = it1.client.echo({ text: "y" }).catch((error: unknown) => reasonOf(error));
    const third = (async () => {
      for await (const _ of it1.client.count({ from: 1, to: 2 }));
    })().catch((error: unknown) => reasonOf(error));
    await it1.clock.advance(60_000);
    expect(await Promise.all([first, second, third])).toEqual(["option_invalid", "option_invalid", "option_invalid"]);
  });
});

it("pings end: with the link, and with the connection", async () => {
  const clock = virtualClock();
  const link = memoryTransport();
  const way = gate(link.client);
  await using app = raceway({ transports: [link.server], clock });
  app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://lab", { transports: [way.transport], clock });
  await clock.settle();
  way.mute = true; // the answer never comes
  const first = connection.ping().catch((error: unknown) => reasonOf(error));
  await clock.settle();
  link.cut();
  await clock.settle();
  expect(await first).toBe("link_closed");
  way.mute = false;
  await clock.advance(5_000);
  way.mute = true;
  const second = connection.ping().catch((error: unknown) => reasonOf(error));
  await clock.settle();
  await connection.close();
  expect(await second).toBe("connection_closed");
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});
