// The protobuf codec byte for byte against protobuf-es, over messages of every shape.
import { type DescMessage, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  AnySchema,
  FileDescriptorProtoSchema,
  TimestampSchema,
  TypeSchema,
  ValueSchema,
  timestampFromDate,
} from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { everyDesc, messageArbitrary, mildDesc, oldDesc } from "../test/every-type.ts";
import { protoCodec } from "./codec-proto.ts";
import { reasonOf } from "./errors.ts";
import { BatchSchema, OpenSchema, WelcomeSchema } from "./gen/wire_pb.ts";
import { decodeFast } from "./proto-decoder.ts";
import { encodeFast } from "./proto-encoder.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const codec = protoCodec({ decoder: decodeFast });
const encode = (desc: DescMessage, message: object): Uint8Array =>
  codec.of(desc).encode(message as Record<string, unknown>);
const reference = (desc: DescMessage, message: object): Uint8Array =>
  toBinary(desc, create(desc, message as Record<string, unknown>));

describe.each(
  [
    everyDesc,
    oldDesc,
    mildDesc,
    BatchSchema,
    FileDescriptorProtoSchema,
    AnySchema,
    TimestampSchema,
    TypeSchema,
    ValueSchema,
  ].map((desc) => [desc.typeName, desc] as const),
)("the proto codec, with %s,", (_, desc) => {
  it("writes the bytes of toBinary, from initializers and from messages", () => {
    fc.assert(
      fc.property(messageArbitrary(desc), (init) => {
        const expected = hex(reference(desc, init));
        expect(hex(encode(desc, init))).toBe(expected);
        expect(hex(encode(desc, create(desc, init)))).toBe(expected);
        // By itself, and not by asking protobuf for the whole; which it does for groups beside required fields.
        if (desc !== oldDesc) expect(hex(encodeFast(desc, init)!)).toBe(expected);
      }),
      { numRuns: 120 },
    );
  });

  it("reads what it wrote", () => {
    fc.assert(
      fc.property(messageArbitrary(desc), (init) => {
        const bytes = encode(desc, init);
        expect(hex(encode(desc, codec.of(desc).decode(bytes)))).toBe(hex(toBinary(desc, fromBinary(desc, bytes))));
      }),
    );
  });
});

describe("the proto codec", () => {
  it("writes common messages by itself", () => {
    const welcome = {
      version: 1,
      codec: "proto",
      session: new Uint8Array(16),
      received: 5n,
      resumed: true,
      window: { messages: 1 },
      transports: ["sse", "größer"],
      node: "x".repeat(200),
    };
    expect(encodeFast(WelcomeSchema, welcome)).toEqual(reference(WelcomeSchema, welcome));
    expect(encodeFast(TimestampSchema, timestampFromDate(new Date(5_000)))).toEqual(new Uint8Array([8, 5]));
    expect(encodeFast(everyDesc, { mString: { a: "b" }, sOfStringvalue: "w", cOfEvery: undefined })).toBeDefined();
  });

  it("gives bytes that later messages do not touch", () => {
    fc.assert(
      fc.property(fc.array(messageArbitrary(BatchSchema), { maxLength: 20 }), (list) => {
        const all = list.map((init) => encode(BatchSchema, init));
        expect(all.map(hex)).toEqual(list.map((init) => hex(reference(BatchSchema, init))));
      }),
    );
  });

  it("keeps unknown fields of messages, as protobuf does", () => {
    const bytes = new BinaryWriter()
      .tag(1, WireType.Varint)
      .uint32(7)
      .tag(50, WireType.LengthDelimited)
      .string("later")
      .tag(20_000, WireType.Varint)
      .uint32(300)
      .finish();
    const message = codec.of(OpenSchema).decode(bytes);
    expect(encode(OpenSchema, message)).toEqual(bytes);
    expect(encode(BatchSchema, { frame: [{ kind: { case: "open", value: message } }] })).toEqual(
      reference(BatchSchema, { frame: [{ kind: { case: "open", value: message } }] }),
    );
  });

  it("prepares a type once", () => {
    expect(codec.of(OpenSchema)).toBe(codec.of(OpenSchema));
    expect(codec.name).toBe("proto");
  });

  it("takes what is unusual and still fits, as protobuf does", () => {
    for (const init of [
      { sBytes: [1, 2] },
      { sInt32: "5" },
      { sInt64: 5 },
      { sString: 5 },
      { sUint64: "77" },
      { sInt32: null, rString: null, sOfEvery: undefined },
      { choice: { case: "nobody", value: 1 } },
    ]) {
      expect(hex(encode(everyDesc, init))).toBe(hex(reference(everyDesc, init)));
    }
    // A message of another type serves as an initializer.
    expect(hex(encode(OpenSchema, create(WelcomeSchema, { version: 1 }) as object))).toBe("");
  });

  it.each([
    ["sInt32", 1.5, "invalid int32: 1.5"],
    ["sInt32", Number.NaN, "invalid int32: NaN"],
    ["sUint32", -1, "invalid uint32: -1"],
    ["sFixed32", 2 ** 32, "invalid uint32: 4294967296"],
    ["sInt64", 2n ** 63n, "invalid int64: 9223372036854775808"],
    ["sUint64", -1n, "invalid uint64: -1"],
    ["sFloat", 1e300, "invalid float32"],
    ["rInt32", [1, "x"], "invalid int32"],
    ["mOfEvery", { a: 5 }, "cannot use"],
    ["sOfEvery", "text", "cannot use"],
  ])("refuses %s: %s", (name, value, text) => {
    try {
      encode(everyDesc, { [name]: value });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConnectError);
      expect((error as ConnectError).code).toBe(Code.InvalidArgument);
      expect((error as ConnectError).message).toContain(text);
    }
  });

  it("refuses a message without a required field, and one that contains itself", () => {
    expect(() => encode(oldDesc, { number: 1 })).toThrow("required field not set");
    const circle: Record<string, unknown> = {};
    circle["sOfEvery"] = circle;
    expect(() => encode(everyDesc, circle)).toThrow(ConnectError);
  });

  it("goes on after a message that failed, and inside of one whose getter encodes", () => {
    expect(() => encode(everyDesc, { sInt32: Number.NaN })).toThrow(ConnectError);
    let inner = "";
    const init = {
      get method() {
        inner = hex(encode(OpenSchema, { call: 9 }));
        return "/m";
      },
      call: 5,
    };
    expect(hex(encode(OpenSchema, init))).toBe(hex(reference(OpenSchema, { method: "/m", call: 5 })));
    expect(inner).toBe("0809");
  });
});

