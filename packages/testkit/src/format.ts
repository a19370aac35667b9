// Batches to send: each is known by its number and size, so that what arrives can be held against what must.
import { require } from "./case.ts";

/** The two forms that batches have on the wire. Text links carry "json" only: one JSON object a line, "\n" at the end. */
export type Format = "binary" | "json";

export interface Batches {
  /** Smallest size that `make` can make. */
  readonly least: number;
  /** The batch with a number, exactly `size` bytes long. The same arguments give the same bytes. */
  make(number: number, size?: number): Uint8Array;
  /** Batches that are most likely to be damaged on the way. */
  readonly awkward: readonly Uint8Array[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const binary: Batches = {
  least: 1,
  make(number, size = 16) {
    const bytes = new Uint8Array(size);
    // xorshift32, seeded by the number: any byte may stand anywhere, also first.
    let state = (Math.imul(number + 1, 0x9e37_79b1) | 1) >>> 0;
    for (let at = 0; at < size; at++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      bytes[at] = state & 0xff;
    }
    return bytes;
  },
  awkward: [
    Uint8Array.from({ length: 256 }, (_, byte) => byte),
    Uint8Array.from({ length: 256 }, (_, byte) => 255 - byte),
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...["\0", "\r\n\r\n", "\n\ndata: x\n\n", "{}", "0\r\n\r\n", "\u{feff}", "ÿ\u{10ffff}"].map((text) =>
      encoder.encode(text),
    ),
    Uint8Array.of(0xc3), // the first half of a character
    Uint8Array.of(0xed, 0xa0, 0x80), // half a surrogate pair
    Uint8Array.of(0x88, 0x00, 0x89, 0x00), // looks like WebSocket control frames
    new Uint8Array(1000),
    new Uint8Array(1000).fill(0xff),
  ],
};

/** What text has in it that careless code breaks: quotes, escapes, two to four byte characters, line separators, a byte order mark. */
const passage = JSON.stringify('"déjà vu"\n\r\n\t\\ 日本語 🏁👩‍👩‍👧 \u2028\u2029\ufeff data: [DONE] </script> ').slice(
  1,
  -1,
);
const passageBytes = encoder.encode(passage).length;

function line(number: number, size: number | undefined): string {
  const head = `{"data":{"call":${number},"json":"`;
  const tail = `"}}\n`;
  if (size === undefined) return `${head}${passage}${tail}`;
  const room = size - head.length - tail.length;
  require(room >= 0, `a JSON batch of ${size} bytes cannot carry its number`);
  const times = Math.floor(room / passageBytes);
  return `${head}${passage.repeat(times)}${"x".repeat(room - times * passageBytes)}${tail}`;
}

const json: Batches = {
  least: 64,
  make: (number, size) => encoder.encode(line(number, size)),
  awkward: [
    "{}\n",
    `{"data":{"call":1,"json":"${passage}"}}\n`,
    '{"ping":{"id":1}}\n{"ping":{"id":2}}\n{"pong":{"id":3}}\n',
    `{"data":{"call":1,"json":"${"\u2028".repeat(300)}"}}\n`,
    `{"data":{"call":1,"json":"\\u0000\\u001f\\ud800 ${"🏁".repeat(5000)}"}}\n`,
    '{"data":{"call":1,"json":": comment"}}\n{"data":{"call":1,"json":"event: end\\nid: 7\\nretry: 1\\ndata:\\n\\n"}}\n',
    '{ "data" : { "call":1,"json":"  spaces stay  " } }\n',
  ].map((text) => encoder.encode(text)),
};

export const formats: Readonly<Record<Format, Batches>> = { binary, json };

/** Where two byte arrays begin to differ; -1 if they do not. */
function difference(one: Uint8Array, other: Uint8Array): number {
  const length = Math.min(one.length, other.length);
  let at = 0;
  while (at < length && one[at] === other[at]) at++;
  return at === length && one.length === other.length ? -1 : at;
}

export function isSame(got: Uint8Array | undefined, wanted: Uint8Array): boolean {
  return got !== undefined && got.length === wanted.length && difference(got, wanted) < 0;
}

/** Fails, saying where they differ, unless the bytes are the same. */
export function requireSame(got: Uint8Array | undefined, wanted: Uint8Array, what: string): void {
  require(got !== undefined, `${what} did not come`);
  const at = difference(got, wanted);
  require(at < 0, () =>
    `${what} differs: ${got.length} bytes in place of ${wanted.length}, from byte ${at} on: ${excerpt(got, at)} in place of ${excerpt(wanted, at)}`);
}

function excerpt(bytes: Uint8Array, at: number): string {
  const piece = bytes.subarray(at, at + 12);
  const hex = Array.from(piece, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `${hex === "" ? "nothing" : hex} (${JSON.stringify(decoder.decode(piece))})`;
}
