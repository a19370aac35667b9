// The coding of one link by itself: dictionaries and their bounds, on both sides.
import type { ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type BatchCoder, type BatchStation, type SharedGroup, batchStation } from "./batch-station.ts";
import { bytesOf, joinParts, readBatch } from "./batch.ts";
import { encodeFrame } from "./frame-binary.ts";
import type { CodedFrame, Frame } from "./frame.ts";
import { resolveLimits } from "./limits.ts";
import { codedFrame, dictionaryFrame } from "./link-coding.ts";
import type { Link } from "./link.ts";
import { SessionLink } from "./session-link.ts";
import type { Session } from "./session.ts";

/** Says nothing shorter; decodes a byte `n` to `n` bytes of the dictionary or, without one, of 90 (a ping's tag). */
const coder: BatchCoder = {
  encode: () => undefined,
  decode(coded, maxBytes, dictionary) {
    const size = coded.length === 1 ? coded[0]! : coded[0]! * 256 + coded[1]!;
    if (size > maxBytes) throw new RangeError("too large");
    return dictionary === undefined ? new Uint8Array(size) : dictionary.slice(0, size);
  },
};
const station = batchStation({
  wireNames: ["n"],
  open: () => coder,
  share: () => ({ dictionary: undefined, encode: () => undefined }),
});

interface Stage {
  readonly link: SessionLink;
  /** What happened, as the session and the transport saw it. */
  readonly events: string[];
  /** Does the transport want more? */
  room: boolean;
  readonly taken: Uint8Array[];
  readonly sent: (readonly Uint8Array[])[];
  readonly refused: string[];
}

function stage(side: "client" | "server", by = station): Stage {
  const events: string[] = [];
  const taken: Uint8Array[] = [];
  const sent: (readonly Uint8Array[])[] = [];
  const refused: string[] = [];
  const carrier: Link = {
    transport: "list",
    traits: { binary: true, duplex: true, push: true, maxBatchBytes: 100_000 },
    peer: { address: "", secure: false, header: () => undefined },
    buffered: 0,
    send(parts) {
      sent.push(parts);
      return made.room;
    },
    pause() {},
    resume() {},
    close: () => void events.push(`closed after ${sent.length}`),
  };
  const link = new SessionLink(carrier, { batch() {}, closed() {} }, false);
  // Of a session a link uses these.
  link.session = {
    drained: () => void events.push("drained"),
    linkClosed: () => void events.push(`lost after ${taken.length}`),
    receive: (_: SessionLink, bytes: Uint8Array) => void taken.push(bytes),
    linkFailed: (_: SessionLink, cause: unknown) =>
      void refused.push((cause as ConnectError).rawMessage ?? String(cause)),
  } as unknown as Session;
  link.coding = by.code(link, [by], ["n"], resolveLimits(), side);
  const made: Stage = { link, taken, sent, refused, events, room: true };
  return made;
}
const coded = (more: Partial<CodedFrame>): Uint8Array =>
  encodeFrame({ kind: "coded", coder: 0, dictionary: 0, data: new Uint8Array(0), defines: 0, ...more });
const group = (id: number, frameBytes = 40): SharedGroup => ({
  parts: [new Uint8Array(100)],
  coded: () => ({
    parts: [coded({ data: Uint8Array.of(id & 255), dictionary: id })],
    dictionary: { id, frame: dictionaryFrame(id, new Uint8Array(frameBytes)) },
  }),
});
const framesOf = (parts: readonly Uint8Array[]): CodedFrame[] => {
  const frames: Frame[] = [];
  readBatch(joinParts(parts), { jsonDepth: 8 }, (frame) => frames.push(frame));
  return frames as CodedFrame[];
};

