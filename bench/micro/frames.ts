// What a frame costs: Raceway's hand-written form beside protobuf-es, encoding and decoding, 110 bytes of payload.
// Run: node -C @raceway/source bench/micro/frames.ts
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Frame,
  FrameWriter,
  encodePublication,
  partsToJson,
  readFrames,
  readJsonFrames,
} from "@raceway/core/internal";
import { BatchSchema } from "../../packages/core/src/gen/wire_pb.ts";
import { compare } from "./compare.ts";

const payload = new Uint8Array(110).map((_, index) => index);
const writer = new FrameWriter();
/** Frames in a batch: what a busy turn has. */
const FRAMES = 32;
let sink = 0;

interface Kind {
  readonly name: string;
  readonly frame: (index: number) => object;
  readonly write: (index: number) => void;
}
const kinds: readonly Kind[] = [
  {
    name: "data",
    frame: (index) => ({ case: "data", value: { call: index, payload } }),
    write: (index) => writer.data(index, payload),
  },
  {
    name: "end",
    frame: (index) => ({ case: "end", value: { call: index, payload } }),
    write: (index) => writer.end(index, undefined, undefined, undefined, payload),
  },
  {
    name: "open",
    frame: (index) => ({
      case: "open",
      value: { call: index, method: "/bench.v1.EchoService/Echo", timeoutMs: 10_000, end: true, payload },
    }),
    write: (index) =>
      writer.open(index, "/bench.v1.EchoService/Echo", undefined, 10_000, undefined, undefined, true, payload),
  },
  {
    name: "publication",
    frame: (index) => ({ case: "publication", value: { handle: 5, offset: BigInt(index + 70_000), payload } }),
    write: (index) => void (sink += encodePublication(5, index + 70_000, payload).length),
  },
  {
    name: "credit",
    frame: (index) => ({ case: "credit", value: { call: index, messages: 64, bytes: 7_040 } }),
    write: (index) => writer.credit(index, 64, 7_040),
  },
];

for (const { name, frame, write } of kinds) {
  const message = create(BatchSchema, {
    frame: Array.from({ length: FRAMES }, (_, index) => ({ kind: frame(index) as never })),
  });
  const one = Array.from({ length: FRAMES }, (_, index) =>
    create(BatchSchema, { frame: [{ kind: frame(index) as never }] }),
  );
  const bytes = toBinary(BatchSchema, message);
  const ours = (): void => {
    for (let index = 0; index < FRAMES; index++) write(index);
    sink += writer.take().length;
  };
  compare(`${name}: encode`, FRAMES, {
    raceway: ours,
    "protobuf-es, a frame at a time": () => {
      for (const single of one) sink += toBinary(BatchSchema, single).length;
    },
    "protobuf-es, a batch at a time": () => void (sink += toBinary(BatchSchema, message).length),
  });
  const each = (read: Frame): void => void (sink += read.kind.length);
  compare(`${name}: decode`, FRAMES, {
    raceway: () => readFrames(bytes, each),
    "protobuf-es": () => void (sink += fromBinary(BatchSchema, bytes).frame.length),
  });
}

const json = new TextEncoder().encode(
  JSON.stringify({ room: "tea", text: "hello, hello, hello, hello, hello", by: "someone", at: 1_732_000_000 }),
);
for (let index = 0; index < FRAMES; index++) writer.data(index, json);
const parts = writer.take();
const text = partsToJson(parts, true)[0]!;
compare("data in text, JSON payload", FRAMES, {
  encode: () => void (sink += partsToJson(parts, true).length),
  decode: () => readJsonFrames(text, { jsonDepth: 64 }, (read) => void (sink += read.kind.length)),
});
if (sink === 0) throw new Error("nothing was measured");
