// Who may use what: one rule, whatever the way; rules of the application; rights that are lost in mid-session.
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { type ChannelPolicy, definePlugin, memoryTransport, principal, reasonOf } from "@raceway/core";
import { type RbacOptions, rbac } from "@raceway/middleware/rbac";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { hello, open, rawPeer, welcomeOf } from "../app/raw-peer.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { type LabClient, first, names, outcome, stage, wayNames } from "./stage.ts";

const needs = (scope: string): ChannelPolicy => ({ auth: { require: { scopes: [scope] } } });

/** One use of a channel of each kind. */
const uses: Readonly<Record<string, (client: LabClient) => Promise<unknown>>> = {
  "a call": (client) => client.echo({ text: "x" }),
  "a feed": (client) => first(client.count({ from: 1, to: 2 })),
  "a conversation": (client) => first(client.chat(one({ text: "x" }))),
  "an upload": (client) => client.sum(one({ value: 1 })),
  "a topic": (client) => first(client.ticks({ board: "x" }, { headers: { "raceway-after": "start" } })),
};
async function* one<T>(message: T): AsyncGenerator<T> {
  yield message;
}

describe.each(wayNames)("by %s", (way) => {
  it.each(Object.keys(uses).filter((use) => use !== "a conversation" || !way.includes("-web")))(
    "%s is for those who have the scope, and for nobody else",
    async (use) => {
      const policy = Object.fromEntries(["echo", "count", "chat", "sum", "ticks"].map((each) => [each, needs("chat")]));
      await using it = await stage({ policy, use: [names, rbac()] });
      await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
      // Nothing may be handed over before the refusal, and nobody is told more than what the schema says.
      const run = (credential: string): Promise<unknown> => outcome(uses[use]!(it.client(way, credential)));
      expect(reasonOf(await run(""))).toBe("credential_missing");
      const refused = await run("bob other");
      expect(reasonOf(refused)).toBe("permission_denied");
      expect(ConnectError.from(refused).code).toBe(Code.PermissionDenied);
      expect(ConnectError.from(refused).rawMessage).toContain("it needs scope chat");
      expect(it.calls).toEqual([]);
      if (use === "a topic" && !way.includes("door")) {
        const reading = run("ann chat"); // a subscription begins now: what comes after it is read
        for (let at = 2; at < 40 && (await Promise.race([reading, soon()])) === "not yet"; at++)
          await it.topics.ticks.publish({ board: "x" }, { sequence: at });
        expect(await reading).toBe("ok");
      } else expect(await run("ann chat")).toBe("ok");
    },
  );
});
const soon = (): Promise<string> => new Promise((resolve) => setTimeout(resolve, 20, "not yet"));

describe("the schema's lists", () => {
  it.each<[string, ChannelPolicy["auth"], string, string | undefined]>([
    ["all scopes", { require: { scopes: ["a", "b"] } }, "ann a", "it needs scope a and b"],
    ["all scopes, and has them", { require: { scopes: ["a", "b"] } }, "ann b a", undefined],
    ["one of the scopes", { require: { scopes: ["a", "b"], match: "any" } }, "ann b", undefined],
    [
      "one of the scopes, and has none",
      { require: { scopes: ["a", "b"], match: "any" } },
      "ann c",
      "it needs scope a or b",
    ],
    ["a role", { require: { roles: ["admin"] } }, "ann #user", "it needs role admin"],
    ["a role, and has it", { require: { roles: ["admin"] } }, "ann #admin", undefined],
    ["a scope and a role", { require: { scopes: ["a"], roles: ["admin"] } }, "ann a", "it needs role admin"],
    [
      "another way to sign in",
      { require: { methods: ["client-cert"] } },
      "ann",
      "it needs a credential of client-cert",
    ],
    ["its way to sign in", { require: { methods: ["client-cert", "names"] } }, "ann", undefined],
    ["any known principal", { require: {} }, "ann", undefined],
    ["nothing", { public: true }, "", undefined],
  ])("%s", async (_, auth, credential, why) => {
    await using it = await stage({ policy: { echo: { auth: auth! } }, use: [names, rbac()] });
    const answer = await outcome(it.client("memory", credential).echo({ text: "x" }));
    if (why === undefined) expect(answer).toBe("ok");
    else
      expect(ConnectError.from(answer).rawMessage).toBe(`/lab.v1.LabService/Echo is not for this principal: ${why}.`);
  });
});

