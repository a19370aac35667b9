// Frames of every kind for property tests, and the same frames as the generated classes of wire.proto have them.
import { type MessageInitShape, create } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { type Frame, type FrameKind, FRAME_NUMBER } from "../src/frame.ts";
import { FrameSchema, type Frame as WireFrame } from "../src/gen/wire_pb.ts";

/** Plain objects, as the reader makes them. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const uint32 = fc.oneof(fc.nat(300), fc.nat(0xffff_ffff), fc.constantFrom(0, 127, 128, 16_383, 16_384, 0xffff_ffff));
const uint64 = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(0, 2 ** 31, 2 ** 32, 2 ** 35, Number.MAX_SAFE_INTEGER),
);
const text = fc.oneof(
  fc.string({ unit: "binary-ascii" }),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "x".repeat(127), "é".repeat(64), "x".repeat(2_000)),
);
/** Also around the size from which on payloads are not copied. */
const bytes = fc.oneof(
  fc.uint8Array(),
  fc.constantFrom(0, 127, 128, 1_023, 1_024, 3_000).map((size) => new Uint8Array(size).fill(size)),
);
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const header = fc.array(record({ key: text, value: text }), { maxLength: 4 });
const someHeader = header.map((list) => (list.length === 0 ? undefined : list));
const window = maybe(record({ messages: uint32, bytes: uint32 }));
const position = maybe(record({ epoch: text, offset: uint64 }));
const status = maybe(
  record({
    code: fc.nat(16),
    message: text,
    details: fc.array(record({ typeUrl: text, value: bytes }), { maxLength: 3 }),
  }),
);
const kind = <K extends FrameKind>(name: K): fc.Arbitrary<K> => fc.constant(name);
const strings = fc.array(text, { maxLength: 4 });
const some = strings.map((list) => (list.length === 0 ? undefined : list));

/** Every kind of frame; `payload` makes the payloads. */
export function frames(payload: fc.Arbitrary<Uint8Array> = bytes): {
  readonly [K in FrameKind]: fc.Arbitrary<Frame & { readonly kind: K }>;
} {
  return {
    hello: record({
      kind: kind("hello"),
      version: uint32,
      codecs: strings,
      session: bytes,
      secret: bytes,
      received: uint64,
      credential: text,
      window,
      agent: text,
      header,
      attempt: uint32,
      coders: some,
    }),
    welcome: record({
      kind: kind("welcome"),
      version: uint32,
      codec: text,
      session: bytes,
      secret: bytes,
      received: uint64,
      resumed: fc.boolean(),
      window,
      heartbeatMs: uint32,
      silenceMs: uint32,
      resumeMs: uint32,
      maxMessageBytes: uint32,
      transports: strings,
      maxBatchBytes: uint32,
      maxAgeMs: uint32,
      node: text,
      credentialMs: uint32,
      coders: some,
    }),
    open: record({
      kind: kind("open"),
      call: uint32,
      method: text,
      header,
      timeoutMs: uint32,
      idempotencyKey: text,
      after: position,
      end: fc.boolean(),
      payload: maybe(payload),
    }),
    data: record({
      kind: kind("data"),
      call: uint32,
      payload,
      header: someHeader,
    }),
    end: record({ kind: kind("end"), call: uint32, status, header, trailer: header, payload: maybe(payload) }),
    cancel: record({ kind: kind("cancel"), call: uint32 }),
    credit: record({ kind: kind("credit"), call: uint32, messages: uint32, bytes: uint32 }),
    ack: record({ kind: kind("ack"), received: uint64, from: maybe(uint64) }),
    topic: record({
      kind: kind("topic"),
      call: uint32,
      handle: uint32,
      position,
      state: fc.nat(3),
      header: someHeader,
    }),
    publication: record({ kind: kind("publication"), handle: uint32, offset: uint64, payload }),
    ping: record({ kind: kind("ping"), id: uint32 }),
    pong: record({ kind: kind("pong"), id: uint32 }),
    auth: record({ kind: kind("auth"), credential: text, expiresMs: uint32 }),
    goaway: record({ kind: kind("goaway"), status, retryAfterMs: uint32, endpoints: strings, final: fc.boolean() }),
    coded: record({ kind: kind("coded"), coder: uint32, dictionary: uint32, data: bytes, defines: uint32 }),
  };
}

export const kinds = Object.keys(FRAME_NUMBER) as FrameKind[];
export const anyFrame: fc.Arbitrary<Frame> = fc.oneof(...kinds.map((name) => frames()[name]));
export const batch: fc.Arbitrary<readonly Frame[]> = fc.array(anyFrame, { maxLength: 6 });

/** The frame as a generated message. */
export function wireFrame(frame: Frame): WireFrame {
  const big = (value: unknown, key: string): unknown =>
    (key === "received" || key === "offset") && typeof value === "number"
      ? BigInt(value)
      : typeof value === "object" && value !== null && !(value instanceof Uint8Array) && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, big(inner, name)]))
        : value;
  const { kind: name, ...fields } = frame;
  return create(FrameSchema, { kind: { case: name, value: big(fields, "") } } as MessageInitShape<typeof FrameSchema>);
}
