// The reader of frames, with input cut anywhere and rules broken one by one (RFC 6455).
import fc from "fast-check";
import { expect, test } from "vitest";
import * as ws from "ws";
import { FrameReader, type ReaderSink } from "./server-reader.ts";

interface FrameShape {
  readonly fin?: boolean;
  readonly opcode: number;
  readonly payload?: Uint8Array;
  /** Null: the frame is not masked. */
  readonly mask?: readonly [number, number, number, number] | null;
  readonly reserved?: number;
  /** Bytes in which the length is written; the shortest form unless said. */
  readonly lengthForm?: 7 | 16 | 64;
}

const text = (string: string): Uint8Array => new TextEncoder().encode(string);

/** A frame as a client writes it. */
function frame({
  fin = true,
  opcode,
  payload = new Uint8Array(0),
  mask = [1, 2, 3, 4],
  reserved = 0,
  lengthForm = 7,
}: FrameShape): Uint8Array {
  const { length } = payload;
  const form = lengthForm === 64 || length > 65_535 ? 64 : lengthForm === 16 || length > 125 ? 16 : 7;
  const head = Buffer.alloc(2 + (form === 7 ? 0 : form / 8));
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (mask === null ? 0 : 0x80) | (form === 7 ? length : form === 16 ? 126 : 127);
  if (form === 16) head.writeUInt16BE(length, 2);
  if (form === 64) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Uint8Array.from(mask ?? []), payload.map((byte, at) => byte ^ (mask?.[at & 3] ?? 0))]);
}

/** Notes what the reader finds, in the words of a person. */
class Notes implements ReaderSink {
  readonly found: string[] = [];
  readonly messages: Uint8Array[] = [];
  message(bytes: Uint8Array): void {
    this.messages.push(bytes);
    this.found.push(`message ${Buffer.from(bytes).toString("latin1")}`);
  }
  ping(payload: Uint8Array): void {
    this.found.push(`ping ${Buffer.from(payload).toString("latin1")}`);
  }
  ended(code: number, reason: string): void {
    this.found.push(`ended ${code} ${reason}`);
  }
  broken(code: number, detail: string, bytes: number): void {
    this.found.push(`broken ${code}: ${detail}${bytes > 0 ? `, ${bytes} bytes` : ""}`);
  }
}

function read(chunks: readonly Uint8Array[], maxBytes = 1_000): Notes {
  const notes = new Notes();
  const reader = new FrameReader(notes, maxBytes);
  for (const chunk of chunks) reader.read(Uint8Array.from(chunk)); // a copy: the reader unmasks in place
  return notes;
}

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

test("reads messages of one read in order, and answers only the last ping", () => {
  const bytes = Buffer.concat([
    frame({ opcode: BINARY, payload: text("one") }),
    frame({ opcode: PING, payload: text("a") }),
    frame({ opcode: TEXT, payload: text("two ✓") }),
    frame({ opcode: PING, payload: text("b") }),
    frame({ opcode: PONG, payload: text("c") }),
    frame({ opcode: BINARY }),
  ]);
  expect(read([bytes]).found).toEqual(["message one", `message ${Buffer.from("two ✓").toString("latin1")}`, "ping b"]);
});

test("reads the same whatever the network cuts, down to single bytes", () => {
  const payload = Uint8Array.from({ length: 700 }, (_, at) => at);
  const bytes = Buffer.concat([
    frame({ opcode: BINARY, payload }),
    frame({ fin: false, opcode: TEXT, payload: text("half ") }),
    frame({ opcode: PING, payload: text("between") }),
    frame({ opcode: 0, payload: text("and half") }),
    frame({ opcode: BINARY, payload: text("x"), lengthForm: 64 }),
    frame({ opcode: CLOSE, payload: Buffer.concat([Uint8Array.of(0x03, 0xe8), text("bye")]) }),
    frame({ opcode: BINARY, payload: text("after the end") }),
  ]);
  const whole = read([bytes]);
  expect(whole.found).toEqual([
    `message ${Buffer.from(payload).toString("latin1")}`,
    "message half and half",
    "message x",
    "ended 1000 bye",
  ]);
  const said = whole.found.filter((line) => !line.startsWith("ping"));
  for (const size of [1, 2, 3, 7, 64, 500]) {
    const cut: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) cut.push(bytes.subarray(at, at + size));
    expect(read(cut).found.filter((line) => !line.startsWith("ping"))).toEqual(said);
  }
});

