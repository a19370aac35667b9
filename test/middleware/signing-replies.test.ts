// Signed replies: by every way in a client takes what its server signed for this call, and nothing that somebody between the two made of it.
import { generateKeyPairSync } from "node:crypto";
import type { Interceptor, StreamResponse, UnaryResponse } from "@connectrpc/connect";
import { definePlugin, reasonOf } from "@raceway/core";
import { type SigningKey, replySigner, replyVerifier, verifiedReplies } from "@raceway/middleware/signing";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { from, handlers, lab, take } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { type Stage, first, names, outcome, stage, wayNames } from "./stage.ts";

const pair = generateKeyPairSync("ed25519", {
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const secret = "0123456789abcdef0123456789abcdef";
const keys = { shared: { secret }, own: { publicKey: pair.publicKey } };
const shared: SigningKey = { id: "shared", secret };
const own: SigningKey = { id: "own", privateKey: pair.privateKey };
const unsigned = ["lab.v1.LabService/Ticks"];
type Response = UnaryResponse | StreamResponse;

/** A server that signs what it answers, clients that take nothing else, and somebody between them. */
function signed(
  key: SigningKey | (() => SigningKey) | undefined,
  between?: (response: Response) => unknown,
): Promise<Stage> {
  const changes: Interceptor = (next) => async (request) => {
    const response = await next(request);
    return ((await between?.(response)) ?? response) as never;
  };
  return stage({
    use: [names, key && replySigner({ key, unsigned })],
    clientUse: [
      replyVerifier({ keys, unsigned }),
      definePlugin({ name: "between", after: ["reply-verifier"], start: () => ({ call: () => changes }) }),
    ],
    doorInterceptors: [verifiedReplies({ keys, unsigned }), changes],
  });
}
const header = "raceway-reply-signature";
/** With another header, or other messages. */
const changed = (response: Response, more: object): unknown => ({
  stream: response.stream,
  service: response.service,
  method: response.method,
  header: response.header,
  trailer: response.trailer,
  message: response.message,
  ...more,
});
const headed = (response: Response, value: string | undefined): unknown => {
  const headers = new Headers(response.header);
  if (value === undefined) headers.delete(header);
  else headers.set(header, value);
  return changed(response, { header: headers });
};
/** What becomes of the messages of a stream, all of them at hand. */
const messages =
  (change: (all: unknown[]) => unknown[]) =>
  async (response: Response): Promise<unknown> => {
    if (!response.stream) return response;
    const all: unknown[] = [];
    for await (const message of response.message) all.push(message);
    return changed(response, { message: from(change(all)) });
  };

describe.each(wayNames)("by %s,", { timeout: 30_000 }, (way) => {
  it.each([
    ["HMAC", shared],
    ["Ed25519", own],
  ])("answers, feeds and conversations that are signed with %s are taken, and show nothing of it", async (_, key) => {
    await using it = await signed(key);
    const client = it.client(way, "ann");
    expect((await client.echo({ text: "tea", data: new Uint8Array(3_000) })).data).toHaveLength(3_000);
    expect(await client.sum(from([{ value: 1 }, { value: 2 }]))).toMatchObject({ sum: 3, count: 2 });
    const counted = await take(client.count({ from: 1, to: 3 }), 4);
    expect(counted.map(({ value, signature }) => [value, signature])).toEqual([1, 2, 3].map((at) => [at, undefined]));
    expect(await take(client.count({ from: 2, to: 1 }), 1)).toEqual([]);
    expect((await take(client.chat(from([{ text: "a" }, { text: "b" }])), 3)).map(({ text }) => text)).toEqual([
      "a!",
      "b!",
    ]);
    expect(await first(client.count({ from: 1, to: 1_000_000 }))).toMatchObject({ value: 1 }); // whoever leaves may
  });

  it("a call that is repeated under its key has the same answer, signed for each", async () => {
    await using it = await signed(shared);
    const headers = { "idempotency-key": "order-7" };
    for (let at = 0; at < 2; at++) expect((await it.client(way, "ann").add({ a: 1, b: 2 }, { headers })).sum).toBe(3);
    expect(it.calls).toEqual(["add 1 2"]);
  });

  const swap = (text: string): string => text.replace(/value=./, (at) => (at.endsWith("A") ? "value=B" : "value=A"));
  it.each<readonly [string, SigningKey | undefined, ((response: Response) => unknown) | undefined, string]>([
    ["that nobody signed", undefined, undefined, "reply_unsigned"],
    ["whose signature was taken off", shared, (response) => headed(response, undefined), "reply_unsigned"],
    ["with a header that is none", shared, (response) => headed(response, "key=shared"), "reply_forged"],
    [
      "with another signature",
      shared,
      (response) => headed(response, swap(response.header.get(header)!)),
      "reply_forged",
    ],
    [
      "that was changed",
      shared,
      (response) => changed(response, { message: { ...(response.message as object), text: "poison" } }),
      "reply_forged",
    ],
    [
      "that was changed, under Ed25519",
      own,
      (response) => changed(response, { message: { ...(response.message as object), text: "poison" } }),
      "reply_forged",
    ],
    [
      "under the name of another key",
      own,
      (response) => headed(response, response.header.get(header)!.replace("own", "shared")),
      "reply_forged",
    ],
    ["of a key that the client does not know", { id: "new", secret }, undefined, "reply_forged"],
    [
      "of another's secret under a known name",
      { id: "shared", secret: secret.toUpperCase() },
      undefined,
      "reply_forged",
    ],
  ])("an answer %s is not taken", async (_, key, between, reason) => {
    await using it = await signed(key, between);
    expect(reasonOf(await outcome(it.client(way, "ann").echo({ text: "tea" })))).toBe(reason);
  });

  it("an answer to another call is not taken, though it was signed", async () => {
    let caught: Response | undefined;
    await using it = await signed(shared, (response) =>
      caught === undefined ? void (caught = response) : changed(caught, {}),
    );
    const client = it.client(way, "ann");
    expect((await client.echo({ text: "pay 100" })).text).toBe("pay 100");
    expect(reasonOf(await outcome(client.echo({ text: "pay 100" })))).toBe("reply_forged");
  });

  it.each<readonly [string, (all: unknown[]) => unknown[], number, string]>([
    ["from which one was taken out", (all) => all.toSpliced(1, 1), 1, "reply_forged"],
    ["in which one came twice", (all) => all.toSpliced(1, 0, { ...(all[0] as object) }), 1, "reply_forged"],
    ["in another order", ([a, b, ...more]) => [b, a, ...more], 0, "reply_forged"],
    ["that was cut off", (all) => all.slice(0, 2), 2, "reply_unsigned"],
    [
      "with one that was changed",
      ([a, b, ...more]) => [a, { ...(b as object), value: 99 }, ...more],
      1,
      "reply_forged",
    ],
    [
      "with one that was not signed",
      ([a, b, ...more]) => [a, { ...(b as object), signature: undefined }, ...more],
      1,
      "reply_unsigned",
    ],
  ])("of a stream %s the rest is not taken", async (_, change, before, reason) => {
    await using it = await signed(shared, messages(change));
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { value } of it.client(way, "ann").count({ from: 1, to: 3 })) seen.push(value);
    })();
    expect(reasonOf(await outcome(reading))).toBe(reason);
    expect(seen).toEqual([1, 2, 3].slice(0, before));
  });

  it("errors come as they are, and channels that are named are left alone", async () => {
    await using it = await signed(shared);
    const client = it.client(way, "ann");
    const abort = new AbortController();
    const reading = outcome(first(client.ticks({ board: "x" }, { signal: abort.signal })));
    let over = false;
    void reading.then(() => (over = true));
    await expect
      .poll(
        async () => {
          await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
          return over;
        },
        { timeout: 15_000 },
      )
      .toBe(true);
    expect(await reading).toBe("ok");
    expect(String(await outcome(first(client.ticks({ board: "" }))))).toContain("invalid_argument");
  });
});

