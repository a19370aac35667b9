// The cases of codecs: the two of Raceway pass them, and codecs that are broken on purpose do not: each fault must be caught by the case that is meant for it.
// It is long because each fault is a codec of its own.
import {
  type DescMessage,
  type Message,
  type MessageInitShape,
  create,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Codec, CONTRACT, fail, jsonCodec, protoCodec } from "@raceway/core";
import { decodeFast } from "@raceway/core/internal";
import { describe, expect, test } from "vitest";
import { codecCases } from "./codec-cases.ts";
import type { CodecSubject } from "./codec/subject.ts";
import { runCases } from "./run-cases.ts";
import { describeCodec } from "./vitest.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A CodecTree in protobuf's binary form, so many deep. */
function deepProto(depth: number): Uint8Array {
  let deep = Uint8Array.of(0x0a, 0x00);
  for (let at = 0; at < depth; at++) {
    const length = [];
    for (let rest = deep.length; rest > 0; rest >>>= 7) length.push(rest > 127 ? (rest & 127) | 128 : rest);
    deep = Uint8Array.from([0x12, ...length, ...deep]);
  }
  return deep;
}
/** Protobuf's binary form, as somebody would write it who means harm. */
function* hostileProto(): Generator<Uint8Array> {
  yield deepProto(500);
  yield deepProto(5_000);
  yield new Uint8Array(100_000).fill(0x0b); // groups
  yield Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x61); // a length that lies
  yield Uint8Array.of(0x0a, ...new Uint8Array(10).fill(0xff), 0x01);
  yield Uint8Array.of(0x00, 0x00);
}
function* hostileJson(): Generator<Uint8Array> {
  yield bytes('{"child":'.repeat(100_000));
  yield bytes(`${'{"child":'.repeat(5_000)}{}${"}".repeat(5_000)}`);
  yield bytes(`{"any":${"[".repeat(100_000)}`);
  yield bytes(`{"unknown":${"[".repeat(5_000)}${"]".repeat(5_000)}}`);
  yield Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d);
  yield bytes('{"name":"a"} {"name":"b"}');
  yield bytes('["name"]');
}

describeCodec("proto", { codec: () => protoCodec(), unknownFields: "kept", hostile: hostileProto });
describeCodec("proto, as servers read it", {
  codec: () => protoCodec({ decoder: decodeFast }),
  unknownFields: "kept",
  hostile: hostileProto,
});
describeCodec("json", { codec: () => jsonCodec(), unknownFields: "passed over", hostile: hostileJson });

/** A codec as it should be. The steps are there to be broken. */
class Whole {
  name = "broken";
  binary = true;
  readonly prepared = new Map<DescMessage, object>();

