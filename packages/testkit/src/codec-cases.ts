// The compliance cases of a codec: all that its contract promises, as a list that any runner can run.
import { type DescMessage, create, isMessage, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { CONTRACT, type MessageCodec, reasonOf } from "@raceway/core";
import { type Case, RuleBroken, require } from "./case.ts";
import { checkBytes, checkSame, freeze, shown } from "./codec/check.ts";
import { listed, nested, valued } from "./codec/deep.ts";
import { cutAndBent } from "./codec/mischief.ts";
import { type Sample, type SampleGroup, samples, trapKeys } from "./codec/samples.ts";
import type { CodecSubject } from "./codec/subject.ts";
import {
  CodecNewerSchema,
  CodecOlderSchema,
  CodecSampleSchema,
  CodecTreeSchema,
} from "./gen/raceway/testkit/v1/codec_kit_pb.ts";

/** Messages within each other: far more than any honest one has, and more than a stack without a bound can bear. */
const TOO_DEEP = 20_000;

/** All cases for one codec; they may run in any order. */
export function codecCases(subject: CodecSubject): readonly Case[] {
  const kinds: Readonly<Record<SampleGroup, string>> = {
    numbers: "gives back numbers and booleans of each type, to the ends of their ranges",
    longs: "gives back 64-bit integers to the last digit, on both sides of 2^53",
    floats: "gives back floating point exactly: infinities, NaN, the smallest and the largest",
    texts: "gives back text of any script and length, with NUL, line breaks and quotes in it",
    bytes: "gives back bytes of any value, none and many",
    enums: "gives back values of enums, also those that the schema does not name",
    defaults: "knows what is set to its default from what is not set",
    collections: "gives back lists and maps, whole and in order",
    wellKnown: "gives back the well-known types: times, masks, structures, wrappers",
  };
  const { patienceMs = 5_000 } = subject;
  const inTime = (start: number, what: string): void => {
    const took = Math.round(performance.now() - start);
    require(took < patienceMs, `${what}: it took ${took} ms`);
  };
  const on = (name: string, run: (of: <D extends DescMessage>(desc: D) => MessageCodec<D>) => void): Case => ({
    name,
    run: async () => {
      const codec = subject.codec();
      run((desc) => codec.of(desc));
    },
  });
  return [
    {
      name: "has a name in kebab-case, and the contract's number; says whether it writes bytes or text",
      run: async () => {
        const { name, contract, binary } = subject.codec();
        require(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name), `the name is ${JSON.stringify(name)}`);
        require(contract === CONTRACT, `the contract is ${String(contract)} in place of ${CONTRACT}`);
        require(typeof binary === "boolean", `binary is ${String(binary)}`);
      },
    },
    on("prepares a type once", (of) => {
      for (const desc of [CodecSampleSchema, CodecTreeSchema])
        require(Object.is(of(desc), of(desc)), `two objects are given for ${desc.typeName}`);
      require((of(CodecSampleSchema) as unknown) !== of(CodecTreeSchema), "one object is given for two types");
    }),
    ...Object.entries(kinds).map(([group, name]) =>
      on(name, (of) => {
        for (const one of samples[group as SampleGroup]) comesBack(of, one);
      }),
    ),
    on("takes an initializer as it takes a message", (of) => {
      for (const { desc, init } of Object.values(samples).flat()) {
        const fromInit = of(desc).decode(of(desc).encode(init));
        checkSame(desc, fromInit, of(desc).decode(of(desc).encode(create(desc, init))), "an initializer");
      }
    }),
    on("gives a message of its type, which can be changed and written again", (of) => {
      const codec = of(CodecTreeSchema);
      const message = codec.decode(codec.encode({ name: "a", children: [{ name: "b" }] }));
      require(isMessage(message, CodecTreeSchema), () => `${shown(CodecTreeSchema, message)} is no CodecTree`);
      require(isMessage(message.children[0], CodecTreeSchema), "a message within it is none");
      message.children.push(create(CodecTreeSchema, { name: "c" }));
      const again = codec.decode(codec.encode(message));
      checkSame(
        CodecTreeSchema,
        again,
        create(CodecTreeSchema, { name: "a", children: [{ name: "b" }, { name: "c" }] }),
        "what was read and changed",
      );
    }),
    on("takes keys of maps for keys, whatever they are called, and leaves JavaScript's objects alone", (of) => {
      const before = Object.getOwnPropertyNames(Object.prototype).join();
      const entries = trapKeys.map((key) => [key, `the ${key}`] as const);
      const init: Sample<typeof CodecSampleSchema>["init"] = {
        byString: fromEntries(entries),
        colorsByString: fromEntries(trapKeys.map((key) => [key, 1])),
      };
      const message = of(CodecSampleSchema).decode(of(CodecSampleSchema).encode(init));
      for (const [key, text] of entries) {
        require(Object.hasOwn(message.byString, key), `the key ${key} is gone`);
        require(message.byString[key] === text, () => `the key ${key} has ${JSON.stringify(message.byString[key])}`);
      }
      require(Object.keys(message.byString).length === trapKeys.length, "there are keys that nobody has set");
      comesBack(of, { desc: CodecSampleSchema, init: { struct: fromEntries([["__proto__", { polluted: "yes" }]]) } });
      require(Object.getOwnPropertyNames(Object.prototype).join() === before, "Object.prototype was changed");
      require(!("polluted" in {}), "Object.prototype was changed");
    }),
    on("passes over fields that only a newer schema has", (of) => {
      const older = of(CodecOlderSchema).decode(of(CodecNewerSchema).encode(newer));
      checkSame(
        CodecOlderSchema,
        create(CodecOlderSchema, { name: older.name, part: { name: older.part?.name ?? "" } }),
        create(CodecOlderSchema, { name: "new", part: { name: "inner" } }),
        "what the older schema knows",
      );
    }),
    {
      name: "keeps fields that only a newer schema has, when the message is written again",
      needs: { what: "a codec that keeps unknown fields", met: subject.unknownFields === "kept" },
      run: async () => {
        const codec = subject.codec();
        const older = codec.of(CodecOlderSchema).decode(codec.of(CodecNewerSchema).encode(newer));
        const again = codec.of(CodecNewerSchema).decode(codec.of(CodecOlderSchema).encode(older));
        checkSame(
          CodecNewerSchema,
          again,
          create(CodecNewerSchema, newer),
          "a message that an older program passed on",
        );
      },
    },
    on("leaves the message that it writes as it is", (of) => {
      for (const { desc, init } of Object.values(samples).flat()) {
        const message = create(desc, init);
        const before = toBinary(desc, message);
        of(desc).encode(freeze(message));
        checkBytes(toBinary(desc, message), before, "the message");
      }
    }),
    on("leaves the bytes that it reads as they are, and reads them also in the middle of others", (of) => {
      const codec = of(CodecSampleSchema);
      const payload = codec.encode(full).slice();
      const around = new Uint8Array(payload.length + 64).fill(0xa5);
      around.set(payload, 32);
      const before = around.slice();
      const message = codec.decode(around.subarray(32, 32 + payload.length));
      checkSame(CodecSampleSchema, message, create(CodecSampleSchema, full), "a payload in the middle of others");
      checkBytes(around, before, "the bytes");
    }),
    on("does not hold on to the bytes that it has read, but for the message's own bytes", (of) => {
      const codec = of(CodecSampleSchema);
      const { bytes: _, ...init } = full;
      const payload = codec.encode(init).slice();
      const message = codec.decode(payload);
      payload.fill(0);
      checkSame(CodecSampleSchema, message, create(CodecSampleSchema, init), "a message whose payload was overwritten");
    }),
    on("gives the caller bytes of his own, which no later message touches", (of) => {
      const codec = of(CodecTreeSchema);
      const names = Array.from({ length: 200 }, (_, at) => `message ${at} ${"x".repeat(at % 50)}`);
      const written = names.map((name) => codec.encode({ name }));
      const kept = written.map((bytes) => bytes.slice());
      for (const [at, bytes] of written.entries()) {
        checkBytes(bytes, kept[at]!, `payload ${at}, after those that followed it`);
        bytes.fill(0); // it is the caller's
      }
      for (const [at, name] of names.entries()) {
        const again = codec.decode(codec.encode({ name }));
        require(again.name === name, () =>
          `after its payload was overwritten, message ${at} became ${JSON.stringify(again.name)}`);
      }
    }),
    on("writes what the message is at that time, though it changes afterwards", (of) => {
      const data = Uint8Array.from({ length: 5_000 }, (_, at) => at & 255);
      const message = create(CodecSampleSchema, { bytes: data, manyBytes: [data], string: "before" });
      const expected = create(CodecSampleSchema, { bytes: data.slice(), manyBytes: [data.slice()], string: "before" });
      const payload = of(CodecSampleSchema).encode(message);
      data.fill(0);
      message.string = "after";
      checkSame(
        CodecSampleSchema,
        of(CodecSampleSchema).decode(payload),
        expected,
        "a message that changed afterwards",
      );
      const again = of(CodecSampleSchema).decode(of(CodecSampleSchema).encode(message));
      checkSame(CodecSampleSchema, again, message, "a message that was changed and written again");
    }),
    on("can be asked for another message in the middle of one", (of) => {
      const codec = of(CodecTreeSchema);
      let inner: Uint8Array | undefined;
      const init = {
        get name() {
          inner ??= codec.encode({ name: "inner", children: [{ name: "x".repeat(1_000) }] });
          return "outer";
        },
        children: [{ name: "y".repeat(1_000) }],
      };
      const outer = codec.decode(codec.encode(init));
      require(outer.name === "outer" && outer.children[0]?.name === "y".repeat(1_000), "the outer message is another");
      require(codec.decode(inner!).name === "inner", "the inner message is another");
    }),
    on(
      "lets no value through that does not fit its type: refuses to write it, with invalid_argument, or to read it",
      (of) => {
        const unfit: readonly object[] = [
          { int32: 1.5 },
          { int32: 2 ** 31 },
          { uint32: -1 },
          { int64: 2n ** 63n },
          { uint64: -1n },
          { float: 1e300 },
          { int32s: [1, Number.NaN] },
          { tree: "no message" },
          { byInt32: { 1: "no message" } },
        ];
        for (const init of unfit) {
          let payload: Uint8Array | undefined;
          const error = failure(() => void (payload = of(CodecSampleSchema).encode(init)));
          const what = `a wrong value of ${Object.keys(init)[0]}`;
          if (payload === undefined) unfitError(error, what);
          else
            refusal(
              failure(() => of(CodecSampleSchema).decode(payload!)) ?? new RuleBroken(`${what} came through`),
              what,
            );
        }
      },
    ),
    on("refuses a payload with something behind it", (of) => {
      for (const { desc, init } of [
        { desc: CodecSampleSchema, init: full },
        { desc: CodecTreeSchema, init: { name: "a" } },
      ] as readonly Sample[]) {
        const payload = of(desc).encode(init);
        for (const more of [0x00, 0xff, 0xc0, 0x7d]) {
          const longer = new Uint8Array(payload.length + 1);
          longer.set(payload);
          longer[payload.length] = more;
          const error = failure(() => of(desc).decode(longer));
          require(error !== undefined, `a payload with the byte ${more} behind it was read`);
          refusal(error, `a payload with the byte ${more} behind it`);
        }
      }
    }),
    on(
      "refuses payloads that are cut off, bent or made up, or reads something: always with payload_malformed, and soon",
      (of) => {
        const start = performance.now();
        for (const desc of [CodecSampleSchema, CodecTreeSchema] as readonly DescMessage[]) {
          const payload = of(desc).encode(desc === CodecTreeSchema ? tree : full);
          for (const [what, bytes] of cutAndBent(payload)) {
            const error = failure(() => {
              const message = of(desc).decode(bytes);
              require(isMessage(message, desc), () => `${what} gives ${shown(desc, message)}, which is no message`);
            });
            if (error !== undefined) refusal(error, what);
          }
        }
        inTime(start, "payloads that are no messages");
      },
    ),
    on("refuses what means harm in its own format, with payload_malformed, and soon", (of) => {
      let at = 0;
      for (const bytes of subject.hostile?.() ?? []) {
        const start = performance.now();
        const what = `hostile payload ${at++} (${bytes.length} bytes)`;
        const error = failure(() => of(CodecTreeSchema).decode(bytes));
        require(error !== undefined, `${what} was read`);
        refusal(error, what);
        inTime(start, what);
      }
    }),
    on("says what is wrong in one short line, without control characters", (of) => {
      for (const bytes of [
        new Uint8Array(5_000).fill(10),
        new TextEncoder().encode(`{"name":"\u001b[31m\n${"x".repeat(9_000)}`),
      ]) {
        const error = failure(() => of(CodecTreeSchema).decode(bytes));
        if (error === undefined) continue;
        refusal(error, "a payload of control characters");
        const text = (error as ConnectError).rawMessage;
        require(text.length <= 600, () => `the message has ${text.length} characters`);
        // oxlint-disable-next-line no-control-regex -- they are what is meant
        require(!/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text), () => `the message is ${JSON.stringify(text)}`);
      }
    }),
    on("bounds how deep messages may lie within each other, in both directions", (of) => {
      for (const deep of [nested(TOO_DEEP), listed(TOO_DEEP), valued(TOO_DEEP)]) {
        const start = performance.now();
        let payload: Uint8Array | undefined;
        const unfit = failure(() => void (payload = of(CodecTreeSchema).encode(deep)));
        const what = `a message ${TOO_DEEP} deep`;
        if (payload === undefined) unfitError(unfit, what);
        else refusal(failure(() => of(CodecTreeSchema).decode(payload!)) ?? new RuleBroken(`${what} was read`), what);
        inTime(start, what);
      }
    }),
    on("reads messages as deep as honest ones are, and in a time that grows with their size", (of) => {
      const start = performance.now();
      comesBack(of, { desc: CodecTreeSchema, init: nested(24) });
      comesBack(of, {
        desc: CodecTreeSchema,
        init: { children: Array.from({ length: 20_000 }, (_, at) => ({ name: `name ${at}` })) },
      });
      inTime(start, "messages of a MiB");
    }),
    {
      name: "writes one value of JSON, in UTF-8, if it says that it writes text",
      needs: { what: "a codec that is not binary", met: !subject.codec().binary },
      run: async () => {
        const codec = subject.codec();
        for (const { desc, init } of Object.values(samples).flat()) {
          const bytes = codec.of(desc).encode(init);
          const error = failure(
            () => void JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)),
          );
          require(error === undefined, () => `it is no JSON: ${told(error)}`);
        }
      },
    },
  ];
}

