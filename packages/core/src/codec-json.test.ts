// The JSON codec against protobuf-es, and against payloads that mean harm.
import { type DescMessage, create, createRegistry, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  AnySchema,
  FileDescriptorProtoSchema,
  StructSchema,
  TimestampSchema,
  ValueSchema,
  anyPack,
} from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { everyDesc, messageArbitrary } from "../test/every-type.ts";
import { type JsonCodecOptions, jsonCodec } from "./codec-json.ts";
import { reasonOf } from "./errors.ts";
import { OpenSchema, PingSchema } from "./gen/wire_pb.ts";

const codec = jsonCodec();
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (json: string): Uint8Array => new TextEncoder().encode(json);
const fault = (desc: DescMessage, json: string | Uint8Array, options?: JsonCodecOptions): string | undefined => {
  try {
    jsonCodec(options)
      .of(desc)
      .decode(typeof json === "string" ? bytes(json) : json);
    return undefined;
  } catch (error) {
    expect(reasonOf(error)).toBe("payload_malformed");
    expect((error as ConnectError).code).toBe(Code.InvalidArgument);
    return (error as ConnectError).rawMessage;
  }
};

describe.each([everyDesc, OpenSchema, FileDescriptorProtoSchema].map((desc) => [desc.typeName, desc] as const))(
  "the json codec, with %s,",
  (_, desc) => {
    it("writes what toJsonString writes, and reads it back", () => {
      fc.assert(
        fc.property(messageArbitrary(desc), (init) => {
          let expected: string;
          try {
            expected = toJsonString(desc, create(desc, init));
          } catch (error) {
            // A time out of range, an Any of an unknown type, NaN in a Value.
            expect(() => codec.of(desc).encode(init)).toThrow((error as Error).message.slice(0, 60));
            return;
          }
          const written = codec.of(desc).encode(init);
          expect(text(written)).toBe(expected);
          let back: Uint8Array | undefined;
          try {
            back = toBinary(desc, fromJsonString(desc, expected, { ignoreUnknownFields: true }));
          } catch {
            expect(() => codec.of(desc).decode(written)).toThrow("is not a valid"); // what protobuf itself cannot read back
            return;
          }
          expect(Buffer.from(toBinary(desc, codec.of(desc).decode(written)))).toEqual(Buffer.from(back));
        }),
      );
    });
  },
);

describe("the json codec", () => {
  it("prepares a type once", () => {
    expect(codec.of(OpenSchema)).toBe(codec.of(OpenSchema));
    expect([codec.name, codec.binary]).toEqual(["json", false]);
  });

  it("passes over fields that it does not know", () => {
    expect(codec.of(PingSchema).decode(bytes('{"id":5,"later":{"deep":[1]}}')).id).toBe(5);
  });

  it("takes an Any of a type that it was told of", () => {
    const any = anyPack(PingSchema, create(PingSchema, { id: 5 }));
    const json = '{"id":5,"@type":"type.googleapis.com/raceway.v1.Ping"}';
    const knowing = jsonCodec({ registry: createRegistry(PingSchema) });
    expect(text(knowing.of(AnySchema).encode(any))).toBe(json);
    expect(knowing.of(AnySchema).decode(bytes(json))).toEqual(any);
    expect(() => codec.of(AnySchema).encode(any)).toThrow(
      'Message does not fit google.protobuf.Any: cannot encode message google.protobuf.Any to JSON: "type.googleapis.com/raceway.v1.Ping" is not in the type registry.',
    );
  });

  it("refuses a message that has no JSON form", () => {
    const encode = (): Uint8Array => codec.of(TimestampSchema).encode({ seconds: 10n ** 15n });
    expect(encode).toThrow("Message does not fit google.protobuf.Timestamp");
  });
});

describe("hostile JSON", () => {
  it.each([
    ["text that is cut off", PingSchema, '{"id":5', "Expected"],
    ["no object", PingSchema, "[]", "cannot decode message raceway.v1.Ping from JSON"],
    ["nothing", PingSchema, "", "Unexpected end"],
    ["a number out of range", PingSchema, '{"id":4294967296}', "id"],
    ["a huge number", PingSchema, '{"id":1e400}', "id"],
    ["a key twice", PingSchema, '{"id":1,"id":2}', "id"],
    ["a field by both of its names", OpenSchema, '{"timeoutMs":1,"timeout_ms":2}', "timeout_ms"],
    ["a byte-order mark", PingSchema, "\ufeff{}", "Unexpected token"],
  ] as const)("is refused with %s", (_, desc, json, detail) => {
    expect(fault(desc, json)).toContain(detail);
  });

  it("is refused when it is not UTF-8", () => {
    expect(fault(OpenSchema, new Uint8Array([...bytes('{"method":"'), 0xff, ...bytes('"}')]))).toBeDefined();
  });

  it("is refused when it is too deep, known or unknown, before it is parsed", () => {
    const deep = (levels: number): string => `${"[".repeat(levels)}1${"]".repeat(levels)}`;
    expect(fault(ValueSchema, deep(20), { jsonDepth: 64 })).toBeUndefined();
    expect(fault(PingSchema, `{"later":${deep(63)}}`)).toBeUndefined();
    expect(fault(PingSchema, `{"later":${deep(64)}}`)).toContain("JSON is deeper than 64");
    expect(fault(PingSchema, `{"later":"${"[".repeat(100)}\\"${"[".repeat(100)}"}`)).toBeUndefined();
    expect(fault(ValueSchema, "[".repeat(1_000_000))).toContain("JSON is deeper than 64");
    expect(fault(PingSchema, `{"later":${deep(4)}}`, { jsonDepth: 4 })).toContain("JSON is deeper than 4");
  });

  it("does no harm with names of JavaScript's own", () => {
    const json = '{"__proto__":{"polluted":1},"constructor":{"prototype":{}},"id":5}';
    expect(codec.of(PingSchema).decode(bytes(json))).toMatchObject({ id: 5 });
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    const map = codec.of(everyDesc).decode(bytes('{"mString":{"__proto__":"x"}}')) as unknown as { mString: object };
    expect(Object.getPrototypeOf(map.mString)).toBe(Object.prototype);
    expect(Object.keys(map.mString)).toEqual(["__proto__"]);
    expect(fault(StructSchema, '{"__proto__":{"polluted":1}}')).toBeUndefined();
  });

  it("gets an error of one short line, whatever it holds", () => {
    const message = fault(PingSchema, `{"id":"\\u001b[31m\\nforged${"x".repeat(10_000)}"}`)!;
    expect(message.length).toBeLessThan(400);
    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    expect(message).not.toMatch(/[\u0000-\u001f]/);
  });

  it("never makes anything but an error of ours", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.json().map((json) => `{"mOfEvery":${json},"rOfValue":${json}}`),
        ),
        (json) => {
          fault(everyDesc, json);
        },
      ),
      { numRuns: 500 },
    );
  });
});