describe("rules of the application", () => {
  const members: Readonly<Record<string, readonly string[]>> = { tea: ["ann"] };
  const rules: RbacOptions = {
    rules: {
      "lab.v1.LabService/Ticks": ({ principal: { id }, request, address }) => {
        expect(address).toBe(`boards/${(request as { board: string }).board}/ticks`);
        return members[(request as { board: string }).board]?.includes(id) === true || "only members may look";
      },
      "lab.v1.LabService/Count": ({ request }) => (request as { to: number }).to <= 10,
      "lab.v1.LabService/*": async ({ channel }) => {
        await Promise.resolve();
        return channel.endsWith("/Echo");
      },
    },
    publish: {
      "lab.v1.LabService/Ticks": ({ principal: { id }, message }) =>
        id === "ann" || (message as { sequence: number }).sequence < 5,
    },
  };

  it("see the request at hand: only members of the room subscribe to it", async () => {
    await using it = await stage({ use: [names, rbac(rules)] });
    for (const way of ["memory", "Connect door"] as const) {
      const ann = it.client(way, "ann");
      const bob = it.client(way, "bob");
      expect(ConnectError.from(await outcome(first(bob.ticks({ board: "tea" })))).rawMessage).toContain(
        "only members may look",
      );
      expect(await outcome(first(ann.count({ from: 1, to: 3 })))).toBe("ok");
      expect(reasonOf(await outcome(first(ann.count({ from: 1, to: 30 }))))).toBe("permission_denied");
      expect(await outcome(ann.echo({ text: "x" }))).toBe("ok");
      expect(reasonOf(await outcome(ann.add({ a: 1, b: 2 })))).toBe("permission_denied");
    }
    expect(it.calls.filter((line) => line.startsWith("add"))).toEqual([]);
  });

  it("say who publishes, when the handler says for whom it does; the server itself always may", async () => {
    const publisher = async (sequence: number, context: { readonly values: unknown }): Promise<unknown> =>
      outcome(it1.topics.ticks.publish({ board: "tea" }, { sequence }, context as never));
    const answers: unknown[] = [];
    await using it1 = await stage({
      use: [names, rbac(rules)],
      handlers: {
        async echo({ text }, context) {
          answers.push(await publisher(Number(text), context));
          return {};
        },
      },
    });
    for (const [who, sequence] of [
      ["ann", "9"],
      ["bob", "1"],
      ["bob", "9"],
    ] as const)
      await it1.client("memory", who).echo({ text: sequence });
    expect(answers.slice(0, 2)).toEqual(["ok", "ok"]);
    expect(reasonOf(answers[2])).toBe("permission_denied");
    expect((await it1.topics.ticks.publish({ board: "tea" }, { sequence: 99 })).offset).toBe(3);
  });

  it("that the schema names are asked, and what they throw is the answer", async () => {
    const policy: Record<string, ChannelPolicy> = { echo: { auth: { require: { policy: "office-hours" } } } };
    const closed = new ConnectError("come back at nine", Code.Unavailable);
    await using it = await stage({
      policy,
      use: [names, rbac({ policies: { "office-hours": () => Promise.reject(closed) } })],
    });
    expect(await outcome(it.client("memory", "ann").echo({ text: "x" }))).toMatchObject({
      rawMessage: "come back at nine",
      code: Code.Unavailable,
    });
  });
});

describe("channels of which nothing is said", () => {
  it.each<[RbacOptions["default"], string, string | undefined]>([
    [undefined, "", "credential_missing"],
    [undefined, "ann", undefined],
    ["public", "", undefined],
    ["deny", "ann a #admin", "permission_denied"],
  ])("default %s, for %j: %s", async (given, credential, reason) => {
    await using it = await stage({ use: [names, rbac(given === undefined ? {} : { default: given })] });
    expect(reasonOf(await outcome(it.client("memory", credential).echo({ text: "x" })))).toBe(reason);
  });
});

describe("what protects nothing stops the start, or the factory", () => {
  it.each<[string, () => Promise<unknown>, string]>([
    [
      "a policy that nobody has given",
      () => stage({ policy: { echo: { auth: { require: { policy: "x" } } } }, use: [names, rbac()] }),
      "policy_unknown",
    ],
    [
      "a rule for a channel that is not there",
      () => stage({ use: [names, rbac({ rules: { "lab.v1.LabService/Ecko": () => true } })] }),
      "rule_unused",
    ],
    ["no plugin that provides a principal", () => stage({ use: [rbac()] }), "plugin_missing_provider"],
    [
      "no plugin that keeps the policy",
      () => stage({ policy: { echo: needs("a") }, use: [names] }),
      "policy_unenforced",
    ],
    ["limits that nobody keeps", () => stage({ policy: { echo: { maxConcurrent: 1 } }, use: [] }), "policy_unenforced"],
  ])("%s", async (_, start, reason) => {
    const error: unknown = await Promise.resolve()
      .then(start)
      .catch((cause: unknown) => cause);
    expect(reasonOf(error)).toBe(reason);
  });
  it("options that are not there, or of the wrong type", () => {
    expect(() => rbac({ rule: {} } as RbacOptions)).toThrow("rule");
    expect(() => rbac({ rules: { "a.B/C": true as never } })).toThrow('rules["a.B/C"]');
    expect(() => rbac({ default: "all" as never })).toThrow("one of deny, authenticated, public");
  });
});

