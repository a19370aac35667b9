// Frames as lines of JSON, against the JSON mapping of protobuf-es, whole and broken.
import { type JsonValue, fromJsonString, toJson } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batch, frames, kinds, wireFrame } from "../test/frame-arbitrary.ts";
import { joinParts, readBatch } from "./batch.ts";
import { reasonOf } from "./errors.ts";
import { FrameWriter, encodeFrame, encodePublication } from "./frame-binary.ts";
import { frameToJson, partsToJson, readJsonFrames } from "./frame-json.ts";
import type { DataFrame, Frame } from "./frame.ts";
import { FrameSchema } from "./gen/wire_pb.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const read = (text: string | Uint8Array, jsonDepth = 64): Frame[] => {
  const list: Frame[] = [];
  readJsonFrames(typeof text === "string" ? encoder.encode(text) : text, { jsonDepth }, (frame) => list.push(frame));
  return list;
};
const fault = (text: string, jsonDepth = 64): string => {
  try {
    read(text, jsonDepth);
  } catch (error) {
    expect(reasonOf(error)).toBe("frame_malformed");
    return (error as Error).message.replace(/.*Malformed frame: /, "").replace(/\. The link.*/, "");
  }
  return "none";
};
/** Payloads as a JSON codec makes them. */
const json = fc.json().map((text) => encoder.encode(text));
const parsed = (bytes: Uint8Array): unknown => JSON.parse(decoder.decode(bytes));

describe.each(kinds)("%s in text", (kind) => {
  it("is one line of protobuf's JSON", () => {
    fc.assert(
      fc.property(frames()[kind], (frame) => {
        const line = frameToJson(frame, false);
        expect(line.indexOf("\n")).toBe(line.length - 1);
        expect(JSON.parse(line)).toEqual(toJson(FrameSchema, wireFrame(frame)));
        expect(toJson(FrameSchema, fromJsonString(FrameSchema, line))).toEqual(toJson(FrameSchema, wireFrame(frame)));
      }),
    );
  });

  it("is read from what protobuf wrote, by either name of a field", () => {
    fc.assert(
      fc.property(frames()[kind], fc.boolean(), fc.boolean(), (frame, useProtoFieldName, alwaysEmitImplicit) => {
        const text = JSON.stringify(toJson(FrameSchema, wireFrame(frame), { useProtoFieldName, alwaysEmitImplicit }));
        expect(read(text)).toStrictEqual([frame]);
      }),
    );
  });

  it("has payloads as they are if they are JSON, and gives them back", () => {
    fc.assert(
      fc.property(frames(json)[kind], (frame) => {
        const line = frameToJson(frame, true);
        const [back] = read(line);
        if (!("payload" in frame) || frame.payload === undefined) {
          expect(back).toStrictEqual(frame);
          return;
        }
        const { payload, ...rest } = back as Frame & { payload: Uint8Array };
        expect(parsed(payload)).toEqual(parsed(frame.payload));
        expect(rest).toStrictEqual(Object.fromEntries(Object.entries(frame).filter(([name]) => name !== "payload")));
        const { [kind]: message } = JSON.parse(line) as Record<string, { json: JsonValue }>;
        expect(message?.json).toEqual(parsed(frame.payload));
        expect(() => fromJsonString(FrameSchema, line)).not.toThrow();
      }),
    );
  });

  it("is the same text when it is made from binary", () => {
    fc.assert(
      fc.property(frames()[kind], (frame) => {
        expect(decoder.decode(joinParts(partsToJson([encodeFrame(frame)], false)))).toBe(frameToJson(frame, false));
      }),
    );
  });
});