test("hands over plain Uint8Arrays, whose slice is a copy", () => {
  const { messages } = read([
    frame({ opcode: BINARY, payload: text("abc") }),
    frame({ fin: false, opcode: BINARY, payload: text("d") }),
    frame({ opcode: 0, payload: text("e") }),
  ]);
  expect(messages.map((message) => Object.getPrototypeOf(message) === Uint8Array.prototype)).toEqual([true, true]);
});

test("refuses what breaks a rule, with the code that says which", () => {
  const cases: readonly (readonly [FrameShape | readonly FrameShape[], string])[] = [
    [{ opcode: BINARY, mask: null }, "broken 1002: a frame is not masked"],
    [{ opcode: BINARY, reserved: 4 }, "broken 1002: a reserved bit is set"],
    [{ opcode: 3 }, "broken 1002: opcode 3 is unknown"],
    [{ opcode: 11 }, "broken 1002: opcode 11 is unknown"],
    [{ opcode: PING, fin: false }, "broken 1002: a control frame is fragmented"],
    [{ opcode: PING, payload: new Uint8Array(126) }, "broken 1002: a control frame is longer than 125 bytes"],
    [{ opcode: 0 }, "broken 1002: a continuation continues nothing"],
    [[{ opcode: BINARY, fin: false }, { opcode: TEXT }], "broken 1002: a message begins inside another"],
    [{ opcode: CLOSE, payload: Uint8Array.of(3) }, "broken 1002: a close frame has half a code"],
    [{ opcode: CLOSE, payload: Uint8Array.of(0x03, 0xed) }, "broken 1002: close code 1005 is not allowed"],
    [
      { opcode: CLOSE, payload: Uint8Array.of(0x03, 0xe8, 0xff) },
      "broken 1007: the reason of a close frame is not UTF-8",
    ],
    [{ opcode: TEXT, payload: Uint8Array.of(0xc3, 0x28) }, "broken 1007: a text message is not UTF-8"],
    [
      [
        { opcode: TEXT, fin: false, payload: Uint8Array.of(0xc3) },
        { opcode: 0, payload: Uint8Array.of(0x28) },
      ],
      "broken 1007: a text message is not UTF-8",
    ],
    [{ opcode: BINARY, payload: new Uint8Array(1_001) }, "broken 1009: a message is too large, 1001 bytes"],
    [
      [
        { opcode: BINARY, fin: false, payload: new Uint8Array(600) },
        { opcode: 0, payload: new Uint8Array(401) },
      ],
      "broken 1009: a message is too large, 1001 bytes",
    ],
  ];
  for (const [shapes, expected] of cases) {
    const bytes = Buffer.concat([...[shapes].flat().map(frame), frame({ opcode: BINARY, payload: text("after") })]);
    expect(read([bytes]).found).toEqual([expected]);
  }
});