describe("rights that are lost in mid-session", () => {
  it("end the streams and subscriptions that need them, within a second; others live on", async () => {
    const clock = virtualClock();
    const memory = memoryTransport();
    let scopes = ["feeds", "topics", "talk"];
    const who = definePlugin({
      name: "who",
      provides: [principal],
      start: () => ({
        session(opening) {
          opening.context.set(principal, { id: "ann", scopes });
          opening.expiresIn(10_000);
        },
      }),
    });
    await using app = raceway({ transports: [memory.server], clock, use: [who, rbac()] });
    const policy = { count: needs("feeds"), ticks: needs("topics"), chat: needs("talk") };
    app.serve(
      { ...labService, policy },
      {
        ...handlers([], clock),
        async *count(_, { signal }) {
          yield { value: 1 };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
    );
    await app.listen({ port: 0, host: "127.0.0.1" });
    await using connection = connect("http://lab", { transports: [memory.client], clock, probeMs: 0 });
    const client = labClient(connection);
    const ended: Record<string, unknown> = {};
    const follow = async (name: string, messages: AsyncIterable<unknown>): Promise<void> => {
      ended[name] = "runs";
      try {
        for await (const _ of messages);
        ended[name] = "ended";
      } catch (error) {
        ended[name] = reasonOf(error);
      }
    };
    void follow("feed", client.count({ from: 1, to: 2 }));
    void follow("topic", client.ticks({ board: "x" }));
    void follow("talk", client.chat(never()));
    await clock.settle();
    await clock.advance(7_000);
    expect(ended).toEqual({ feed: "runs", topic: "runs", talk: "runs" });
    scopes = ["talk"];
    await clock.advance(2_000); // the client shows its credential again after eight seconds
    expect(ended).toEqual({ feed: "permission_denied", topic: "permission_denied", talk: "runs" });
    expect(reasonOf(await outcome(first(client.count({ from: 1, to: 2 }))))).toBe("permission_denied");
    const closing = app.close(0);
    await clock.advance(100);
    await closing;
  });
});

it("a stream that was decided about while a fresh credential came brings nothing that it may not", async () => {
  const clock = virtualClock();
  const memory = memoryTransport();
  let scopes = ["feeds"];
  const who = definePlugin({
    name: "who",
    provides: [principal],
    start: () => ({
      session(opening) {
        opening.context.set(principal, { id: "ann", scopes });
        opening.expiresIn(10_000);
      },
    }),
  });
  const { promise: thought, resolve } = Promise.withResolvers<void>();
  const slow: RbacOptions["rules"] = {
    "lab.v1.LabService/Count": async ({ principal: { scopes: had } }) => {
      const may = had?.includes("feeds") === true;
      await thought;
      return may;
    },
  };
  await using app = raceway({ transports: [memory.server], clock, use: [who, rbac({ rules: slow })] });
  app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://lab", { transports: [memory.client], clock, probeMs: 0 });
  const reading = outcome(first(labClient(connection).count({ from: 1, to: 2 })));
  await clock.settle();
  scopes = [];
  await clock.advance(9_000);
  resolve();
  await clock.settle();
  expect(reasonOf(await reading)).toBe("permission_denied");
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it("whoever stole a resume secret is refused, and what its owner reads goes on, though the thief may not read it", async () => {
  const clock = virtualClock();
  const memory = memoryTransport();
  await using app = raceway({ transports: [memory.server], clock, use: [names, rbac()] });
  app.serve(
    { ...labService, policy: { count: needs("feeds") } },
    {
      ...handlers([], clock),
      async *count(_, { signal }) {
        yield { value: 1 };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  );
  await app.listen({ port: 0, host: "127.0.0.1" });
  const owner = await rawPeer(memory, clock);
  owner.say(hello({ credential: "ann feeds" }));
  await clock.settle();
  const { session, secret } = welcomeOf(owner);
  owner.say(open(1, "/lab.v1.LabService/Count"));
  await clock.settle();
  const kinds = (): string[] => owner.frames.map(({ kind }) => kind);
  expect(kinds()).toContain("data");
  const thief = await rawPeer(memory, clock);
  thief.say(hello({ session, secret, credential: "bob" }));
  await clock.settle();
  expect(thief.frames.map(({ kind }) => kind)).toEqual(["goaway"]);
  await clock.advance(1_000);
  expect(kinds()).not.toContain("end");
  expect(app.sessions).toBe(1);
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it("a topic that has a handler of its own is guarded as a call is", async () => {
  await using it = await stage({
    policy: { ticks: needs("chat") },
    use: [names, rbac()],
    handlers: {
      async *ticks() {
        yield { sequence: 7 };
      },
    } as never,
  });
  for (const way of ["websocket", "Connect door"] as const) {
    expect(reasonOf(await outcome(first(it.client(way, "bob").ticks({ board: "x" }))))).toBe("permission_denied");
    expect(await first(it.client(way, "ann chat").ticks({ board: "x" }))).toMatchObject({ sequence: 7 });
  }
});

// oxlint-disable-next-line require-yield -- that is its point
async function* never(): AsyncGenerator<never> {
  await new Promise(() => {});
}
