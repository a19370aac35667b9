// Messages that codecs are tried with: every kind of field, at the edges of its range.
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { CodecColor, CodecSampleSchema, CodecTreeSchema } from "../gen/raceway/testkit/v1/codec_kit_pb.ts";
import { CodecDefaults_Size as Size, CodecDefaultsSchema } from "../gen/raceway/testkit/v1/codec_kit_proto2_pb.ts";

type SampleInit = MessageInitShape<typeof CodecSampleSchema>;

export interface Sample<D extends DescMessage = DescMessage> {
  readonly desc: D;
  readonly init: MessageInitShape<D>;
}

const sample = (init: SampleInit): Sample => ({ desc: CodecSampleSchema, init });
const each = <T>(values: readonly T[], make: (value: T) => SampleInit): readonly Sample[] =>
  values.map((value) => sample(make(value)));

/** 64-bit integers around 2^53, from where on a JavaScript number no longer holds each, and at their ends. */
const positive = [0n, 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n];
const signed = [...positive, -1n, -(2n ** 53n) - 1n, -(2n ** 63n)];
const unsigned = [...positive, 2n ** 63n, 2n ** 64n - 1n];

/** Text that careless code takes for something else, or cuts. */
export const oddTexts: readonly string[] = [
  " ",
  "\0",
  "a\0b",
  "\n\r\t\u2028\u2029",
  "\ufeffafter a byte order mark",
  "é e\u0301 ß 日本語 🏁👩‍👩‍👧",
  '"quoted" \\ and {"braces": [1, null]}',
  "__proto__",
  "constructor",
  "null",
  "123",
  "\ufffd",
  "x".repeat(70_000),
  "日".repeat(70_000),
];

const bytes = (length: number, step = 1): Uint8Array => Uint8Array.from({ length }, (_, at) => (at * step) & 255);

export type SampleGroup =
  | "numbers"
  | "longs"
  | "floats"
  | "texts"
  | "bytes"
  | "enums"
  | "defaults"
  | "collections"
  | "wellKnown";

