// What the server frames is what the client reads, in both formats, however it is cut on the way.
import { reasonOf } from "@raceway/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { unquote } from "./down-fetch.ts";
import { EventParser } from "./event-parser.ts";
import { FrameParser } from "./frame-parser.ts";
import { binaryFraming, type Framing, textFraming } from "./framing.ts";
import { CONTROL_CLOSE, CONTROL_LINK } from "./protocol.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What a stream said, in order: batches as bytes, the rest by name. */
type Said = ({ readonly batch: Uint8Array } | { readonly link: string } | { readonly close: string })[];

function readBinary(pieces: readonly Uint8Array[], maxBatchBytes = 1_000): Said {
  const said: Said = [];
  const parser = new FrameParser(
    {
      batch: (batch) => said.push({ batch: Uint8Array.from(batch) }),
      control(kind, content) {
        if (kind === CONTROL_LINK) said.push({ link: decoder.decode(content) });
        if (kind === CONTROL_CLOSE) said.push({ close: decoder.decode(content) });
      },
    },
    maxBatchBytes,
  );
  for (const piece of pieces) parser.push(piece);
  return said;
}
function readText(pieces: readonly Uint8Array[]): Said {
  const said: Said = [];
  const parser = new EventParser(
    {
      event(type, data) {
        if (type === "message") said.push({ batch: Uint8Array.from(data) });
        else if (type === "quoted") said.push({ batch: unquote(decoder.decode(data.subarray(0, -1))) });
        else said.push({ [type]: decoder.decode(data.subarray(0, -1)) } as { link: string });
      },
    },
    10_000,
  );
  for (const piece of pieces) parser.push(piece);
  return said;
}
const joined = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const sizeOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.byteLength, 0);

const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 });
/** Text with all that could break a line: ends of lines, NUL, separators, what looks like fields. */
const hostile = fc
  .array(
    fc.constantFrom(
      "\n",
      "\r",
      "\r\n",
      "\0",
      "\u2028",
      "\u{feff}",
      " ",
      ":",
      "data:",
      "event:close\n",
      "id:",
      "\n\n",
      '"',
      "\\",
      "x",
      "é",
      "🏁",
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((pieces) => encoder.encode(pieces.join("")));
const lines = fc
  .array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 5 })
  .map((all) => encoder.encode(all.map((line) => `${line.replaceAll(/[\r\n\0]/g, "")}\n`).join("")));

describe.each<[string, Framing, (pieces: readonly Uint8Array[]) => Said, fc.Arbitrary<Uint8Array>]>([
  ["binary", binaryFraming, readBinary, fc.oneof(bytes, hostile)],
  ["text", textFraming, readText, fc.oneof(hostile, lines)],
])("as %s", (_, framing, read, batch) => {
  test("any batches come out as they went in, whatever is between them and wherever the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(batch, { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        fc.string({ unit: "grapheme" }),
        (batches, places, reason) => {
          const plain = encodeURIComponent(reason.toWellFormed());
          const halves = batches.map((each) => [each.subarray(0, 1), each.subarray(1)]);
          const whole = joined([
            ...framing.opening("name"),
            ...halves.flatMap((parts) => [...framing.batch(parts, sizeOf(parts)), ...framing.alive]),
            ...framing.close(plain),
          ]);
          const expected: Said = [{ link: "name" }, ...batches.map((each) => ({ batch: each })), { close: plain }];
          const cuts = [...new Set(places.map((place) => place % whole.byteLength))].sort((a, b) => a - b);
          expect(read([whole])).toEqual(expected);
          expect(read([0, ...cuts].map((from, at) => whole.subarray(from, cuts[at] ?? whole.byteLength)))).toEqual(
            expected,
          );
          expect(read([...whole].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("the same parts are framed once, others anew, large ones without a copy", () => {
    const parts = [encoder.encode("{}\n")];
    const first = framing.batch(parts, 3);
    expect(framing.batch(parts, 3)).toBe(first);
    expect(framing.batch([encoder.encode("{}\n")], 3)).not.toBe(first);
    expect(framing.batch(parts, 3)).not.toBe(first);
    expect(first).toHaveLength(1);
  });
});

test("a batch as an event is its line and eight bytes", () => {
  expect(decoder.decode(joined(textFraming.batch([encoder.encode('{"a":1}\n')], 8)))).toBe('data:{"a":1}\n\n');
});

test("a large batch in binary is left where it is", () => {
  const large = new Uint8Array(10_000);
  expect(binaryFraming.batch([large], large.byteLength)[1]).toBe(large);
});

test("a stream that is not one is refused", () => {
  const bad: readonly [number[], string][] = [
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "request_malformed"],
    [[0xea, 0x07], "batch_too_large"], // 1,001 bytes
    [[0, CONTROL_CLOSE, 0xff, 0xff, 0xff, 0x7f], "batch_too_large"],
  ];
  for (const [start, reason] of bad) {
    let got: string | undefined;
    try {
      readBinary([Uint8Array.from(start)]);
    } catch (error) {
      got = reasonOf(error);
    }
    expect(got).toBe(reason);
  }
  expect(readBinary([Uint8Array.of(0, 99, 2, 1, 2, 2, 65)])).toEqual([{ batch: Uint8Array.of(65) }]); // unknown kinds are skipped
});

test("a quoted event that is no string is refused", () => {
  for (const text of ["", "1", "{", '["a"]']) expect(() => unquote(text)).toThrow("a quoted event is no JSON string");
});
