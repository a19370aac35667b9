// Sealed messages: whoever carries or keeps them learns nothing of what is in them, and cannot change, move or make one without being found out.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Backplane, type Entry, type PluginList, errorInfo, jsonCodec, reasonOf } from "@raceway/core";
import { encryption, vault } from "@raceway/middleware/encryption";
import { memory } from "@raceway/server";
import { validate } from "@raceway/validate/server";
import { describe, expect, it } from "vitest";
import { lab } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { EchoRequestSchema, EchoResponseSchema, LabService, type Tick, TickSchema } from "../gen/lab/v1/lab_pb.ts";
import { type Stage, first, outcome, stage, wayNames } from "./stage.ts";
import { tampering } from "./tampering.ts";

const keyOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const keys = { spring: keyOf(1), autumn: keyOf(2) };
const both = encryption({ keys, seal: "spring" });
const secret = "the plain text";
const sessions = wayNames.filter((way) => !way.includes("door"));

type Change = (entries: readonly Entry[], key: string) => readonly Entry[];

/** A broker that keeps all it sees, and may change what it is given. */
function broker(change: Change = (entries) => entries): { readonly backplane: Backplane; readonly seen: Uint8Array[] } {
  const inner = memory();
  const seen: Uint8Array[] = [];
  return {
    seen,
    backplane: {
      ...inner,
      async start(host) {
        const started = await inner.start(host);
        const { log } = started;
        const append: typeof log.append = (key, entries, retention) => {
          seen.push(Buffer.from(key), ...entries.map(({ payload }) => payload.slice()));
          return log.append(key, change(entries, key), retention);
        };
        const own = Object.assign(Object.create(log) as typeof log, {
          append,
          read: log.read.bind(log),
          head: log.head.bind(log),
          follow: log.follow.bind(log),
        });
        return Object.assign(Object.create(started) as typeof started, {
          log: own,
          bus: started.bus,
          store: started.store,
          [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
        });
      },
    },
  };
}
const isIn = (text: string, all: readonly Uint8Array[]): boolean =>
  all.some((bytes) => Buffer.from(bytes).includes(text));

/** Reads events of a board from its beginning, until there are so many, or an error. */
async function read(
  it: Stage,
  board: string,
  count: number,
  way: (typeof sessions)[number] = "memory",
): Promise<Tick[]> {
  const seen: Tick[] = [];
  for await (const tick of labClient(it.transport(way)).ticks({ board }, { from: "start" }))
    if (seen.push(tick) === count) break;
  return seen;
}
const publish = async (it: Stage, board: string, ...symbols: readonly string[]): Promise<void> => {
  for (const symbol of symbols) await it.topics.ticks.publish({ board }, { symbol, sequence: 7 });
};

describe.each(sessions)("over %s,", (way) => {
  it("an event is sealed before the broker sees it, and whole again for whoever has the key", async () => {
    const { backplane, seen } = broker();
    await using it = await stage({ backplane, use: [both], clientUse: [encryption({ keys })] });
    await publish(it, "x", secret, "another");
    const events = await read(it, "x", 2, way);
    expect(events.map(({ symbol, sequence }) => [symbol, sequence])).toEqual([
      [secret, 7],
      ["another", 7],
    ]);
    expect(events[0]!.sealed).toBeUndefined();
    expect(isIn("boards/x/ticks", seen)).toBe(true);
    expect(isIn(secret, seen)).toBe(false);
    // What the broker has is a message of its type all the same.
    const [tick] = seen
      .filter((bytes) => !Buffer.from(bytes).includes("boards"))
      .map((bytes) => fromBinary(TickSchema, bytes));
    expect(tick).toMatchObject({ symbol: "", sequence: 0, sealed: { keyId: "spring" } });
  });

  it("a call's request and response are sealed, and handler and caller do not notice", async () => {
    const sent: string[] = [];
    const { plugin } = tampering({
      message: (message) => {
        sent.push(
          JSON.stringify(message, (_, value: unknown) =>
            value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value,
          ),
        );
        return message;
      },
    });
    await using it = await stage({ use: [both], clientUse: [both, plugin] });
    const { text } = await it.client(way).echo({ text: secret });
    expect(text).toBe(secret);
    expect(it.calls[0]).toBe(`echo ${secret}`);
    expect(sent).toHaveLength(1);
    expect(sent[0]).not.toContain(secret);
  });
});

describe("at a native door", () => {
  it("who has no key gets sealed events, the same bytes as everybody, and can open them by hand if he gets one", async () => {
    await using it = await stage({ use: [both], clientUse: [] });
    await publish(it, "x", secret);
    const foreign = createClient(LabService, createGrpcTransport({ baseUrl: it.url }));
    const headers = new Headers({ "raceway-after": "start" });
    const [one, two] = [await first(foreign.ticks({ board: "x" }, { headers })), (await read(it, "x", 1))[0]];
    expect(one).toMatchObject({ symbol: "", sealed: { keyId: "spring" } });
    expect(toBinary(TickSchema, two!)).toEqual(toBinary(TickSchema, one!));
    expect(await vault({ keys }).open(TickSchema, one!, { topic: "boards/x/ticks" })).toMatchObject({ symbol: secret });
  });

  it("a request that is not sealed is refused, where the server wants it sealed", async () => {
    await using it = await stage({ use: [both] });
    for (const way of wayNames)
      expect(reasonOf(await outcome(it.client(way).echo({ text: "x" })))).toBe("sealed_missing");
    expect(it.calls).toEqual([]);
    const sealed = await vault({ keys, seal: "autumn" }).seal(
      EchoRequestSchema,
      { text: "x" },
      { request: "/lab.v1.LabService/Echo" },
    );
    const answer = await it.client("gRPC door").echo(sealed);
    expect(answer.text).toBe("");
    const opened = await vault({ keys }).open(EchoResponseSchema, answer, { response: "/lab.v1.LabService/Echo" });
    expect(opened.text).toBe("x");
  });
});

describe("a broker that is not to be trusted", () => {
  const altered: Change = (entries) =>
    entries.map(({ payload }) => {
      const tick = fromBinary(TickSchema, payload);
      tick.sealed!.ciphertext[0]! ^= 1;
      return { payload: toBinary(TickSchema, tick) };
    });
  const forged: Change = () => [
    { payload: toBinary(TickSchema, { ...fromBinary(TickSchema, new Uint8Array()), symbol: "forged" }) },
  ];
  const shortened: Change = (entries) =>
    entries.map(({ payload }) => {
      const tick = fromBinary(TickSchema, payload);
      tick.sealed!.ciphertext = tick.sealed!.ciphertext.subarray(0, 3);
      tick.sealed!.nonce = new Uint8Array(7);
      return { payload: toBinary(TickSchema, tick) };
    });
  const renamed: Change = (entries) =>
    entries.map(({ payload }) => {
      const tick = fromBinary(TickSchema, payload);
      tick.sealed!.keyId = "autumn";
      return { payload: toBinary(TickSchema, tick) };
    });
  const moved = (): Change => {
    let kept: Entry | undefined;
    return (entries, key) => {
      if (key === "boards/x/ticks" && kept !== undefined) return [kept];
      kept = entries[0];
      return entries;
    };
  };

  it.each<readonly [string, Change, string]>([
    ["altered", altered, "sealed_invalid"],
    ["made up by the broker", forged, "sealed_missing"],
    ["cut short", shortened, "sealed_invalid"],
    ["under the id of another key", renamed, "sealed_invalid"],
    ["moved here from another address", moved(), "sealed_invalid"],
  ])("an event %s is refused; who wants to goes on reading, and nobody else is stopped", async (_, change, reason) => {
    let bad = false;
    const { backplane } = broker((entries, key) => (bad ? change(entries, key) : entries));
    const refused: unknown[] = [];
    await using it = await stage({
      backplane,
      use: [both],
      clientUse: [encryption({ keys, onRefused: (error) => refused.push(reasonOf(error)) })],
    });
    await publish(it, "x", "before");
    bad = true;
    await publish(it, "y", "elsewhere");
    await publish(it, "x", "bad");
    bad = false;
    await publish(it, "x", "after");
    const reads = await Promise.all([read(it, "x", 2), read(it, "x", 2, "websocket")]);
    for (const events of reads) expect(events.map(({ symbol }) => symbol)).toEqual(["before", "after"]);
    expect(refused).toEqual([reason, reason]);
  });

  it("ends the reading of whoever does not say what is to become of it, with the reason", async () => {
    const { backplane } = broker(altered);
    await using it = await stage({ backplane, use: [both], clientUse: [encryption({ keys })] });
    await publish(it, "x", "bad");
    const error = await outcome(read(it, "x", 1));
    expect(reasonOf(error)).toBe("sealed_invalid");
    expect(String(error)).toContain("lab.v1.Tick in boards/x/ticks cannot be opened");
  });
});

it("what opens and cannot be read was not altered: the error says what it is", async () => {
  const place = { topic: "boards/x/ticks" };
  const made = vault({ keys, seal: "spring" });
  const odd = create(TickSchema, { symbol: "x" });
  odd.$unknown = [{ no: 2, wireType: 2, data: Uint8Array.of(1, 65) }]; // by a schema in which a text stands there
  const sealed = await made.seal(TickSchema, odd, place);
  const error = await outcome((async () => made.open(TickSchema, sealed, place))());
  expect(errorInfo(error as Error)).toMatchObject({ reason: "payload_malformed", metadata: { type: "lab.v1.Tick" } });
});

describe("keys", () => {
  const published = async (use: PluginList, clientUse: PluginList): Promise<unknown> => {
    await using it = await stage({ use, clientUse });
    await publish(it, "x", secret);
    const events = await outcome(read(it, "x", 1));
    return events;
  };

  it("rotate: several open, one seals, and it can change from message to message", async () => {
    let id: keyof typeof keys = "spring";
    await using it = await stage({ use: [encryption({ keys, seal: () => id })], clientUse: [encryption({ keys })] });
    await publish(it, "x", "one");
    id = "autumn";
    await publish(it, "x", "two");
    expect((await read(it, "x", 2)).map(({ symbol }) => symbol)).toEqual(["one", "two"]);
    const foreign = createClient(LabService, createGrpcTransport({ baseUrl: it.url }));
    const ids: (string | undefined)[] = [];
    for await (const { sealed } of foreign.ticks({ board: "x" }, { headers: { "raceway-after": "start" } }))
      if (ids.push(sealed?.keyId) === 2) break;
    expect(ids).toEqual(["spring", "autumn"]);
  });

  it("that are not known, or are others, open nothing", async () => {
    expect(reasonOf(await published([both], [encryption({ keys: { winter: keyOf(1) } })]))).toBe("sealed_key_unknown");
    expect(reasonOf(await published([both], [encryption({ keys: { spring: keyOf(9) } })]))).toBe("sealed_invalid");
    expect(await published([both], [encryption({ keys })])).toBe("ok");
  });

  it("never seal two messages alike", async () => {
    const { backplane, seen } = broker();
    await using it = await stage({ backplane, use: [both] });
    await publish(it, "x", ...Array.from({ length: 200 }, () => secret));
    expect(new Set(seen.map((bytes) => Buffer.from(bytes).toString("hex"))).size).toBe(201);
  });

  it("are checked on the user's own line, and never shown", () => {
    const short = Buffer.from("a secret that is short");
    for (const wrong of [
      () => encryption({ keys: { a: short } }),
      () => encryption({ keys: {} }),
      () => encryption({ keys: { "a b": keyOf(1) } }),
      () => encryption({ keys, seal: "winter" }),
      () => encryption({ keys, skip: ["Echo"] }),
    ]) {
      expect(wrong).toThrow(/^\[invalid_argument\] encryption: option /);
      expect(wrong).not.toThrow("a secret");
    }
    expect(() => vault({ keys, seal: "spring" }).seal(LabService.method.add.input, {}, { topic: "x" })).toThrow(
      "a type with a field of type raceway.v1.Sealed",
    );
  });
});

describe("as JSON, too,", () => {
  it("events and calls are sealed and opened", async () => {
    await using it = await lab({ server: { use: [both] } });
    const connection = it.connect({ use: [both], codecs: [jsonCodec()], frames: "json" });
    const client = labClient(connection);
    expect((await client.echo({ text: secret, data: new Uint8Array([0, 255]) })).data).toEqual(
      new Uint8Array([0, 255]),
    );
    const reading = first(client.ticks({ board: "x" }));
    await it.clock.settle();
    await it.topics.ticks.publish({ board: "x" }, { symbol: secret });
    await it.clock.settle();
    expect((await reading)?.symbol).toBe(secret);
  });
});

describe("end to end", () => {
  it("clients seal what the server passes on without being able to read it", async () => {
    const place = { topic: "boards/x/ticks" };
    const mine = vault({ keys, seal: "spring" });
    await using it = await stage({
      use: [], // no key here
      clientUse: [encryption({ keys, skip: ["lab.v1.LabService/Echo"] })],
      handlers: {
        async echo({ data }) {
          await it.topics.ticks.publish({ board: "x" }, fromBinary(TickSchema, data));
          return {};
        },
      },
    });
    const sealed = await mine.seal(TickSchema, { symbol: secret }, place);
    expect(Buffer.from(toBinary(TickSchema, sealed)).includes(secret)).toBe(false);
    await it.client("websocket").echo({ data: toBinary(TickSchema, sealed) });
    expect((await read(it, "x", 1, "sse"))[0]!.symbol).toBe(secret);
    expect(await mine.seal(TickSchema, sealed, place)).toBe(sealed); // what is sealed stays as it is
  });

  it("what is published is held to its rules first, and sealed then", async () => {
    await using it = await stage({ use: [validate(), both], clientUse: [encryption({ keys })] });
    const bad = await outcome(it.topics.ticks.publish({ board: "x" }, { symbol: secret, price: -1 }));
    expect(reasonOf(bad)).toBe("message_invalid");
    await publish(it, "x", secret);
    expect((await read(it, "x", 1))[0]!.symbol).toBe(secret);
  });

  it("is absent where messages have no field for it, or are to be left alone", async () => {
    await using it = await stage({ use: [encryption({ keys, seal: "spring", skip: ["lab.v1.LabService/Echo"] })] });
    const { channels } = await it.app.inspect();
    expect(channels.filter(({ stations }) => Object.keys(stations).length > 0)).toMatchObject([
      { path: "/lab.v1.LabService/Peek", stations: { call: ["encryption"] } },
      { path: "/lab.v1.LabService/Ticks", stations: { publish: ["encryption"] } },
    ]);
    await using opener = await stage({ use: [encryption({ keys })] });
    expect(await outcome(opener.topics.ticks.publish({ board: "x" }, {}))).toBe("ok");
  });
});