export const samples: Readonly<Record<SampleGroup, readonly Sample[]>> = {
  numbers: [
    ...each([0, 1, -1, 127, 128, 2 ** 31 - 1, -(2 ** 31)], (value) => ({
      int32: value,
      sint32: value,
      sfixed32: value,
      maybeInt32: value,
      int32s: [value, 0, value],
    })),
    ...each([0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1], (value) => ({ uint32: value, fixed32: value })),
    ...each([true, false], (value) => ({
      bool: value,
      maybeBool: value,
      bools: [value, !value],
      wrappedBool: value,
      choice: { case: "chosenBool", value },
    })),
  ],
  longs: [
    ...each(signed, (value) => ({
      int64: value,
      sint64: value,
      sfixed64: value,
      notPacked: [value, 0n, value],
      byBool: { true: value, false: 0n },
      wrappedInt64: value,
      choice: { case: "chosenInt64", value },
    })),
    ...each(unsigned, (value) => ({
      uint64: value,
      fixed64: value,
      maybeUint64: value,
      uint64s: [value, 0n, value],
      byUint64: { [String(value)]: bytes(3) },
    })),
  ],
  floats: each(
    [0, 1, -1.5, 1 / 3, Math.PI, 2 ** 53, 5e-324, Number.MAX_VALUE, Number.NaN, Infinity, -Infinity],
    (value) => ({
      double: value,
      maybeDouble: value,
      doubles: [value, 1, value],
      float: Math.abs(value) > 3e38 && Number.isFinite(value) ? 0 : Math.fround(value),
    }),
  ),
  texts: [
    ...oddTexts.map((text) =>
      sample({
        string: text,
        maybeString: text,
        strings: [text, "", text],
        wrappedString: text,
        choice: { case: "chosenString", value: text },
        toString$: text,
        renamed: text,
      }),
    ),
  ],
  bytes: each([bytes(0), bytes(1), bytes(256), bytes(65_536, 7), bytes(300_000, 3)], (value) => ({
    bytes: value,
    maybeBytes: value,
    manyBytes: [value, bytes(0), value],
    wrappedBytes: value,
    choice: { case: "chosenBytes", value },
  })),
  enums: each(
    [CodecColor.UNSPECIFIED, CodecColor.RED, CodecColor.FAR, CodecColor.NEGATIVE, 99 as CodecColor],
    (value) => ({
      color: value,
      maybeColor: value,
      colors: [value, CodecColor.RED],
      colorsByString: { a: value },
    }),
  ),
  defaults: [
    sample({}),
    sample({
      maybeInt32: 0,
      maybeUint64: 0n,
      maybeBool: false,
      maybeString: "",
      maybeBytes: bytes(0),
      maybeDouble: 0,
      maybeColor: 0,
    }),
    sample({ choice: { case: "chosenString", value: "" } }),
    sample({ choice: { case: "chosenInt64", value: 0n } }),
    sample({ choice: { case: "chosenBool", value: false } }),
    sample({ choice: { case: "chosenBytes", value: bytes(0) } }),
    sample({ choice: { case: "chosenTree", value: {} } }),
    sample({ choice: { case: "chosenEmpty", value: {} } }),
    sample({ tree: {} }),
    sample({ tree: { child: { child: {} } } }),
    sample({ wrappedInt64: 0n, wrappedString: "", wrappedBool: false, wrappedBytes: bytes(0) }),
    { desc: CodecDefaultsSchema, init: {} },
    { desc: CodecDefaultsSchema, init: { number: 7, text: "seven", flag: true, size: Size.LARGE } },
    { desc: CodecDefaultsSchema, init: { number: 0, text: "", flag: false, size: Size.SMALL, numbers: [0, -1] } },
  ],
  collections: [
    sample({ strings: ["b", "a", "", "a"], trees: [{ name: "b" }, {}, { name: "a", children: [{}, { name: "c" }] }] }),
    sample({ int32s: Array.from({ length: 5_000 }, (_, at) => at - 2_500) }),
    sample({
      byString: Object.fromEntries(
        ["", "a", "a b", "ä", "1", "01", "z".repeat(300)].map((key, at) => [key, String(at)]),
      ),
    }),
    sample({ byInt32: { 0: {}, 5: { name: "five" }, [-(2 ** 31)]: { child: { name: "least" } }, [2 ** 31 - 1]: {} } }),
    sample({ byString: Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`key ${at}`, `value ${at}`])) }),
    { desc: CodecTreeSchema, init: { children: Array.from({ length: 300 }, (_, at) => ({ name: String(at) })) } },
  ],
  wellKnown: [
    sample({
      timestamp: { seconds: 1_700_000_000n, nanos: 123_456_789 },
      duration: { seconds: -3n, nanos: -500_000_000 },
    }),
    sample({
      timestamp: { seconds: -62_135_596_800n, nanos: 0 },
      duration: { seconds: 315_576_000_000n, nanos: 999_999_999 },
    }),
    sample({ timestamp: {}, duration: {}, mask: {} }),
    sample({ mask: { paths: ["user.display_name", "photo"] } }),
    sample({ struct: { a: 1.5, b: "text", c: [true, null, { d: {} }], "": -1e300 } }),
    sample({ value: { kind: { case: "nullValue", value: 0 } } }),
    sample({ value: { kind: { case: "numberValue", value: 0 } } }),
    sample({
      value: { kind: { case: "structValue", value: { fields: { a: { kind: { case: "numberValue", value: 1 } } } } } },
    }),
    sample({
      list: { values: [{ kind: { case: "boolValue", value: true } }, { kind: { case: "stringValue", value: "" } }] },
    }),
  ],
};

/** Keys of maps that are names of JavaScript's own. */
export const trapKeys: readonly string[] = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "valueOf",
];
