// Records of keyed calls, in the form that a durable store keeps over releases.
import { describe, expect, it } from "vitest";
import { type Kept, packKept, unpackKept } from "./once-record.ts";

const begun: Kept = { fingerprint: "0123456789abcdef", owner: "00ff" };
const field = (key: string, value: string): { key: string; value: string } => ({ key, value });
const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const replies: Record<string, Kept> = {
  begun,
  "a reply": {
    ...begun,
    reply: { payload: every, status: undefined, header: [field("x-é", "ü")], trailer: [field("a", "")], metadata: [] },
  },
  "an empty reply": {
    ...begun,
    reply: { payload: new Uint8Array(0), status: undefined, header: [], trailer: [], metadata: [] },
  },
  "an error": {
    ...begun,
    reply: {
      payload: new Uint8Array(0),
      header: [],
      trailer: [],
      metadata: [field("x-a", "1"), field("x-a", "2")],
      status: {
        code: 5,
        message: "nicht gefunden: 日本語",
        details: [
          { typeUrl: "type.googleapis.com/a.B", value: every },
          { typeUrl: "type.googleapis.com/a.C", value: new Uint8Array(0) },
          { typeUrl: "type.googleapis.com/a.D", value: Uint8Array.of(0) },
        ],
      },
    },
  },
};

describe("a record", () => {
  it.each(Object.entries(replies))("comes back as it was: %s", (_, kept) => {
    expect(unpackKept(packKept(kept))).toEqual(kept);
  });

  it("is known whatever array it lies in", () => {
    const packed = packKept(replies["an error"]!);
    const larger = new Uint8Array(packed.length + 7);
    larger.set(packed, 7);
    expect(unpackKept(larger.subarray(7))).toEqual(replies["an error"]);
  });

  it("that is cut off at any byte, or of a later form, is not understood", () => {
    const packed = packKept(replies["an error"]!);
    for (let length = 0; length < packed.length; length++)
      expect(unpackKept(packed.subarray(0, length))).toBeUndefined();
    const later = new TextDecoder("latin1").decode(packKept(begun)).replace('"version":1', '"version":2');
    expect(unpackKept(Uint8Array.from(later, (character) => character.charCodeAt(0)))).toBeUndefined();
  });

  it("has this form, which files of today are read by for ever", () => {
    const text = new TextDecoder("latin1").decode(packKept(begun));
    expect(JSON.stringify(text)).toBe(
      JSON.stringify('\0\0\0={"version":1,"fingerprint":"0123456789abcdef","owner":"00ff"}'),
    );
  });
});