describe("a client", () => {
  it("decodes by the dictionary that came before, until it is taken back", () => {
    const { link, taken, refused } = stage("client");
    link.batch(
      joinParts([coded({ defines: 5, data: Uint8Array.of(20) }), coded({ dictionary: 5, data: Uint8Array.of(7) })]),
    );
    expect(taken.map(({ length }) => length)).toEqual([7]);
    link.batch(coded({ defines: 5 }));
    link.batch(coded({ dictionary: 5, data: Uint8Array.of(7) }));
    expect(refused).toHaveLength(1);
    expect(refused[0]).toContain("dictionary 5, which was not defined");
  });

  it("keeps 256 dictionaries, and refuses more", () => {
    const { link, refused } = stage("client");
    for (let defines = 1; defines <= 256; defines++) link.batch(coded({ defines, data: Uint8Array.of(1) }));
    link.batch(coded({ defines: 7, data: Uint8Array.of(2) })); // in place of the one before
    expect(refused).toEqual([]);
    link.batch(coded({ defines: 257, data: Uint8Array.of(1) }));
    expect(refused[0]).toContain("more than 256 dictionaries");
  });

  it("refuses a dictionary above 32 KiB", () => {
    const { link, refused } = stage("client");
    const padded = (size: number): Uint8Array => Uint8Array.of(size >> 8, size & 255, ...new Uint8Array(400));
    link.batch(coded({ defines: 1, data: padded(32_768) }));
    expect(refused).toEqual([]);
    link.batch(coded({ defines: 2, data: padded(32_769) }));
    expect(refused[0]).toContain("become more than 32768");
  });

  it("puts what was coded between what was not, where it stood", () => {
    const { link, taken } = stage("client");
    const ping = (id: number): Uint8Array => encodeFrame({ kind: "ping", id });
    link.batch(joinParts([ping(1), coded({ data: Uint8Array.of(3) }), ping(2)]));
    expect(taken.map((bytes) => [...bytes])).toEqual([[...ping(1), 0, 0, 0, ...ping(2)]]);
  });

  it("leaves to the session what is malformed", () => {
    const { link, taken } = stage("client");
    for (const bytes of [
      [0x0a, 200, 1, 0x7a],
      [0x0b, 1],
      [0x0a, 0],
    ])
      link.batch(Uint8Array.from(bytes));
    expect(taken).toHaveLength(3);
  });
});

describe("a server", () => {
  it("sends a dictionary once, before what needs it, and a group in the same bytes to all", () => {
    const first = stage("server").link.coding!;
    const second = stage("server").link.coding!;
    const one = group(1);
    expect(framesOf(first.group(one, 1_000)).map(({ defines, dictionary }) => [defines, dictionary])).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(framesOf(first.group(one, 1_000))).toHaveLength(1);
    expect(framesOf(second.group(one, 1_000))).toHaveLength(2);
  });

  it("takes the oldest back when there are 256", () => {
    const coding = stage("server").link.coding!;
    for (let id = 1; id <= 256; id++) coding.group(group(id), 1_000);
    expect(framesOf(coding.group(group(257), 1_000)).map(({ defines, data }) => [defines, data.length])).toEqual([
      [1, 0],
      [257, 40],
      [0, 1],
    ]);
    expect(framesOf(coding.group(group(2), 1_000))).toHaveLength(1);
    expect(framesOf(coding.group(group(1), 1_000)).map(({ defines }) => defines)).toEqual([2, 1, 0]);
  });

  it("sends a group plain where its dictionary makes the batch too large", () => {
    const coding = stage("server").link.coding!;
    const large = group(1, 900);
    expect(coding.group(large, 500)).toBe(large.parts);
    expect(bytesOf(coding.group(large, 1_000))).toBeGreaterThan(900);
  });
});

describe("what is coded", () => {
  it("is sent plain if that is shorter, or if it would be taken for a bomb", () => {
    expect(codedFrame(0, 0, 50, new Uint8Array(48))).toBeUndefined();
    expect(codedFrame(0, 0, 50, new Uint8Array(30))).toHaveLength(36);
    expect(codedFrame(0, 0, 4_096, new Uint8Array(5))).toBeDefined();
    expect(codedFrame(0, 0, 4_097, new Uint8Array(5))).toBeUndefined();
    expect(codedFrame(0, 0, 10_000, new Uint8Array(100))).toBeDefined();
    expect(codedFrame(0, 0, 10_001, new Uint8Array(100))).toBeUndefined();
  });
});