describe("a batch in text", () => {
  it("is the concatenation of its frames", () => {
    fc.assert(
      fc.property(batch, batch, (one, other) => {
        const text = [...one, ...other].map((frame) => frameToJson(frame, false)).join("");
        expect(read(text)).toStrictEqual([...one, ...other]);
        const seen: Frame[] = [];
        readBatch(encoder.encode(text), { jsonDepth: 64 }, (frame) => seen.push(frame));
        expect(seen).toStrictEqual([...one, ...other]);
      }),
    );
  });

  it("is made from binary parts, also where a frame spans them", () => {
    fc.assert(
      fc.property(batch, (list) => {
        const writer = new FrameWriter();
        for (const frame of list) writer.frame(frame);
        expect(decoder.decode(joinParts(partsToJson(writer.take(), false)))).toBe(
          list.map((frame) => frameToJson(frame, false)).join(""),
        );
      }),
    );
  });

  it("is made once of a part that many links share", () => {
    const shared = encodePublication(1, 2, encoder.encode('{"a":1}'));
    const writer = new FrameWriter();
    writer.data(1, encoder.encode("1"));
    writer.part(shared);
    const parts = partsToJson(writer.take(), true);
    expect(parts.map((part) => decoder.decode(part))).toEqual([
      '{"data":{"call":1,"json":1}}\n',
      '{"publication":{"handle":1,"offset":"2","json":{"a":1}}}\n',
    ]);
    expect(partsToJson([shared], true)[0]).toBe(parts[1]);
    expect(decoder.decode(partsToJson([shared], false)[0])).toBe(
      '{"publication":{"handle":1,"offset":"2","payload":"eyJhIjoxfQ=="}}\n',
    );
  });

  it("keeps a payload's text as it was sent", () => {
    const text =
      '{"data":{"call":1,"json": {"n":12345678901234567890,"e":1.0e3,"z":-0,"u":"\\u00e9\\"}]","a":1,"a":2} ,"header":[{"key":"json","value":"}"}]}}';
    const [frame] = read(text) as DataFrame[];
    expect(decoder.decode(frame!.payload).trim()).toBe(
      '{"n":12345678901234567890,"e":1.0e3,"z":-0,"u":"\\u00e9\\"}]","a":1,"a":2}',
    );
    expect(frame!.header).toEqual([{ key: "json", value: "}" }]);
  });

  it("takes a payload whose place cannot be told from the text alone", () => {
    expect(
      (read('{"data":{"\\u006ason":{"a":[1]}}}') as DataFrame[]).map(({ payload }) => decoder.decode(payload)),
    ).toEqual(['{"a":[1]}']);
    expect((read('{"data":{"json":1,"json":2}}') as DataFrame[]).map(({ payload }) => decoder.decode(payload))).toEqual(
      ["2"],
    );
    expect(
      (read('{"unknown":{"json":1},"data":{"json":2}}') as DataFrame[]).map(({ payload }) => decoder.decode(payload)),
    ).toEqual(["2"]);
  });

  it("takes null as a payload, and an empty payload as none", () => {
    expect((read('{"data":{"json":null}}') as DataFrame[])[0]!.payload).toEqual(encoder.encode("null"));
    expect(frameToJson({ kind: "data", call: 0, payload: new Uint8Array(0), header: undefined }, true)).toBe(
      '{"data":{}}\n',
    );
    expect(
      read(
        frameToJson(
          { kind: "end", call: 1, status: undefined, header: [], trailer: [], payload: new Uint8Array(0) },
          true,
        ),
      ),
    ).toMatchObject([{ payload: new Uint8Array(0) }]);
  });

  it("never has a line break in it, whatever the codec wrote", () => {
    const line = frameToJson(
      { kind: "data", call: 1, payload: encoder.encode('{\r\n"a":\n1}'), header: undefined },
      true,
    );
    expect(line).toBe('{"data":{"call":1,"json":{  "a": 1}}}\n');
  });

  it("takes numbers as strings, strings in any base64, empty lines, and no line break at the end", () => {
    expect(read('{"ack":{"received":7}}\n\n{"credit":{"call":"3","messages":1e2,"bytes":"2.0E1"}}')).toEqual([
      { kind: "ack", received: 7, from: undefined },
      { kind: "credit", call: 3, messages: 100, bytes: 20 },
    ]);
    expect(read('{"publication":{"payload":"_-8"}}')).toMatchObject([{ payload: new Uint8Array([255, 239]) }]);
    expect(read('{"topic":{"state":"STATE_NEXT"}}\n{"topic":{"state":2}}')).toMatchObject([{ state: 0 }, { state: 2 }]);
  });

  it("passes over what it does not know", () => {
    expect(read('{"ping":{"id":1,"nonce":[{}]}, "extra":null}\n{"quack":{}}\n{}')).toEqual([{ kind: "ping", id: 1 }]);
  });

  it("does no harm with names of JavaScript's own", () => {
    const text = '{"__proto__":{"polluted":1},"constructor":{},"ping":{"__proto__":{"id":9},"toString":1,"id":2}}';
    expect(read(text)).toEqual([{ kind: "ping", id: 2 }]);
    expect(read('{"data":{"json":{"__proto__":{"polluted":1}}}}')).toHaveLength(1);
    expect(read('{"toString":{}}')).toEqual([]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it.each([
    ["a depth above the limit", '{"data":{"json":[[[[]]]]}}', "byte 19: JSON is deeper than 3 in a payload"],
    [
      "a depth above the limit, in what is unknown",
      `{"quack":${"[".repeat(100_000)}`,
      "byte 13: JSON is deeper than 3 in a payload",
    ],
    ["text that is cut off", '{"ping":{"id":1}', "byte 0: not JSON"],
    ["two values in a line", '{"ping":{"id":1}} {}', "byte 0: not JSON"],
    ["a value that is no object", '{"ping":{}}\n[]', "byte 12: not a JSON object"],
    ["a kind that is no object", '{"ping":1}', "byte 0: ping is not an object"],
    ["two kinds in a line", '{"ping":{},"pong":{}}', "byte 0: a frame with two kinds"],
    ["a number below 0", '{"ping":{"id":-1}}', "byte 0: ping.id is not a whole number up to 4294967295"],
    ["a number with a fraction", '{"ping":{"id":1.5}}', "byte 0: ping.id is not a whole number up to 4294967295"],
    [
      "a number above the range",
      '{"ping":{"id":4294967296}}',
      "byte 0: ping.id is not a whole number up to 4294967295",
    ],
    [
      "a huge number",
      '{"ack":{"received":1e400}}',
      "byte 0: ack.received is not a whole number up to 9007199254740991",
    ],
    [
      "a number in hexadecimal",
      '{"ack":{"received":"0x10"}}',
      "byte 0: ack.received is not a whole number up to 9007199254740991",
    ],
    [
      "a number above 2^53-1",
      '{"ack":{"received":"9007199254740992"}}',
      "byte 0: ack.received is not a whole number up to 9007199254740991",
    ],
    ["a string that is none", '{"auth":{"credential":7}}', "byte 0: auth.credential is not of type string"],
    ["a truth that is none", '{"open":{"end":1}}', "byte 0: open.end is not of type bool"],
    ["bytes that are none", '{"data":{"payload":[1]}}', "byte 0: data.payload is not of type bytes"],
    ["bytes that are not base64", '{"data":{"payload":"#"}}', "byte 0: data.payload is not base64"],
    ["a list that is none", '{"hello":{"codecs":"json"}}', "byte 0: hello.codecs is not a list"],
    ["an entry that is no object", '{"open":{"header":[null]}}', "byte 0: open.header is not an object"],
    [
      "a part that is no object",
      '{"goaway":{"status":{"details":[{"value":1}]}}}',
      "byte 0: goaway.status.details.value is not of type bytes",
    ],
    ["payload and json at once", '{"data":{"payload":"","json":1}}', "byte 0: data has both payload and json"],
  ])("is malformed with %s", (_, text, expected) => {
    expect(fault(text, 3)).toBe(expected);
  });

  it("is malformed if it is not UTF-8", () => {
    const bytes = encoder.encode('{"auth":{"credential":"x"}}');
    bytes[bytes.indexOf(120)] = 0xff;
    expect(() => read(bytes)).toThrow("byte 0: not JSON");
  });

  it("counts the depth from the payload on, so that both forms take the same payloads", () => {
    const payload = `${"[".repeat(64)}${"]".repeat(64)}`;
    expect(read(`{"data":{"json":${payload}}}`)).toHaveLength(1);
    expect(fault(`{"data":{"json":[${payload}]}}`)).toBe("byte 80: JSON is deeper than 64 in a payload");
  });

  it("never makes anything but an error of its own, whatever the text", () => {
    const wild = fc
      .tuple(
        batch,
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(...Array.from('{}[]",:\\0ex\n')), fc.boolean()), { maxLength: 4 }),
      )
      .map(([list, changes]) => {
        let text = list.map((frame) => frameToJson(frame, false)).join("");
        for (const [at, letter, replace] of changes)
          text =
            text.slice(0, at % (text.length + 1)) + letter + text.slice((at % (text.length + 1)) + (replace ? 1 : 0));
        return text;
      });
    fc.assert(
      fc.property(fc.oneof(wild, fc.json(), fc.string()), (text) => {
        try {
          read(text, 8);
        } catch (error) {
          expect(reasonOf(error)).toBe("frame_malformed");
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
