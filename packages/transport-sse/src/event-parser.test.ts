// The parser of event streams against the HTML standard, with chunks cut anywhere.
import { reasonOf } from "@raceway/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventParser } from "./event-parser.ts";

interface Read {
  readonly events: { readonly type: string; readonly data: string }[];
  readonly lastEventId: string;
  readonly retryMs: number | undefined;
}
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads a stream that comes in these pieces. */
function read(pieces: readonly Uint8Array[], maxBytes = 1_000_000): Read {
  const events: { type: string; data: string }[] = [];
  const parser = new EventParser(
    { event: (type, data) => events.push({ type, data: decoder.decode(data).slice(0, -1) }) },
    maxBytes,
  );
  for (const piece of pieces) parser.push(piece);
  return { events, lastEventId: parser.lastEventId, retryMs: parser.retryMs };
}
const readText = (...pieces: readonly string[]): Read["events"] => [
  ...read(pieces.map((piece) => encoder.encode(piece))).events,
];

/** The algorithm of the standard, word for word, on the whole text at once. */
function reference(bytes: Uint8Array): Read {
  const events: { type: string; data: string }[] = [];
  let [data, type, lastEventId] = ["", "", ""];
  let retryMs: number | undefined;
  const text = decoder.decode(bytes).replace(/^\u{feff}/u, "");
  const lines = text.split(/\r\n|\n|\r/);
  lines.pop(); // a line without an end is not a line
  for (const line of lines) {
    if (line === "") {
      if (data !== "") events.push({ type: type === "" ? "message" : type, data: data.slice(0, -1) });
      data = type = "";
      continue;
    }
    if (line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") type = value;
    else if (field === "data") data += `${value}\n`;
    else if (field === "id" && !value.includes("\0")) lastEventId = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) retryMs = Number(value);
  }
  return { events, lastEventId, retryMs };
}

/** Cuts bytes at these places, wherever they are. */
function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.byteLength + 1)))].sort((a, b) => a - b);
  return [0, ...cuts].map((from, at) => bytes.slice(from, cuts[at] ?? bytes.byteLength));
}

// Text that is full of what means something to the parser.
const piece = fc.constantFrom(
  "data",
  "event",
  "id",
  "retry",
  ":",
  " ",
  "\n",
  "\r",
  "\r\n",
  "\n\n",
  "\0",
  "data: ",
  "data:x\n",
  "id:7\n",
  "retry:12\n",
  "event:a\n",
  "\u{feff}",
  "é",
  "日",
  "🏁",
  "x",
  "12",
);
const stream = fc.array(piece, { maxLength: 60 }).map((pieces) => encoder.encode(pieces.join("")));

test("reads any stream as the standard says, wherever it is cut", () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 20 }), (bytes, places) => {
      const expected = reference(bytes);
      expect(read([bytes])).toEqual(expected);
      expect(read(cutAt(bytes, places))).toEqual(expected);
      expect(read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
    }),
    { numRuns: 2_000 },
  );
});

describe("the standard's own examples", () => {
  test.each<[string, Read["events"]]>([
    ["data: YHOO\ndata: +2\ndata: 10\n\n", [{ type: "message", data: "YHOO\n+2\n10" }]],
    [
      ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
      [
        { type: "message", data: "first event" },
        { type: "message", data: "second event" },
        { type: "message", data: " third event" },
      ],
    ],
    [
      "data\n\ndata\ndata\n\ndata:",
      [
        { type: "message", data: "" },
        { type: "message", data: "\n" },
      ],
    ],
    [
      "data:test\n\ndata: test\n\n",
      [
        { type: "message", data: "test" },
        { type: "message", data: "test" },
      ],
    ],
    [
      "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
      [
        { type: "add", data: "73857293" },
        { type: "remove", data: "2153" },
      ],
    ],
  ])("%j", (text, events) => {
    expect(readText(text)).toEqual(events);
  });
});

test("a CR at the end of one piece and a LF at the beginning of the next are one line end", () => {
  expect(readText("data:a\r", "\ndata:b\r", "\n\r", "\n")).toEqual([{ type: "message", data: "a\nb" }]);
});

test("ids with NUL are ignored, ids stay, retry takes digits only", () => {
  const { lastEventId, retryMs } = read([encoder.encode("id:1\nretry:5\n\nid:2\0\nretry:6x\nretry:\ndata:x\n\n")]);
  expect([lastEventId, retryMs]).toEqual(["1", 5]);
});

test("a line or an event without end is refused before it fills the memory", () => {
  const endless = ["data:0123456789", "0123456789\ndata:0123456789\n", `:${"0123456789".repeat(5)}`];
  for (const start of endless) {
    const many = Array.from({ length: 10 }, () =>
      encoder.encode(start.endsWith("\n") ? "data:0123456789\n" : "0123456789"),
    );
    let reason: string | undefined;
    try {
      read([encoder.encode(start), ...many], 40);
    } catch (error) {
      reason = reasonOf(error);
    }
    expect(reason).toBe("batch_too_large");
  }
});

test("small pieces of a long line cost what they weigh", () => {
  let told = 0;
  const parser = new EventParser({ event: (_, data) => (told += data.byteLength) }, 2_000_000);
  const letter = encoder.encode("x");
  parser.push(encoder.encode("data:"));
  for (let at = 0; at < 200_000; at++) parser.push(letter);
  parser.push(encoder.encode("\n\n"));
  expect(told).toBe(200_001);
});

test("nothing is told after it was stopped, not even the rest of the piece", () => {
  const events: string[] = [];
  const parser = new EventParser(
    {
      event(_, data) {
        events.push(decoder.decode(data));
        parser.stop();
      },
    },
    1_000,
  );
  parser.push(encoder.encode("data:a\n\ndata:b\n\n"));
  parser.push(encoder.encode("data:c\n\n"));
  expect(events).toEqual(["a\n"]);
});