it("whoever does not ask for signatures gets none, not even the end of a stream", async () => {
  await using it = await stage({ use: [replySigner({ key: shared, unsigned })] });
  const client = it.client("websocket");
  expect((await take(client.count({ from: 1, to: 2 }), 3)).map(({ value }) => value)).toEqual([1, 2]);
  let seen: Headers | undefined;
  await client.echo({}, { onHeader: (headers) => (seen = headers) });
  expect(seen!.has(header)).toBe(false);
});

it("keys rotate: a server signs with the key of the moment, a stream to its end with the key that it began with", async () => {
  let key: SigningKey = shared;
  await using it = await signed(() => key);
  const client = it.client("websocket");
  const talk = client.chat(
    (async function* () {
      yield { text: "a" };
      key = own;
      await client.echo({});
      yield { text: "b" };
    })(),
  );
  expect((await take(talk, 3)).map(({ text }) => text)).toEqual(["a!", "b!"]);
  expect(await outcome(client.echo({ text: "after" }))).toBe("ok");
});

it("a client's topic that is not left alone, and a stream without a place for signatures, are told by name", async () => {
  await using it = await lab({ client: { use: [replyVerifier({ keys })] } });
  const refused = await outcome(first(it.client.ticks({ board: "x" })));
  expect(reasonOf(refused)).toBe("plugin_unfit");
  expect(String(refused)).toContain("not signed for anybody; name the channel in unsigned");
  const desc = LabService.method.ticks;
  const info = { path: "/lab.v1.LabService/Ticks", service: desc.parent, desc, policy: undefined, gated: false };
  const findings = replySigner({ key: shared }).check!({ ...info, contract: { kind: "feed" } });
  expect(findings.map(({ message }) => message)).toEqual([
    "its messages, lab.v1.Tick, have no field for their signature",
  ]);
  await using app = raceway({ transports: [], use: [replySigner({ key: shared })] });
  app.serve(labService, handlers([], virtualClock()));
  expect((await app.inspect()).channels.flatMap(({ findings: all }) => all)).toEqual([]); // a topic without a handler
});

it("options are refused where they are written, and no secret is told", () => {
  expect(() => replyVerifier({ keys: {} })).toThrow("at least one key");
  expect(() => replyVerifier({ keys: { a: { secret: "short" } } })).toThrow("at least 32 random bytes");
  expect(() => replyVerifier({ keys, unsigned: ["Echo"] })).toThrow("unsigned");
  expect(() => replyVerifier({ keys, windowMs: 1 } as never)).toThrow("windowMs");
  expect(() => replySigner({ key: { id: "a b", secret } })).toThrow("key id");
});