test("refuses a length from the header alone, before any of the payload has come", () => {
  const header = frame({ opcode: BINARY, payload: new Uint8Array(2_000) }).subarray(0, 4);
  expect(read([header]).found).toEqual(["broken 1009: a message is too large, 2000 bytes"]);
  const immense = Uint8Array.of(0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
  expect(read([immense]).found).toEqual(["broken 1009: a message is too large, 18446744073709552000 bytes"]);
});

test("takes a message of 16,384 fragments and no more, empty or not", () => {
  const part = frame({ fin: false, opcode: 0 });
  const begin = frame({ fin: false, opcode: BINARY, payload: text("a") });
  const end = frame({ opcode: 0, payload: text("z") });
  expect(read([begin, ...Array.from({ length: 16_382 }, () => part), end]).found).toEqual(["message az"]);
  expect(read([begin, ...Array.from({ length: 16_384 }, () => part)]).found).toEqual([
    "broken 1008: a message has more than 16384 fragments",
  ]);
});

test("takes off a mask wherever payload and words begin", () => {
  for (let lead = 0; lead < 9; lead++) {
    for (const length of [0, 1, 3, 47, 48, 49, 50, 51, 52, 200, 1_000]) {
      const payload = Uint8Array.from({ length }, (_, at) => at * 7);
      const bytes = frame({ opcode: BINARY, payload, mask: [0x12, 0x34, 0x56, 0x78] });
      const ground = new Uint8Array(lead + bytes.length + 3);
      ground.set(bytes, lead);
      const notes = new Notes();
      new FrameReader(notes, 1_000).read(ground.subarray(lead, lead + bytes.length));
      expect(notes.messages).toEqual(length === 0 ? [] : [payload]);
      expect(ground.subarray(lead + bytes.length)).toEqual(new Uint8Array(3)); // nothing behind it was touched
    }
  }
});

test("says nothing more once it was stopped, even in the middle of a read", () => {
  const notes = new Notes();
  const reader: FrameReader = new FrameReader(
    Object.assign(notes, {
      message(bytes: Uint8Array) {
        notes.messages.push(bytes);
        reader.stop();
      },
    }),
    1_000,
  );
  const one = frame({ opcode: BINARY, payload: text("one") });
  reader.read(Buffer.concat([one, one, frame({ opcode: PING }), frame({ opcode: CLOSE })]));
  reader.read(Buffer.concat([one]));
  expect(notes.messages).toHaveLength(1);
  expect(notes.found).toEqual([]);
});

// The `ws` package reads WebSockets in most Node servers: what it takes for a message, an end or a breach, so do we.
interface Receiver extends NodeJS.WritableStream {
  on(event: "message", listener: (bytes: Buffer) => void): this;
  on(event: "conclude", listener: (code: number, reason: Buffer) => void): this;
  on(event: "error", listener: (error: object) => void): this;
}
const { Receiver } = ws as unknown as { readonly Receiver: new (options: object) => Receiver };

async function readWithWs(chunks: readonly Uint8Array[]): Promise<string[]> {
  const found: string[] = [];
  const receiver = new Receiver({ isServer: true, maxPayload: 1_000, maxFragments: 16_384 });
  receiver.on("message", (bytes) => {
    if (bytes.length > 0) found.push(`message ${bytes.toString("latin1")}`);
  });
  receiver.on("conclude", (code, reason) => found.push(`ended ${code} ${reason.toString()}`));
  let failed = false;
  receiver.on("error", (error) => {
    failed = true;
    const status = Object.getOwnPropertySymbols(error).find((symbol) => symbol.description === "status-code");
    found.push(`broken ${(error as Record<symbol, number>)[status!]}`);
  });
  for (const chunk of chunks) {
    if (failed) break;
    await new Promise<void>((resolve) => receiver.write(Buffer.from(chunk), () => resolve()));
  }
  return found;
}

const frames = fc.array(
  fc.record({
    fin: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    opcode: fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom(0, 0, TEXT, BINARY, BINARY, PING, PONG) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 15 }) },
    ),
    reserved: fc.oneof(
      { weight: 40, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 7 }) },
    ),
    mask: fc.oneof(
      { weight: 40, arbitrary: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)) },
      { weight: 1, arbitrary: fc.constant(null) },
    ),
    lengthForm: fc.constantFrom(7 as const, 7 as const, 16 as const, 64 as const),
    payload: fc.oneof(
      { weight: 4, arbitrary: fc.string({ unit: "grapheme", maxLength: 30 }).map(text) },
      { weight: 2, arbitrary: fc.uint8Array({ maxLength: 130 }) },
      { weight: 1, arbitrary: fc.uint8Array({ minLength: 300, maxLength: 600 }) },
      {
        weight: 1,
        arbitrary: fc.integer({ min: 990, max: 5_100 }).map((code) => Uint8Array.of(code >> 8, code & 0xff)),
      },
    ),
  }),
  { minLength: 1, maxLength: 12 },
);

test(
  "finds what the receiver of ws finds, in 2,000 conversations of right and wrong frames, cut at random",
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        frames,
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }),
        async (shapes, sizes) => {
          // `ws` refuses control frames by the short form of their length only, and so do we.
          const bytes = Buffer.concat(
            shapes.map((shape) => frame(shape.opcode >= CLOSE ? { ...shape, lengthForm: 7 } : shape)),
          );
          const chunks: Uint8Array[] = [];
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length]!;
            chunks.push(bytes.subarray(at, at + size));
            at += size;
          }
          const ours = read(chunks)
            .found.filter((line) => !line.startsWith("ping"))
            .map((line) => (line.startsWith("broken") ? line.slice(0, 11) : line));
          expect(ours).toEqual(await readWithWs(chunks));
        },
      ),
      { numRuns: 2_000 },
    );
  },
);