  write(desc: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array {
    return toBinary(desc, create(desc, message));
  }
  read(desc: DescMessage, payload: Uint8Array): Message {
    return fromBinary(desc, payload);
  }
  unfit(error: unknown): unknown {
    return new ConnectError(String(error).slice(0, 100), Code.InvalidArgument);
  }
  malformed(desc: DescMessage, _payload: Uint8Array, _error: unknown): unknown {
    return fail("payload_malformed", { type: desc.typeName, detail: "broken" });
  }
  prepare(desc: DescMessage): object {
    return {
      encode: (message: MessageInitShape<DescMessage>) => {
        try {
          return this.write(desc, message);
        } catch (error) {
          throw this.unfit(error);
        }
      },
      decode: (payload: Uint8Array) => {
        try {
          return this.read(desc, payload);
        } catch (error) {
          throw this.malformed(desc, payload, error);
        }
      },
    };
  }
  of(desc: DescMessage): object {
    let known = this.prepared.get(desc);
    if (known === undefined) this.prepared.set(desc, (known = this.prepare(desc)));
    return known;
  }
}

/** By hand, as no `defineCodec` would give it. */
function codecOf(whole: Whole): Codec {
  const { name, binary } = whole;
  return { name, contract: CONTRACT, binary, of: (desc: DescMessage) => whole.of(desc) } as unknown as Codec;
}

/** What was read, with each value of its fields as `change` makes it, at any depth. */
function changed(message: object, change: (value: unknown, field: string) => unknown): Message {
  for (const [field, value] of Object.entries(message)) {
    const inner = change(value, field);
    if (inner !== undefined && typeof inner === "object" && inner !== null && !ArrayBuffer.isView(inner))
      changed(inner, change);
    Object.defineProperty(message, field, { value: inner, enumerable: true, writable: true, configurable: true });
  }
  return message as Message;
}

/** A codec that reads well, and then changes what it read. */
const reading =
  (change: (value: unknown, field: string) => unknown): (() => Whole) =>
  () =>
    new (class extends Whole {
      override read(desc: DescMessage, payload: Uint8Array): Message {
        return changed(super.read(desc, payload), change);
      }
    })();

let scratch = new Uint8Array(0);
let parts: Uint8Array[] = [];

type Fault = readonly [fault: string, caughtBy: RegExp, make: () => Whole, more?: Partial<CodecSubject>];
const faults: readonly Fault[] = [
  ["has a name that is none", /kebab-case/, () => Object.assign(new Whole(), { name: "My Codec" })],
  [
    "prepares a type each time",
    /prepares a type once/,
    () =>
      new (class extends Whole {
        override of(desc: DescMessage): object {
          return this.prepare(desc);
        }
      })(),
  ],
  [
    "reads negative numbers as positive ones",
    /numbers and booleans/,
    reading((value) => (typeof value === "number" && value < 0 ? -value : value)),
  ],
  [
    "takes 64-bit integers for numbers",
    /to the last digit/,
    reading((value) => (typeof value === "bigint" ? BigInt(Number(value)) : value)),
  ],
  ["reads NaN as 0", /floating point/, reading((value) => (Number.isNaN(value) ? 0 : value))],
  [
    "normalizes text",
    /text of any script/,
    reading((value) => (typeof value === "string" ? value.normalize("NFC") : value)),
  ],
  [
    "cuts bytes at 64 KiB",
    /bytes of any value/,
    reading((value) => (value instanceof Uint8Array ? value.subarray(0, 65_536) : value)),
  ],
  [
    "forgets values of enums that it does not know",
    /values of enums/,
    reading((value, field) => (field === "color" && value === 99 ? 0 : value)),
  ],
  [
    "writes nothing where a field has its default",
    /set to its default/,
    () =>
      new (class extends Whole {
        override write(desc: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array {
          const given = Object.entries(message).filter(([, value]) => value !== 0 && value !== "");
          return super.write(desc, Object.fromEntries(given) as never);
        }
      })(),
  ],
  [
    "sorts lists",
    /whole and in order/,
    reading((value) => (Array.isArray(value) ? value.toSorted((a, b) => (String(a) < String(b) ? -1 : 1)) : value)),
  ],
  ["forgets nanoseconds", /well-known types/, reading((value, field) => (field === "nanos" ? 0 : value))],
  [
    "takes messages only",
    /initializer/,
    () =>
      new (class extends Whole {
        override write(desc: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array {
          return toBinary(desc, message as Message);
        }
      })(),
  ],
  [
    "gives plain objects",
    /a message of its type/,
    () =>
      new (class extends Whole {
        override read(desc: DescMessage, payload: Uint8Array): Message {
          const { $typeName: _, ...plain } = super.read(desc, payload);
          return plain as Message;
        }
      })(),
  ],
  [
    "puts the keys of maps into objects as they come",
    /keys of maps/,
    reading((value, field) => {
      if (field !== "byString") return value;
      const plain: Record<string, unknown> = {};
      for (const [key, text] of Object.entries(value as object)) plain[key] = text;
      return plain;
    }),
  ],
  [
    "merges what it read into objects, by the prototype too",
    /keys of maps/,
    reading((value, field) => {
      if (field === "struct" && value !== undefined) merge({}, value as object);
      return value;
    }),
  ],
  [
    "refuses a newer schema's messages",
    /only a newer schema has$/,
    () =>
      new (class extends Whole {
        override read(desc: DescMessage, payload: Uint8Array): Message {
          const message = super.read(desc, payload);
          if (message.$unknown !== undefined) throw new Error("unknown");
          return message;
        }
      })(),
  ],
  [
    "loses fields that it does not know",
    /when the message is written again/,
    () =>
      new (class extends Whole {
        override read(desc: DescMessage, payload: Uint8Array): Message {
          return fromBinary(desc, payload, { readUnknownFields: false });
        }
      })(),
  ],
  [
    "changes what it writes",
    /leaves the message/,
    () =>
      new (class extends Whole {
        override write(desc: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array {
          const payload = super.write(desc, message);
          Object.assign(message, { written: true });
          return payload;
        }
      })(),
  ],
  [
    "changes what it reads",
    /leaves the bytes/,
    () =>
      new (class extends Whole {
        override read(desc: DescMessage, payload: Uint8Array): Message {
          const message = super.read(desc, payload.slice());
          payload.fill(0);
          return message;
        }
      })(),
  ],
  [
    "reads from the beginning of the memory that it is given a part of",
    /in the middle of others/,
    () =>
      new (class extends Whole {
        override read(desc: DescMessage, payload: Uint8Array): Message {
          return super.read(desc, new Uint8Array(payload.buffer, 0, payload.length));
        }
      })(),
  ],
  [
    "reads when it is asked for a field",
    /does not hold on to the bytes/,
    () =>
      new (class extends Whole {
        override read(desc: DescMessage, payload: Uint8Array): Message {
          const message = super.read(desc, payload);
          if (desc.fields.every(({ localName }) => localName !== "strings")) return message;
          const later = (): unknown => (fromBinary(desc, payload) as unknown as { readonly strings: unknown }).strings;
          return Object.defineProperty(message, "strings", { get: later, enumerable: true });
        }
      })(),
  ],
  [
    "gives everybody the same memory",
    /bytes of his own/,
    () =>
      new (class extends Whole {
        override write(desc: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array {
          const payload = super.write(desc, message);
          if (scratch.length < payload.length) scratch = new Uint8Array(payload.length * 2);
          scratch.set(payload);
          return scratch.subarray(0, payload.length);
        }
      })(),
  ],
  [
    "remembers what it wrote",
    /at that time/,
    () => {
      const written = new WeakMap<object, Uint8Array>();
      return new (class extends Whole {
        override write(desc: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array {
          const payload = written.get(message) ?? super.write(desc, message);
          written.set(message, payload);
          return payload.slice();
        }
      })();
    },
  ],
  [
    "is confused by a message in the middle of another",
    /in the middle of one/,
    () =>
      new (class extends Whole {
        override write(desc: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array {
          parts = [];
          const whole = create(desc, message); // asks getters
          parts.push(toBinary(desc, whole));
          return Uint8Array.from(parts.flatMap((part) => [...part]));
        }
      })(),
  ],
  [
    "makes numbers fit",
    /does not fit its type/,
    () =>
      new (class extends Whole {
        override write(desc: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array {
          const { int32 } = message as { readonly int32?: number };
          return super.write(desc, int32 === undefined ? message : { ...message, int32: int32 | 0 });
        }
      })(),
  ],
  [
    "says of what does not fit that it is its own fault",
    /does not fit its type/,
    () =>
      new (class extends Whole {
        override unfit(error: unknown): unknown {
          return ConnectError.from(error, Code.Internal);
        }
      })(),
  ],
  [
    "takes no notice of what follows",
    /something behind it/,
    () =>
      new (class extends Whole {
        override write(desc: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array {
          const payload = super.write(desc, message);
          const framed = new Uint8Array(payload.length + 4);
          new DataView(framed.buffer).setUint32(0, payload.length);
          framed.set(payload, 4);
          return framed;
        }
        override read(desc: DescMessage, payload: Uint8Array): Message {
          const length = new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(0);
          return super.read(desc, payload.subarray(4, 4 + length));
        }
      })(),
  ],
  [
    "throws what its library throws",
    /cut off, bent or made up/,
    () =>
      new (class extends Whole {
        override malformed(_desc: DescMessage, _payload: Uint8Array, error: unknown): unknown {
          return error;
        }
      })(),
  ],
  [
    "gives another reason",
    /cut off, bent or made up/,
    () =>
      new (class extends Whole {
        override malformed(): unknown {
          return fail("frame_malformed", { detail: "broken" });
        }
      })(),
  ],
  [
    "reads nothing where there is something wrong",
    /cut off, bent or made up/,
    () =>
      new (class extends Whole {
        override read(desc: DescMessage, payload: Uint8Array): Message {
          try {
            return super.read(desc, payload);
          } catch {
            return undefined as unknown as Message;
          }
        }
      })(),
  ],
  [
    "quotes what it could not read",
    /one short line/,
    () =>
      new (class extends Whole {
        override malformed(desc: DescMessage, payload: Uint8Array): unknown {
          return fail("payload_malformed", { type: desc.typeName, detail: new TextDecoder().decode(payload) });
        }
      })(),
  ],
  [
    "reads what means harm",
    /in its own format/,
    () =>
      new (class extends Whole {
        override read(desc: DescMessage, payload: Uint8Array): Message {
          return fromBinary(desc, payload, { recursionLimit: 100_000 });
        }
      })(),
    { hostile: () => [deepProto(500)] },
  ],
  [
    "lets its stack overflow",
    /how deep messages may lie/,
    () =>
      new (class extends Whole {
        override unfit(error: unknown): unknown {
          return error;
        }
      })(),
  ],
  [
    "takes longer and longer",
    /grows with their size/,
    () =>
      new (class extends Whole {
        override read(desc: DescMessage, payload: Uint8Array): Message {
          for (const until = performance.now() + 60; payload.length > 100_000 && performance.now() < until;);
          return super.read(desc, payload);
        }
      })(),
    { patienceMs: 50 },
  ],
  ["says it writes text, and does not", /one value of JSON/, () => Object.assign(new Whole(), { binary: false })],
];

/** As careless code merges objects. */
function merge(into: Record<string, unknown>, from: object): void {
  for (const [key, value] of Object.entries(from)) {
    if (typeof value === "object" && value !== null)
      merge((into[key] ??= {}) as Record<string, unknown>, value as object);
    else into[key] = value;
  }
}

describe("the cases of codecs", () => {
  /** Those of the cases with such a name that find a fault. */
  const failing = async (make: () => Whole, names: RegExp, more: Partial<CodecSubject> = {}): Promise<string[]> => {
    const cases = codecCases({ codec: () => codecOf(make()), unknownFields: "kept", ...more });
    const { results } = await runCases(
      cases.filter(({ name }) => names.test(name)),
      () => {},
    );
    delete (Object.prototype as { polluted?: unknown }).polluted;
    return results.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
  };

  test("find no fault in a codec that has none", async () => {
    expect(await failing(() => new Whole(), /./, { hostile: hostileProto })).toEqual([]);
  });

  for (const [fault, caughtBy, make, more] of faults)
    test(`catch a codec that ${fault}`, async () => {
      expect(await failing(make, caughtBy, more)).toHaveLength(1);
    });

  test("are each there for a fault: none is without one", () => {
    const cases = codecCases({ codec: () => codecOf(new Whole()), unknownFields: "kept" });
    const idle = cases.filter(({ name }) => !faults.some(([, caughtBy]) => caughtBy.test(name)));
    expect(idle.map(({ name }) => name)).toEqual([]);
  });

  test("say what is wrong in words for the author of the codec", async () => {
    const make = reading((value) => (typeof value === "bigint" ? BigInt(Number(value)) : value));
    const cases = codecCases({ codec: () => codecOf(make()), unknownFields: "kept" });
    const one = cases.find(({ name }) => name.includes("to the last digit"));
    await expect(one!.run()).rejects.toThrow(/^what was written came back otherwise \(int64, .*9007199254740992/);
  });
});
