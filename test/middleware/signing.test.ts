// Signatures: by every way in a call goes through if it is what was signed, in time, for the first time, and else is refused for a reason that says why.
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { sqliteStore } from "@raceway/backplane-sqlite";
import { connect } from "@raceway/client";
import { type Clock, jsonCodec, type Plugin, memoryTransport, reasonOf } from "@raceway/core";
import { type SigningKey, signatures, signedBy, signer, verifier } from "@raceway/middleware/signing";
import { memory as memoryBackplane, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { type Lab, from, handlers, lab, take } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { type Stage, first, outcome, stage, wayNames } from "./stage.ts";
import { type Tampering, tampering } from "./tampering.ts";
import { troubles } from "./trouble.ts";

const pair = generateKeyPairSync("ed25519", {
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const secret = "0123456789abcdef0123456789abcdef";
const keys = { shared: { secret }, own: { publicKey: pair.publicKey } };
const shared: SigningKey = { id: "shared", secret };
const own: SigningKey = { id: "own", privateKey: pair.privateKey };
const unsigned = ["lab.v1.LabService/Cursor"];

/** A server that wants signatures, and clients that sign by the plugin in a session, by the interceptor at a door; whatever is between them. */
function signed(
  key: SigningKey | (() => SigningKey) | undefined,
  between: Tampering = {},
  more: { readonly file?: string } = {},
): Promise<Stage> {
  const { plugin, interceptor } = tampering(between);
  return stage({
    use: [verifier({ keys, unsigned })],
    clientUse: [key && signer({ key, unsigned }), plugin],
    doorInterceptors: [...(key ? [signatures({ key, unsigned })] : []), interceptor],
    ...(more.file !== undefined && { backplane: memoryBackplane({ store: sqliteStore({ file: more.file }) }) }),
    handlers: {
      peek: (_, context) => ({ text: context.get(signedBy) }),
      cursor: async () => {},
    },
  });
}
/** Changes one field of the signature. */
const change =
  (field: string, to: (value: string) => string): NonNullable<Tampering["header"]> =>
  (name, text) =>
    name === "raceway-signature"
      ? text.replace(new RegExp(`(${field}=)([^,]*)`), (_, head: string, value: string) => head + to(value))
      : text;

describe.each(wayNames)("by %s,", (way) => {
  it.each([
    ["HMAC", shared],
    ["Ed25519", own],
  ])(
    "calls, feeds and subscriptions that are signed with %s go through, and the handler knows by whose key",
    async (_, key) => {
      await using it = await signed(key);
      const client = it.client(way);
      expect((await client.peek({ text: "x" })).text).toBe(key.id);
      expect((await client.add({ a: 1, b: 2 })).sum).toBe(3);
      expect(await take(client.count({ from: 1, to: 3 }), 3)).toHaveLength(3);
      await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
      if (way.includes("door")) {
        const headers = new Headers({ "raceway-after": "start" });
        expect(await first(client.ticks({ board: "x" }, { headers }))).toMatchObject({ sequence: 1 });
      } else {
        const next = first(client.ticks({ board: "x" }));
        const publishing = setInterval(() => void it.topics.ticks.publish({ board: "x" }, { sequence: 2 }), 20);
        expect(await next).toMatchObject({ sequence: 2 });
        clearInterval(publishing);
      }
    },
  );

  it("streams of requests are signed message by message, and their end is", async () => {
    await using it = await signed(shared);
    const client = it.client(way);
    expect(await client.sum(from([{ value: 1 }, { value: 2 }, { value: 3 }]))).toMatchObject({ sum: 6, count: 3 });
    expect(await client.sum(from([]))).toMatchObject({ count: 0 });
    expect(await outcome(client.cursor(from([{ userId: "u" }])))).toBe("ok"); // not signed, as it says
  });

  it.each<readonly [string, SigningKey | undefined, Tampering, string]>([
    ["no signature", undefined, {}, "signature_missing"],
    [
      "a signature that was taken off",
      shared,
      { header: (name, text) => (name === "raceway-signature" ? undefined : text) },
      "signature_missing",
    ],
    ["a header that is none", shared, { header: change("time", () => "soon") }, "signature_invalid"],
    ["another message", shared, { message: (message) => ({ ...message, text: "other" }) }, "signature_invalid"],
    [
      "another message, with Ed25519",
      own,
      { message: (message) => ({ ...message, text: "other" }) },
      "signature_invalid",
    ],
    ["another time", shared, { header: change("time", (time) => String(Number(time) + 1)) }, "signature_invalid"],
    [
      "another nonce",
      shared,
      { header: change("nonce", (nonce) => nonce.replace(/^./, (letter) => (letter === "A" ? "B" : "A"))) },
      "signature_invalid",
    ],
    [
      "another value",
      shared,
      { header: change("value", (value) => value.replace(/^./, (letter) => (letter === "A" ? "B" : "A"))) },
      "signature_invalid",
    ],
    ["a value of another length", shared, { header: change("value", (value) => `${value}AAAA`) }, "signature_invalid"],
    ["the id of another key", shared, { header: change("key", () => "own") }, "signature_invalid"],
    ["another secret under a known id", { id: "shared", secret: secret.toUpperCase() }, {}, "signature_invalid"],
    ["an unknown key", { id: "nobody's", secret }, {}, "option_invalid"],
    ["a key that was taken back", { id: "old", secret }, {}, "signature_key_unknown"],
  ])("%s is refused, and no handler sees it", async (_, key, between, reason) => {
    if (reason === "option_invalid") return expect(() => signer({ key: key! })).toThrow(/key id/);
    await using it = await signed(key, between);
    const client = it.client(way);
    expect(reasonOf(await outcome(client.echo({ text: "x" })))).toBe(reason);
    expect(it.calls).toEqual([]);
    if (reason !== "signature_invalid" || between.message === undefined)
      expect(reasonOf(await outcome(first(client.ticks({ board: "x" }))))).toBe(reason);
  });

  it("the idempotency key is signed, too, of whatever call has one", async () => {
    const headers = { "idempotency-key": "order-7" };
    await using it = await signed(shared);
    const client = it.client(way);
    for (let at = 0; at < 2; at++) expect((await client.add({ a: 1, b: 2 }, { headers })).sum).toBe(3);
    expect(it.calls).toEqual(["add 1 2"]);
    expect(await outcome(client.peek({ text: "x" }, { headers }))).toBe("ok");
    expect(await take(client.count({ from: 1, to: 2 }, { headers }), 2)).toHaveLength(2);
    expect(await client.sum(from([{ value: 1 }]), { headers })).toMatchObject({ sum: 1 });
    if (!way.includes("door")) return; // in a session it is no header
    await using other = await signed(shared, {
      header: (name, text) => (name === "idempotency-key" ? "order-8" : text),
    });
    expect(reasonOf(await outcome(other.client(way).add({ a: 1, b: 2 }, { headers })))).toBe("signature_invalid");
  });

  it("what is said twice is refused, and what is old or comes from the future", async () => {
    let caught = "";
    const catching: Tampering = {
      header: (name, text) => (name === "raceway-signature" ? (caught ||= text) : text),
    };
    await using it = await signed(shared, catching);
    const client = it.client(way);
    expect(await outcome(client.echo({ text: "x" }))).toBe("ok");
    for (let at = 0; at < 2; at++)
      expect(reasonOf(await outcome(client.echo({ text: "x" })))).toBe("signature_replayed");
    expect(reasonOf(await outcome(client.peek({ text: "x" })))).toBe("signature_invalid"); // signed for another channel
    expect(it.calls.filter((call) => call.startsWith("echo"))).toHaveLength(1);
  });
});

describe("a stream of signed messages", () => {
  const three = [{ value: 1 }, { value: 2 }, { value: 3 }];
  const rearranged = (order: readonly number[]): Tampering => ({
    async *messages(messages) {
      const all: unknown[] = [];
      for await (const message of messages) all.push(message);
      for (const at of order) if (all[at] !== undefined) yield all[at];
    },
  });
  it.each<readonly [string, Tampering, string]>([
    ["of which one is dropped", rearranged([0, 2, 3]), "signature_invalid"],
    ["of which one is repeated", rearranged([0, 1, 1, 2, 3]), "signature_invalid"],
    ["whose order is changed", rearranged([1, 0, 2, 3]), "signature_invalid"],
    ["whose end is cut off", rearranged([0, 1]), "signature_missing"],
    ["that is cut off before it begins", rearranged([]), "signature_missing"],
    ["in which a message is altered", { message: (message) => ({ ...message, value: 7 }) }, "signature_invalid"],
    [
      "in which a message has no signature",
      { message: ({ signature: _, ...message }) => message },
      "signature_missing",
    ],
  ])("%s is refused", async (_, between, reason) => {
    await using it = await signed(own, between);
    for (const way of ["memory", "gRPC door"] as const)
      expect(reasonOf(await outcome(it.client(way).sum(from(three))))).toBe(reason);
    expect(it.calls).toEqual([]);
  });

  it("takes no message of another", async () => {
    const kept: unknown[] = [];
    await using it = await signed(shared, {
      async *messages(messages) {
        let at = 0;
        for await (const message of messages) {
          yield kept[at] ?? message;
          kept[at++] ??= message;
        }
      },
    });
    const client = it.client("websocket");
    expect(await outcome(client.sum(from(three)))).toBe("ok");
    expect(reasonOf(await outcome(client.sum(from(three))))).toBe("signature_invalid");
  });

  it("may have as many messages as it likes, in conversation", async () => {
    await using it = await signed(shared);
    const heard = await take(it.client("websocket").chat(from([{ text: "a" }, { text: "b" }])), 3);
    expect(heard.map(({ text }) => text)).toEqual(["a!", "b!"]);
  });
});

describe("over losses", () => {
  /** Server and client in one process, with time in the test's hands; the client's clock may be wrong. */
  async function apart(windowMs: number, offMs = 0, plugin?: Plugin): Promise<Lab> {
    const it = await lab({
      server: { use: [verifier({ keys, unsigned, windowMs }), plugin], limits: { resumeMs: 0 } },
    });
    const clock = Object.assign(Object.create(it.clock) as Clock, { wallNow: () => it.clock.wallNow() + offMs });
    const connection = it.connect({ clock, use: [signer({ key: shared, unsigned })], probeMs: 0 });
    return { ...it, client: labClient(connection) };
  }

  it.each([
    [5_000, "ok"],
    [-5_000, "ok"],
    [5_001, "signature_expired"],
    [-5_001, "signature_expired"],
  ])("clocks that are %i ms apart: %s", async (offMs, expected) => {
    await using it = await apart(5_000, offMs);
    const got = await outcome(it.client.peek({ text: "x" }));
    expect(reasonOf(got) ?? got).toBe(expected);
  });

  it("an idempotent call whose session is lost is signed anew, and runs once", async () => {
    const server = troubles({ after: (ms, run) => it.clock.after(ms, run) });
    await using it = await apart(1_000, 0, server.plugin);
    server.next("Add", 500, 500);
    const answer = outcome(it.client.add({ a: 1, b: 2 }));
    await it.clock.settle();
    expect(server.came).toEqual(["Add"]);
    it.memory.cut(); // and with the link the session is gone
    await it.clock.advance(60_000);
    expect(await answer).toBe("ok");
    expect(server.came).toEqual(["Add", "Add"]);
    expect(new Set(server.headers.map((header) => header.get("raceway-signature"))).size).toBe(2);
    expect(it.calls).toEqual(["add 1 2"]);
  });

  it("a subscription goes on in the next session, however old it is, and misses nothing", async () => {
    await using it = await apart(1_000);
    const seen: number[] = [];
    const reading = outcome(
      (async () => {
        for await (const { sequence } of it.client.ticks({ board: "x" })) if (seen.push(sequence) === 3) return;
      })(),
    );
    await it.clock.settle();
    for (const sequence of [1, 2, 3]) {
      await it.topics.ticks.publish({ board: "x" }, { sequence });
      await it.clock.settle();
      it.memory.cut();
      await it.clock.leap(120_000); // the session is gone, the window is over
      await it.clock.advance(30_000);
    }
    expect(await reading).toBe("ok");
    expect(seen).toEqual([1, 2, 3]);
  });

  it("a call that waits for a link is signed when it leaves", async () => {
    const clock = virtualClock();
    const memory = memoryTransport(); // nobody listens yet
    await using connection = connect("http://lab", {
      transports: [memory.client],
      clock,
      probeMs: 0,
      use: [signer({ key: own, unsigned })],
    });
    const client = labClient(connection);
    const answers = Promise.all([
      outcome(client.peek({ text: "x" })),
      outcome(client.sum(from([]))),
      outcome(client.sum(from([{ value: 1 }]))),
    ]);
    await clock.advance(600_000);
    await using app = raceway({
      transports: [memory.server],
      clock,
      use: [verifier({ keys, unsigned, windowMs: 1_000 })],
    });
    app.serve(labService, handlers([], clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    await clock.advance(60_000);
    expect(await answers).toEqual(["ok", "ok", "ok"]);
  });

  it("what one node has seen is known to all nodes with the same store", async () => {
    const folder = await mkdtemp(join(tmpdir(), "raceway-nonces-"));
    const node = (between: Tampering) => signed(shared, between, { file: join(folder, "store.sqlite") });
    let caught = "";
    await using one = await node({ header: (name, text) => (name === "raceway-signature" ? (caught = text) : text) });
    await using two = await node({ header: (name, text) => (name === "raceway-signature" ? caught : text) });
    expect(await outcome(one.client("websocket").echo({ text: "x" }))).toBe("ok");
    expect(reasonOf(await outcome(two.client("gRPC door").echo({ text: "x" })))).toBe("signature_replayed");
    expect(two.calls).toEqual([]);
    await rm(folder, { recursive: true });
  });
});

describe("whatever a message looks like on the wire,", () => {
  it("its signature is the same: payloads as JSON, frames as lines of text, a door that speaks JSON", async () => {
    await using it = await lab({ server: { use: [verifier({ keys, unsigned })] } });
    const use = [signer({ key: shared, unsigned })];
    const connections = [
      it.connect({ use, codecs: [jsonCodec()] }),
      it.connect({ use, codecs: [jsonCodec()], frames: "json" }),
      it.connect({ use, frames: "json" }),
    ];
    const message = { text: "größe 茶 🚀", data: new Uint8Array([0, 255]), tags: { b: "1", a: "2", 10: "3", 9: "4" } };
    for (const connection of connections) {
      const client = labClient(connection);
      expect((await client.echo(message)).text).toBe(message.text);
      expect(await client.sum(from([{ value: -1 }, { value: 2 }]))).toMatchObject({ sum: 1, count: 2 });
    }
    await using doors = await signed(shared);
    for (const useBinaryFormat of [true, false]) {
      const interceptors = [signatures({ key: shared, unsigned })];
      const transport = createConnectTransport({ baseUrl: doors.url, httpVersion: "2", useBinaryFormat, interceptors });
      expect((await createClient(LabService, transport).echo(message)).text).toBe(message.text);
    }
  });
});

describe("keys", () => {
  it("rotate while calls are made: several are good, one signs", async () => {
    let key: SigningKey = shared;
    await using it = await signed(() => key);
    const client = it.client("websocket");
    expect((await client.peek({})).text).toBe("shared");
    key = own;
    expect((await client.peek({})).text).toBe("own");
  });

  it("are checked on the user's own line, and never shown", () => {
    const short = "too short, and a secret";
    for (const wrong of [
      () => signer({ key: { id: "a", secret: short } }),
      () => verifier({ keys: { a: { secret: short } } }),
      () => verifier({ keys: { a: { publicKey: pair.privateKey.slice(0, 60) } } }),
      () => signer({ key: { id: "a", privateKey: pair.publicKey } }),
      () => verifier({ keys: {} }),
      () => verifier({ keys: { "a b": { secret } } }),
      () => verifier({ keys, windowMs: 1 }),
    ]) {
      expect(wrong).toThrow(/^\[invalid_argument\] (signer|verifier): option /);
      expect(wrong).not.toThrow(short);
    }
  });

  it("a stream whose messages have no place for a signature stops the start", async () => {
    const it = await outcome(stage({ use: [verifier({ keys })] }));
    expect(reasonOf(it)).toBe("plugin_unfit");
    expect(String(it)).toContain("lab.v1.CursorRequest, have no field for their signature");
  });
});