describe("a coder that takes its time", () => {
  /** Answers when it is told to, in any order. */
  const slow = (): { readonly by: BatchStation; readonly answers: (() => void)[] } => {
    const answers: (() => void)[] = [];
    const later = <T>(value: T): Promise<T> => new Promise((resolve) => answers.push(() => resolve(value)));
    const by = batchStation({
      wireNames: ["n"],
      open: () => ({
        encode: (parts) => later(joinParts(parts).subarray(0, 1)),
        decode: (bytes) => later(new Uint8Array(bytes[0]!)),
      }),
    });
    return { by, answers };
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  const answerAll = async (answers: (() => void)[]): Promise<void> => {
    for (; answers.length > 0; await settle()) answers.shift()!();
  };

  it("stops the session when much waits, and lets it go on when that has left", async () => {
    const { by, answers } = slow();
    const { link, sent, events } = stage("client", by);
    const coding = link.coding!;
    expect(coding.send([new Uint8Array(40_000)], 1)).toBe(true);
    expect(coding.send([new Uint8Array(40_000)], 1)).toBe(false);
    link.blocked = true;
    await answerAll(answers);
    expect(sent).toHaveLength(2);
    expect(events).toEqual(["drained"]);
    expect(link.blocked).toBe(false);
    expect(coding.send([new Uint8Array(40_000)], 1)).toBe(true);
  });

  it("passes on that the transport is full, and when it has room", async () => {
    const { by, answers } = slow();
    const made = stage("client", by);
    const { link, events } = made;
    made.room = false;
    expect(link.coding!.send([new Uint8Array(40_000)], 1)).toBe(true); // nobody knows yet
    await answerAll(answers);
    expect(link.blocked).toBe(true);
    link.drain();
    expect(link.blocked).toBe(false);
    expect(events).toEqual(["drained"]);
  });

  it("sends in order, whatever is ready first, and closes behind it", async () => {
    const { by, answers } = slow();
    const { link, sent, events } = stage("client", by);
    for (const first of [1, 2, 3]) link.coding!.send([new Uint8Array(500).fill(first)], 1);
    link.coding!.goodbye([Uint8Array.of(4)]);
    link.close();
    expect(events).toEqual([]);
    for (const answer of answers.splice(0).toReversed()) answer();
    await settle();
    expect(sent.slice(0, 3).map((parts) => framesOf(parts)[0]!.data[0])).toEqual([1, 2, 3]);
    expect(sent.slice(3)).toEqual([[Uint8Array.of(4)]]);
    expect(events).toEqual(["closed after 4"]);
  });

  it("delivers all that came before the link closed, then says so at once", async () => {
    const { by, answers } = slow();
    const { link, taken, events } = stage("client", by);
    link.batch(coded({ data: Uint8Array.of(10) }));
    link.batch(coded({ data: Uint8Array.of(20) }));
    link.closed(undefined);
    expect(events).toEqual([]);
    await answerAll(answers);
    expect(taken.map(({ length }) => length)).toEqual([10, 20]);
    expect(events).toEqual(["lost after 2"]);
  });

  it("delivers nothing any more to a session that gave the link up", async () => {
    const { by, answers } = slow();
    const { link, taken, events } = stage("client", by);
    link.batch(coded({ data: Uint8Array.of(10) }));
    link.batch(coded({ data: Uint8Array.of(20) }));
    link.end(undefined);
    await answerAll(answers);
    expect(taken).toEqual([]);
    expect(events).toEqual(["lost after 0"]);
  });

  it("which fails ends the link, on either way", async () => {
    const failing = batchStation({
      wireNames: ["n"],
      open: () => ({
        encode: () => Promise.reject(new Error("out of memory")),
        decode: () => Promise.reject(new Error("not of this form")),
      }),
    });
    const receiving = stage("client", failing);
    receiving.link.batch(coded({ data: Uint8Array.of(1) }));
    const sending = stage("client", failing);
    sending.link.coding!.send([new Uint8Array(100)], 1);
    await settle();
    expect(receiving.refused[0]).toContain("not of this form");
    expect(sending.refused[0]).toContain("out of memory");
  });

  it("or throws, ends the link, but not within what the session is doing", async () => {
    const throwing = batchStation({
      wireNames: ["n"],
      open: () => ({
        encode() {
          throw new Error("out of memory");
        },
        decode: () => new Uint8Array(0),
      }),
    });
    const { link, refused } = stage("client", throwing);
    expect(link.coding!.send([new Uint8Array(100)], 1)).toBe(false);
    expect(refused).toEqual([]);
    await settle();
    expect(refused[0]).toContain("out of memory");
  });
});
