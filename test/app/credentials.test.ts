// Who a session belongs to and until when, and what becomes of it when that changes: in sessions and at the native doors.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import type { ConnectOptions } from "@raceway/client";
import { type Opening, type Plugin, definePlugin, fail, principal, reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { grpc } from "@raceway/transport-grpc/server";
import { describe, expect, it } from "vitest";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { type Lab, handlers, lab } from "./lab.ts";

interface Pass {
  readonly id: string;
  readonly scopes?: readonly string[];
  readonly expiresMs?: number;
}

/** A doorman who knows passes by their names, and a board that only some may see. */
function doorman(passes: Record<string, Pass>): {
  plugin: Plugin;
  asked: string[];
  gate: string[];
  openings: Opening[];
  /** What the gate waits for. */
  hold: Promise<void> | undefined;
} {
  const it = {
    asked: [] as string[],
    gate: [] as string[],
    openings: [] as Opening[],
    hold: undefined as Promise<void> | undefined,
    plugin: definePlugin({
      name: "doorman",
      provides: [principal],
      start: () => ({
        session(opening) {
          it.asked.push(`${opening.kind} ${opening.credential ?? "-"}`);
          it.openings.push(opening);
          const pass = passes[opening.credential?.replace(/^Bearer /, "") ?? ""];
          if (pass === undefined) throw fail("credential_invalid", { detail: "nobody knows it" });
          opening.context.set(principal, { id: pass.id, scopes: pass.scopes ?? [] });
          if (pass.expiresMs !== undefined) opening.expiresIn(pass.expiresMs);
        },
        topic: () => ({
          async subscribe({ kind, address, context, request }) {
            const { id, scopes } = context.get(principal);
            it.gate.push(`${kind} ${address} ${id} ${(request as { board: string }).board}`);
            await it.hold;
            if (address.includes("secret") && !scopes?.includes("secrets"))
              throw new ConnectError("not for you", Code.PermissionDenied);
          },
          publish({ address, key, message, context }) {
            const by = context?.get(principal).id ?? "the server";
            it.gate.push(
              `publish ${address} ${String(key["board"])} ${(message as { sequence: number }).sequence} ${by}`,
            );
          },
        }),
      }),
    }),
  };
  return it;
}

/** Shows these, one after the other, and the last again and again. */
function showing(...credentials: (string | Error)[]): { plugin: Plugin; shown: string[] } {
  const shown: string[] = [];
  return {
    shown,
    plugin: definePlugin({
      name: "shower",
      start: () => ({
        introduce(introduction) {
          const next = credentials.length > 1 ? credentials.shift()! : credentials[0]!;
          if (next instanceof Error) throw next;
          introduction.credential = next;
          shown.push(`${introduction.kind} ${next}`);
        },
      }),
    }),
  };
}

async function guarded(
  door: ReturnType<typeof doorman>,
  shows: ReturnType<typeof showing>,
  client: Partial<ConnectOptions> = {},
): Promise<Lab> {
  return lab({ server: { use: [door.plugin] }, client: { use: [shows.plugin], probeMs: 0, ...client } });
}

/** Reads a stream in the background: what came, and how it ended. */
function reading<T>(messages: AsyncIterable<T>): { readonly got: T[]; ended: unknown } {
  const it = { got: [] as T[], ended: undefined as unknown };
  void (async () => {
    try {
      for await (const message of messages) it.got.push(message);
      it.ended = "well";
    } catch (error) {
      it.ended = error;
    }
  })();
  return it;
}

describe("a credential that expires", () => {
  it("is replaced in time, again and again, and nothing notices", async () => {
    const door = doorman({ one: { id: "ann", expiresMs: 100_000 }, two: { id: "ann", expiresMs: 50_000 } });
    const shows = showing("one", "two");
    await using it = await guarded(door, shows);
    const ticks = reading(it.client.ticks({ board: "x" }));
    await it.clock.settle();
    const states: string[] = [];
    it.connection.state.subscribe(({ status }) => states.push(status));
    for (let second = 0; second < 300; second += 10) await it.clock.advance(10_000);
    await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
    await it.clock.settle();
    expect(ticks.got).toHaveLength(1);
    expect(ticks.ended).toBeUndefined();
    expect(it.app.sessions).toBe(1);
    expect(door.asked[0]).toBe("open one");
    expect(door.asked.slice(1)).toEqual(Array.from({ length: door.asked.length - 1 }, () => "refresh two"));
    expect(door.asked.length).toBeGreaterThanOrEqual(5);
    expect(door.asked.length).toBeLessThanOrEqual(8);
    expect(new Set(states)).toEqual(new Set(["open"]));
  });

  it("ends the session at that moment if no fresh one comes, and the next session begins with one", async () => {
    const door = doorman({ one: { id: "ann", expiresMs: 20_000 }, two: { id: "ann" } });
    const shows = showing("one", new Error("no network"), new Error("still none"), "two");
    await using it = await guarded(door, shows);
    const stream = reading(it.client.chat(never()));
    const ticks = reading(it.client.ticks({ board: "x" }));
    await it.clock.settle();
    await it.clock.advance(19_999);
    expect(stream.ended).toBeUndefined();
    await it.clock.advance(1);
    await it.clock.advance(1_000);
    expect(reasonOf(stream.ended)).toBe("session_lost");
    expect(String(stream.ended)).toContain("expired");
    expect(door.asked).toEqual(["open one", "open two"]);
    await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
    await it.clock.settle();
    expect(ticks.got).toHaveLength(1);
  });

  it("that comes with the link is replaced by a new link, again if that fails, and nothing notices", async () => {
    const door = doorman({ one: { id: "ann", expiresMs: 100_000 }, two: { id: "ann", expiresMs: 100_000 } });
    const said: string[] = [];
    const fails = ["the network is away"];
    const shows = definePlugin({
      name: "shower",
      start: () => ({
        introduce(introduction) {
          const { kind } = introduction;
          said.push(kind);
          if (kind === "refresh") introduction.overNewLink = true;
          else if (kind === "resume" && fails.length > 0) throw new Error(fails.pop());
          introduction.credential = kind === "open" ? "one" : "two";
        },
      }),
    });
    await using it = await lab({ server: { use: [door.plugin] }, client: { use: [shows], probeMs: 0 } });
    const chat = reading(it.client.chat(never()));
    await it.clock.advance(80_000);
    expect(said).toEqual(["open", "refresh", "resume"]);
    await it.clock.advance(85_000);
    expect(door.asked).toEqual(["open one", "resume two", "resume two"]);
    expect(chat.ended).toBeUndefined();
    expect(it.app.sessions).toBe(1);
  });

  it("that has expired already is refused", async () => {
    const door = doorman({ old: { id: "ann", expiresMs: 0 } });
    await using it = await guarded(door, showing("old"));
    const error: unknown = await it.client.echo({ text: "x" }).catch((cause: unknown) => cause);
    expect(reasonOf(error)).toBe("credential_expired");
    expect(it.app.sessions).toBe(0);
    expect(it.calls).toEqual([]);
  });

  it("is asked for anew by whoever resumes: nobody lives on an old word", async () => {
    const door = doorman({ one: { id: "ann", expiresMs: 100_000 }, two: { id: "ann", expiresMs: 100_000 } });
    await using it = await guarded(door, showing("one", "two"));
    await it.client.echo({ text: "x" });
    await it.clock.advance(60_000);
    it.memory.cut();
    await it.clock.advance(1_000);
    expect(door.asked).toEqual(["open one", "resume two"]);
    await it.clock.advance(60_000); // longer than the first would have lasted
    await it.client.echo({ text: "y" });
    expect(it.app.sessions).toBe(1);
  });
});

describe("a principal", () => {
  it("cannot be changed by a fresh credential: the session ends", async () => {
    const door = doorman({ one: { id: "ann", expiresMs: 10_000 }, two: { id: "bob" } });
    await using it = await guarded(door, showing("one", "two"));
    const stream = reading(it.client.chat(never()));
    await it.clock.settle();
    await it.clock.advance(9_000);
    expect(reasonOf(stream.ended)).toBe("principal_changed");
    expect(it.app.sessions).toBe(0);
  });

  it("that is revoked ends at once, with all that runs", async () => {
    const door = doorman({ one: { id: "ann" } });
    await using it = await guarded(door, showing("one"));
    const stream = reading(it.client.chat(never()));
    await it.clock.settle();
    door.openings[0]!.end(fail("credential_revoked"));
    await it.clock.settle();
    expect(reasonOf(stream.ended)).toBe("credential_revoked");
    expect(door.openings[0]!.ended.aborted).toBe(true);
  });

  it("is what calls see, as the last opening found it", async () => {
    const door = doorman({ one: { id: "ann", scopes: ["a"], expiresMs: 10_000 }, two: { id: "ann", scopes: ["b"] } });
    const seen: unknown[] = [];
    const looker = definePlugin({
      name: "looker",
      requires: [principal],
      start: () => ({
        call: () => (next) => (request) => {
          seen.push(request.contextValues.get(principal).scopes);
          return next(request);
        },
      }),
    });
    await using it = await lab({
      server: { use: [door.plugin, looker] },
      client: { use: [showing("one", "two").plugin] },
    });
    await it.client.echo({ text: "x" });
    await it.clock.advance(9_000);
    await it.client.echo({ text: "y" });
    expect(seen).toEqual([["a"], ["b"]]);
  });
});

describe("a topic's gate", () => {
  it("is asked again with a fresh credential: what may no longer be ends alone, within a second (ASP.NET #67226)", async () => {
    const door = doorman({
      one: { id: "ann", scopes: ["secrets"], expiresMs: 10_000 },
      two: { id: "ann", scopes: [] },
    });
    await using it = await guarded(door, showing("one", "two"));
    const secret = reading(it.client.ticks({ board: "secret" }));
    const open = reading(it.client.ticks({ board: "x" }));
    await it.clock.settle();
    for (const board of ["secret", "x"]) await it.topics.ticks.publish({ board }, { sequence: 1 });
    await it.clock.advance(7_900);
    expect(secret.ended).toBeUndefined();
    await it.clock.advance(1_000);
    expect(ConnectError.from(secret.ended).code).toBe(Code.PermissionDenied);
    for (const board of ["secret", "x"]) await it.topics.ticks.publish({ board }, { sequence: 2 });
    await it.clock.settle();
    expect([secret.got.length, open.got.length]).toEqual([1, 2]);
    expect(it.app.sessions).toBe(1);
    expect(door.gate.filter((line) => line.startsWith("refresh"))).toHaveLength(2);
  });

  it("is asked again if a fresh credential came before its first answer", async () => {
    const door = doorman({
      one: { id: "ann", scopes: ["secrets"], expiresMs: 10_000 },
      two: { id: "ann", scopes: [] },
    });
    await using it = await guarded(door, showing("one", "two"));
    const { promise, resolve } = Promise.withResolvers<void>();
    door.hold = promise;
    const secret = reading(it.client.ticks({ board: "secret" }));
    await it.clock.advance(9_000);
    expect(door.asked).toEqual(["open one", "refresh two"]);
    resolve();
    await it.clock.settle();
    await it.topics.ticks.publish({ board: "secret" }, { sequence: 1 });
    await it.clock.settle();
    expect(secret.got).toEqual([]);
    expect(ConnectError.from(secret.ended).code).toBe(Code.PermissionDenied);
  });

  it("is asked again when the session comes over another link, and nothing is sent before its answer", async () => {
    const door = doorman({ one: { id: "ann", scopes: ["secrets"] }, two: { id: "ann" } });
    await using it = await guarded(door, showing("one", "two"));
    const secret = reading(it.client.ticks({ board: "secret" }));
    await it.clock.settle();
    const { promise, resolve } = Promise.withResolvers<void>();
    door.hold = promise;
    it.memory.cut();
    await it.topics.ticks.publish({ board: "secret" }, { sequence: 1 });
    await it.clock.advance(1_000);
    expect(door.asked).toEqual(["open one", "resume two"]);
    await it.topics.ticks.publish({ board: "secret" }, { sequence: 2 });
    await it.clock.advance(1_000);
    resolve();
    await it.clock.settle();
    expect(secret.got).toEqual([]);
    expect(ConnectError.from(secret.ended).code).toBe(Code.PermissionDenied);
    expect(door.gate.filter((line) => !line.startsWith("publish"))).toEqual([
      "subscribe boards/secret/ticks ann secret",
      "resume boards/secret/ticks ann secret",
    ]);
  });

  it("sees who publishes, if the handler says so", async () => {
    const door = doorman({ one: { id: "ann" } });
    await using it = await guarded(door, showing("one"));
    await it.client.echo({ text: "x" });
    await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
    await it.topics.ticks.publish({ board: "x" }, { sequence: 2 }, { values: door.openings[0]!.context });
    expect(door.gate).toEqual(["publish boards/x/ticks x 1 the server", "publish boards/x/ticks x 2 ann"]);
  });
});

describe("Phoenix, Action Cable: a resume that skips who may", () => {
  it("a principal who was revoked while he was away is refused, and his calls fail with the reason", async () => {
    const passes: Record<string, Pass> = { one: { id: "ann" } };
    const door = doorman(passes);
    await using it = await guarded(door, showing("one"));
    const stream = reading(it.client.chat(never()));
    const ticks = reading(it.client.ticks({ board: "x" }));
    await it.clock.settle();
    it.memory.cut();
    delete passes["one"];
    await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
    await it.clock.advance(5_000);
    expect(door.asked.slice(0, 2)).toEqual(["open one", "resume one"]);
    expect(reasonOf(stream.ended)).toBe("credential_invalid");
    expect(reasonOf(ticks.ended)).toBe("credential_invalid");
    expect(ticks.got).toEqual([]);
  });
});

describe.each([
  ["gRPC", (baseUrl: string) => createGrpcTransport({ baseUrl })],
  ["Connect", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2" })],
] as const)("at the native door of %s", (_, transport) => {
  async function door(passes: Record<string, Pass>) {
    const doors = doorman(passes);
    const calls: string[] = [];
    const app = raceway({ transports: [grpc()], use: [doors.plugin] });
    const topics = app.serve(labService, {
      ...handlers(calls, { after: (ms, run) => ({ [Symbol.dispose]: () => clearTimeout(setTimeout(run, ms)) }) }),
      async *chat(_requests, { signal }) {
        yield { text: "first" };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        calls.push("chat is over");
      },
    });
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    const client = createClient(LabService, transport(url));
    return { doors, calls, topics, client, [Symbol.asyncDispose]: () => app.close(0) };
  }
  const headers = { authorization: "Bearer one" };

  it("a call without a credential, or with a wrong one, reaches no handler", async () => {
    await using it = await door({ one: { id: "ann" } });
    for (const given of [{}, { authorization: "Bearer two" }]) {
      const error: unknown = await it.client.echo({ text: "x" }, { headers: given }).catch((cause: unknown) => cause);
      expect(reasonOf(error)).toBe("credential_invalid");
    }
    expect((await it.client.echo({ text: "x" }, { headers })).text).toBe("x");
    expect(it.calls.filter((line) => line.startsWith("echo"))).toEqual(["echo x"]);
  });

  it("streams end with the credential, and their handlers are told", async () => {
    await using it = await door({ one: { id: "ann", expiresMs: 250 } });
    const topic = reading(it.client.ticks({ board: "x" }, { headers }));
    const chat = reading(it.client.chat(from("x"), { headers }));
    await expect
      .poll(() => [reasonOf(topic.ended), reasonOf(chat.ended)])
      .toEqual(["credential_expired", "credential_expired"]);
    expect(chat.got).toHaveLength(1);
    await expect.poll(() => it.calls).toContain("chat is over");
  });

  it("streams end when the credential is revoked", async () => {
    await using it = await door({ one: { id: "ann" } });
    const topic = reading(it.client.ticks({ board: "x" }, { headers }));
    await expect.poll(() => it.doors.gate).toHaveLength(1);
    it.doors.openings[0]!.end(fail("credential_revoked"));
    await expect.poll(() => reasonOf(topic.ended)).toBe("credential_revoked");
  });

  it("a topic that is not for everybody is not for those who come by here", async () => {
    await using it = await door({ one: { id: "ann" } });
    const topic = reading(it.client.ticks({ board: "secret" }, { headers }));
    await expect.poll(() => ConnectError.from(topic.ended).code).toBe(Code.PermissionDenied);
  });
});

// oxlint-disable-next-line require-yield -- that is its point
async function* never(): AsyncGenerator<never> {
  await new Promise(() => {});
}
async function* from(text: string): AsyncGenerator<{ text: string }> {
  yield { text };
}