describe.each([undefined, decodeFast])("hostile bytes, with decoder %o,", (decoder) => {
  const fault = (desc: DescMessage, bytes: Uint8Array, limits?: { protobufDepth: number }): string | undefined => {
    try {
      protoCodec({ ...limits, ...(decoder && { decoder }) })
        .of(desc)
        .decode(bytes);
      return undefined;
    } catch (error) {
      expect(reasonOf(error)).toBe("payload_malformed");
      expect((error as ConnectError).code).toBe(Code.InvalidArgument);
      return (error as ConnectError).rawMessage;
    }
  };
  /** Lists of lists, `depth` deep. */
  const deepValue = (depth: number): Uint8Array => {
    let bytes = new Uint8Array([8, 0]);
    for (let level = 0; level < depth; level++) {
      const list = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(bytes).finish();
      bytes = new BinaryWriter().tag(6, WireType.LengthDelimited).bytes(list).finish();
    }
    return bytes;
  };

  it("never make anything but an error of ours", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 100 }),
          fc.tuple(messageArbitrary(everyDesc), fc.nat(), fc.nat(255)).map(([init, at, value]) => {
            const bytes = reference(everyDesc, init).slice();
            if (bytes.length > 0) bytes[at % bytes.length] = value;
            return bytes;
          }),
        ),
        (bytes) => {
          fault(everyDesc, bytes);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("are refused when messages are nested too deeply", () => {
    expect(fault(ValueSchema, deepValue(5), { protobufDepth: 11 })).toBeUndefined();
    expect(fault(ValueSchema, deepValue(6), { protobufDepth: 11 })).toContain("maximum recursion depth of 11");
    expect(fault(ValueSchema, deepValue(2_000))).toContain("maximum recursion depth of 100");
  });

  it("are refused when unknown groups are nested too deeply, or do not end", () => {
    expect(fault(OpenSchema, new Uint8Array(100_000).fill(0x7b))).toContain("maximum recursion depth");
    expect(fault(OpenSchema, new Uint8Array(20).fill(0x7b))).toBeDefined();
    expect(fault(mildDesc, new Uint8Array(100_000).fill(0x0b))).toBeDefined();
  });

  it("may hold entries and unknown fields without end: time and memory grow with the bytes, which are bounded", () => {
    const size = 262_144;
    const entries = new Uint8Array(size);
    const unknown = new Uint8Array(size);
    for (let at = 0; at < size; at += 2) {
      entries[at] = 0x1a; // Open.header, empty
      unknown.set([0x78, 1], at); // field 15, a number
    }
    expect(codec.of(OpenSchema).decode(entries).header).toHaveLength(size / 2);
    expect(codec.of(OpenSchema).decode(unknown).$unknown).toHaveLength(size / 2);
  });

  it("are refused with a length that lies, a number of eleven bytes, and text that is not UTF-8", () => {
    expect(fault(OpenSchema, new Uint8Array([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]))).toContain("premature EOF");
    expect(fault(OpenSchema, new Uint8Array([0x08, ...new Uint8Array(10).fill(0x80), 1]))).toContain("invalid varint");
    expect(fault(OpenSchema, new Uint8Array([0x12, 1, 0xff]))).toBeDefined();
  });
});
