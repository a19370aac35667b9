// The coding of one link by itself: dictionaries and their bounds, on both sides.
import type { ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type BatchCoder, type SharedGroup, batchStation } from "./batch-station.ts";
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
    if (size > maxBytes) throw new RangeError();
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
  readonly taken: Uint8Array[];
  readonly sent: (readonly Uint8Array[])[];
  readonly refused: string[];
}

function stage(side: "client" | "server", decodedBytes = 16_777_216): Stage {
  const taken: Uint8Array[] = [];
  const sent: (readonly Uint8Array[])[] = [];
  const refused: string[] = [];
  const carrier: Link = {
    transport: "list",
    traits: { binary: true, duplex: true, push: true, maxBatchBytes: 100_000 },
    peer: { address: "", secure: false, header: () => undefined },
    buffered: 0,
    send: (parts) => sent.push(parts) > 0,
    pause() {},
    resume() {},
    close() {},
  };
  const link = new SessionLink(carrier, { batch() {}, closed() {} }, false);
  // Of a session a link uses these two.
  link.session = {
    receive: (_: SessionLink, bytes: Uint8Array) => void taken.push(bytes),
    refuse: (_: SessionLink, cause: unknown) => void refused.push((cause as ConnectError).rawMessage),
  } as unknown as Session;
  link.coding = station.code(link, [station], ["n"], resolveLimits({ decodedBytes }), side);
  return { link, taken, sent, refused };
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