/** A message with much in it, and nothing that two programs may write differently. */
const full = {
  int32: -5,
  uint64: 2n ** 60n,
  double: 0.1,
  bool: true,
  string: "grüße ✓",
  bytes: Uint8Array.from({ length: 300 }, (_, at) => at & 255),
  tree: { name: "a", children: [{ name: "b" }, { child: { name: "c" } }] },
  strings: ["one", "", "three"],
  byString: { a: "1", b: "2" },
  timestamp: { seconds: 5n, nanos: 6 },
} satisfies Sample<typeof CodecSampleSchema>["init"];
const tree: Sample<typeof CodecTreeSchema>["init"] = {
  name: "root",
  children: [{ name: "a" }, { name: "b", child: { name: "c" } }],
  any: { kind: { case: "stringValue", value: "text" } },
};
const newer: Sample<typeof CodecNewerSchema>["init"] = {
  name: "new",
  count: 2n ** 60n,
  note: "what the old program does not know",
  part: { name: "inner", note: "nor this" },
  trees: [{ name: "t", children: [{}] }, {}],
  more: { a: Uint8Array.of(1, 2, 3) },
};

function comesBack(of: <D extends DescMessage>(desc: D) => MessageCodec<D>, { desc, init }: Sample): void {
  const expected = create(desc, init);
  checkSame(desc, of(desc).decode(of(desc).encode(expected)), expected, "what was written");
}

/** Own properties, "__proto__" too. */
function fromEntries<V>(entries: readonly (readonly [string, V])[]): Record<string, V> {
  return Object.fromEntries(entries);
}

/** What it throws. */
function failure(run: () => void): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error ?? new Error("nothing");
  }
}

function told(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : `a thrown ${typeof error}`;
}

/** The error that a message gets which cannot be written. */
function unfitError(error: unknown, what: string): void {
  require(error instanceof ConnectError, () => `${what} gives ${told(error)}, which is no ConnectError`);
  require(error.code === Code.InvalidArgument, () => `${what} gives the code ${Code[error.code]}`);
}

/** The error that bytes get which are no message. What a case itself found passes through. */
function refusal(error: unknown, what: string): void {
  if (error instanceof RuleBroken) throw error;
  require(error instanceof ConnectError, () => `${what} gives ${told(error)}, which is no ConnectError`);
  require(error.code === Code.InvalidArgument, () => `${what} gives the code ${Code[error.code]}`);
  require(reasonOf(error) === "payload_malformed", () => `${what} gives the reason ${String(reasonOf(error))}`);
}
